"""What routes ask for: the service's parts, its token, and the shapes that queries share."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from lightninglens.app.api.errors import Problem
from lightninglens.app.lab import Lab
from lightninglens.app.node.watched import WatchedNode
from lightninglens.app.payments import SearchablePayments
from lightninglens.app.rebalancing import Rebalancing
from lightninglens.app.state import ServiceState
from lightninglens.app.world_view import WorldView

MAX_PAGE = 500
MAX_TEXT = 100
MAX_SAFE_INTEGER = 2**53


def _service(request: Request) -> ServiceState:
    state = request.app.state.service
    if not isinstance(state, ServiceState):
        raise TypeError("the application has no service")
    return state


def running_lab(state: ServiceState, request: Request) -> Lab:
    """Return the lab; raises Problem while it is warming up, and where a node is watched instead."""
    if state.lab is not None:
        return state.lab
    if state.mode != "simulated":
        raise Problem(
            409,
            "this service watches a node: nothing is moved here",
            where=request.url.path,
            what_to_do="rehearse it in the lab (`lens up`)",
        )
    raise _not_yet("the simulator is still warming up", request)


def _not_yet(what: str, request: Request) -> Problem:
    return Problem(
        503, what, where=request.url.path, what_to_do="try again in a few seconds", headers={"Retry-After": "2"}
    )


def _world(request: Request) -> WorldView:
    state = _service(request)
    if state.view is None:
        waits_for = "the simulator is still warming up" if state.mode == "simulated" else state.waits_for
        raise _not_yet(waits_for, request)
    return state.view


def _watched(
    request: Request,
    node: Annotated[
        str | None, Query(max_length=MAX_TEXT, description="Name or key of a node of the lab; a watched node is alone.")
    ] = None,
) -> WatchedNode:
    state = _service(request)
    if not state.watched:
        if state.mode != "simulated":
            raise _not_yet(state.waits_for, request)
        running_lab(state, request)
        raise Problem(
            409,
            "the nodes of this network are too many to be recorded one by one",
            where=request.url.path,
            what_to_do="`lens lab record` records one of them",
        )
    names = {watched.info.alias: watched for watched in state.watched.values()} | state.watched
    if node is None and len(state.watched) == 1:
        return next(iter(state.watched.values()))
    if node not in names:
        known = ", ".join(watched.info.alias or key for key, watched in state.watched.items())
        raise Problem(422, "say which node", where="query.node", what_to_do=f"one of {known}")
    return names[node]


def _rebalancing(request: Request) -> Rebalancing:
    state = _service(request)
    running_lab(state, request)
    if state.rebalancing is None or state.phase == "ended":
        raise Problem(503, "the lab has ended", where=request.url.path, what_to_do="start it again with `lens up`")
    if state.switches.settings.paused:
        raise Problem(
            409, "the world is paused: nothing can move in it", where="service", what_to_do="let it go on first"
        )
    return state.rebalancing


def _payments(request: Request) -> SearchablePayments:
    _world(request)
    payments = _service(request).payments
    if payments is None:
        raise TypeError("a world without a log of payments")
    return payments


def require_token(request: Request) -> None:
    """Refuse what does not carry the token, or is not JSON, which a foreign page's form could never be."""
    if not request.app.state.token.fits(request.headers.get("authorization")):
        raise Problem(
            401,
            "this needs the service's token",
            where="header Authorization",
            what_to_do="send `Authorization: Bearer <token>`; `lens up` prints where the token is kept",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "the body must be JSON", where="header Content-Type", what_to_do="send application/json")


ServiceHere = Annotated[ServiceState, Depends(_service)]
WorldHere = Annotated[WorldView, Depends(_world)]
WatchedHere = Annotated[WatchedNode, Depends(_watched)]
RebalancingHere = Annotated[Rebalancing, Depends(_rebalancing)]
PaymentsHere = Annotated[SearchablePayments, Depends(_payments)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Text = Annotated[str | None, Query(max_length=MAX_TEXT)]
Millis = Annotated[int | None, Query(ge=0, le=MAX_SAFE_INTEGER)]
Named = Annotated[str, Path(min_length=1, max_length=MAX_TEXT)]
"""Something named in the path."""
