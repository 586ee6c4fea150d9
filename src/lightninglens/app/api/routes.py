"""What can be asked and ordered under /api/v1. What only reads needs no token; what changes something does."""

from dataclasses import dataclass
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from lightninglens import __version__
from lightninglens.app.api.dependencies import (
    Limit,
    Millis,
    Named,
    PaymentsHere,
    RebalancingHere,
    ServiceHere,
    Text,
    WorldHere,
    require_token,
)
from lightninglens.app.api.errors import Problem
from lightninglens.app.events import Alert, Channel, Network, Node, Payment, Prediction, RebalanceDone, Stats
from lightninglens.app.history import Flows
from lightninglens.app.rebalancing import OPERATOR
from lightninglens.control.guard import Refusal, Suggestion
from lightninglens.core.units import MAX_MONEY_SAT, Sat
from lightninglens.storage.payments import PaymentQuery

MOST_ALERTS = 100


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
    total: int | None
    """How many of those that are kept fit, whatever the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFlows:
    """The last hour of world time, as each end of the channel saw it."""

    node1: Flows
    node2: Flows


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDetail:
    """One channel, what is predicted for it, and what went over it."""

    channel: Channel
    predictions: list[Prediction]
    flows: NodeFlows


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


router = APIRouter()


@router.get("/health")
async def health(state: ServiceHere) -> Health:
    """Return whether the service works; 200 as soon as it answers at all."""
    return Health(
        status="ok" if state.phase == "running" else state.phase,
        version=__version__,
        mode=state.mode,
        uptime_s=round(state.uptime.wall_s(), 3),
        alerts=state.alerts.newest_first()[:MOST_ALERTS],
    )


@router.get("/network")
async def network(world: WorldHere) -> Network:
    """Return all nodes and channels as they are now."""
    return world.network()


@router.get("/nodes")
async def nodes(world: WorldHere) -> list[Node]:
    """Return all nodes."""
    return list(world.nodes)


@router.get("/channels")
async def channels(world: WorldHere, node: Text = None) -> list[Channel]:
    """Return the channels, of one node only if its name or id is given."""
    if node is None:
        return list(world.channels())
    found = next((one.node_id for one in world.nodes if node in {one.name, one.node_id}), None)
    if found is None:
        raise Problem(404, "there is no such node", where="query.node", what_to_do="see /api/v1/network for the names")
    return [channel for channel in world.channels() if found in {channel.node1_id, channel.node2_id}]


@router.get("/channels/{channel_id}")
async def channel_detail(channel_id: Named, world: WorldHere, state: ServiceHere) -> ChannelDetail:
    """Return one channel with its predictions and its flows."""
    found = world.channel(channel_id)
    if found is None:
        raise Problem(404, "there is no such channel", where="path", what_to_do="see /api/v1/channels for the ids")
    now_ms = world.stats.world_ms
    flows = [state.history.flows(channel_id, node_id, now_ms) for node_id in (found.node1_id, found.node2_id)]
    return ChannelDetail(
        channel=found,
        predictions=[one for one in state.learner.predictions if one.channel_id == channel_id],
        flows=NodeFlows(node1=flows[0], node2=flows[1]),
    )


@router.get("/transactions", response_model=PaymentPage)
@router.get("/payments", response_model=PaymentPage)
async def transactions(
    payments: PaymentsHere,
    limit: Limit = 100,
    before: Millis = None,
    search: Text = None,
    outcome: Text = None,
    kind: Literal["payment", "rebalance", "forward"] | None = None,
    channel: Text = None,
    since_ms: Millis = None,
    until_ms: Millis = None,
) -> Response:
    """Return payments that have ended, newest first; the newest 200,000 of this world are kept.

    `search` looks in names, ids, channels and description; `outcome` is `succeeded`, `failed` or one outcome's
    name; `channel` is one that was tried; `since_ms` and `until_ms` are world times at which they ended; `before`
    continues a page.
    """
    wanted = (outcome or "").casefold()
    query = PaymentQuery(
        limit=limit,
        before=before,
        search=(search or "").casefold() or None,
        succeeded=wanted == "succeeded" if wanted in {"succeeded", "failed"} else None,
        outcome=wanted.upper() if wanted not in {"", "succeeded", "failed"} else None,
        kind=kind,
        channel=channel,
        since_ms=since_ms,
        until_ms=until_ms,
    )
    found = await payments.find(query)
    body = {
        "payments": [orjson.Fragment(body) for body in found.bodies],
        "next_before": found.last_payment_id if found.more else None,
        "total": found.total,
    }
    return Response(orjson.dumps(body), media_type="application/json")


@router.get("/stats")
async def stats(world: WorldHere) -> Stats:
    """Return the totals since the world began."""
    return world.stats


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
