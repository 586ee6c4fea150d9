"""What can be asked and ordered under /api/v1. What only reads needs no token; what changes something does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from lightninglens import __version__
from lightninglens.app.api.errors import Problem
from lightninglens.app.events import Alert, Channel, Network, Payment, RebalanceDone, Stats
from lightninglens.app.lab import Lab
from lightninglens.app.rebalancing import OPERATOR, Rebalancing
from lightninglens.app.state import ServiceState
from lightninglens.control.guard import Refusal, Suggestion
from lightninglens.core.units import MAX_MONEY_SAT, Sat

MAX_PAGE = 500
_MAX_TEXT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the service works."""

    status: Literal["ok", "warming up", "ended"]
    version: str
    mode: Literal["simulated", "replay", "live"]
    uptime_s: float
    alerts: list[Alert]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPage:
    """Payments, newest first."""

    payments: list[Payment]
    next_before: int | None
    """Ask with `before` set to this for older ones; null when there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceReport:
    """What became of the changes that were ordered."""

    changes: list[RebalanceDone]
    reason: str
    """Why nothing was changed, or nothing more; empty where that goes without saying."""


class RebalanceOrder(BaseModel):
    """Let `from_node` send an amount out over its channel with `to_node` and back in over another of its channels."""

    model_config = ConfigDict(extra="forbid")

    from_node: Annotated[str, Field(min_length=1, max_length=80)]
    to_node: Annotated[str, Field(min_length=1, max_length=80)]
    amount_sat: Annotated[int, Field(strict=True, ge=1, le=MAX_MONEY_SAT)]


class BaselineOrder(BaseModel):
    """Run the baseline once; there is nothing to choose."""

    model_config = ConfigDict(extra="forbid")


def _service(request: Request) -> ServiceState:
    state = request.app.state.service
    if not isinstance(state, ServiceState):
        raise TypeError("the application has no service")
    return state


def _lab(request: Request) -> Lab:
    lab = _service(request).lab
    if lab is None:
        raise Problem(
            503,
            "the simulator is still warming up",
            where=request.url.path,
            what_to_do="try again in a few seconds",
            headers={"Retry-After": "2"},
        )
    return lab


def _rebalancing(request: Request) -> Rebalancing:
    _lab(request)
    state = _service(request)
    if state.rebalancing is None or state.phase == "ended":
        raise Problem(503, "the lab has ended", where=request.url.path, what_to_do="start it again with `lens up`")
    return state.rebalancing


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
LabHere = Annotated[Lab, Depends(_lab)]
RebalancingHere = Annotated[Rebalancing, Depends(_rebalancing)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]

router = APIRouter()


@router.get("/health")
async def health(state: ServiceHere) -> Health:
    """Return whether the service works; 200 as soon as it answers at all."""
    return Health(
        status="ok" if state.phase == "running" else state.phase,
        version=__version__,
        mode="simulated",
        uptime_s=round(state.uptime.wall_s(), 3),
        alerts=state.alerts,
    )


@router.get("/network")
async def network(lab: LabHere) -> Network:
    """Return all nodes and channels as they are now."""
    return lab.observer.network()


@router.get("/channels")
async def channels(lab: LabHere, node: Annotated[str | None, Query(max_length=_MAX_TEXT)] = None) -> list[Channel]:
    """Return the channels, of one node only if its name or id is given."""
    if node is None:
        return list(lab.observer.channels())
    found = next((one.node_id for one in lab.observer.nodes if node in {one.name, one.node_id}), None)
    if found is None:
        raise Problem(404, "there is no such node", where="query.node", what_to_do="see /api/v1/network for the names")
    return [channel for channel in lab.observer.channels() if found in {channel.node1_id, channel.node2_id}]


@router.get("/payments")
async def payments(
    lab: LabHere,
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    search: Annotated[str | None, Query(max_length=_MAX_TEXT)] = None,
    outcome: Annotated[str | None, Query(max_length=_MAX_TEXT)] = None,
) -> PaymentPage:
    """Return the newest of the last thousand payments.

    `search` looks in names, ids, channels and description; `outcome` is
    `succeeded`, `failed` or one outcome's name; `before` continues a page.
    """
    found: list[Payment] = []
    for payment in _newest_first(lab, before):
        if _matches(payment, (search or "").casefold(), (outcome or "").casefold()):
            if len(found) == limit:
                return PaymentPage(payments=found, next_before=found[-1].payment_id)
            found.append(payment)
    return PaymentPage(payments=found, next_before=None)


@router.get("/stats")
async def stats(lab: LabHere) -> Stats:
    """Return the totals since the world began."""
    return lab.observer.stats


@router.post("/rebalances", dependencies=[Depends(require_token)])
async def rebalance(order: RebalanceOrder, rebalancing: RebalancingHere) -> RebalanceReport:
    """Order one circular self-payment, and answer when it has ended."""
    suggestion = Suggestion(
        from_node=order.from_node, to_node=order.to_node, amount_sat=Sat(order.amount_sat), confidence=None
    )
    outcome = await rebalancing.suggest(suggestion, author=OPERATOR)
    if isinstance(outcome, Refusal):
        status = 422 if outcome.code.is_malformed else 409
        raise Problem(status, outcome.reason, where="body", what_to_do="see /api/v1/channels for what can be sent now")
    return RebalanceReport(changes=[outcome], reason="")


@router.post("/baseline", dependencies=[Depends(require_token)])
async def baseline(_order: BaselineOrder, rebalancing: RebalancingHere) -> RebalanceReport:
    """Run the baseline rebalancer once, and answer when all its changes have ended."""
    if rebalancing.baseline_is_running:
        raise Problem(409, "the baseline is running already", where="service", what_to_do="wait until it has ended")
    changes = await rebalancing.run_baseline()
    _, rest = await rebalancing.baseline_proposals()
    return RebalanceReport(changes=changes, reason=rest)


def _newest_first(lab: Lab, before: int | None) -> Iterator[Payment]:
    skipping = before is not None
    for payment in reversed(tuple(lab.observer.payments)):
        if not skipping:
            yield payment
        elif payment.payment_id == before:
            skipping = False


def _matches(payment: Payment, search: str, outcome: str) -> bool:
    if outcome in {"succeeded", "failed"}:
        if payment.succeeded != (outcome == "succeeded"):
            return False
    elif outcome and payment.outcome.casefold() != outcome:
        return False
    if not search:
        return True
    texts = (
        payment.sender_name,
        payment.receiver_name,
        payment.description,
        payment.kind,
        payment.sender_id,
        payment.receiver_id,
        str(payment.payment_id),
        *payment.route_channel_ids,
    )
    return any(search in text.casefold() for text in texts)
