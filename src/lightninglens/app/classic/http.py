"""What the classic services answer over HTTP. Reads need no token; what changes something does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.responses import JSONResponse, StreamingResponse

from lightninglens import __version__
from lightninglens.app.api.dependencies import require_token, running_lab
from lightninglens.app.api.errors import Problem
from lightninglens.app.classic import view
from lightninglens.app.classic.hub import TOPICS, ClassicHub, Listener, encode, now_text
from lightninglens.app.events import Alert
from lightninglens.app.lab import Lab

MAX_PAGE = 1_000
NEWEST = 50
SUGGESTED = 5
KEEP_ALIVE_S = 15.0
SERIES = 96

JsonObject = Annotated[dict[str, Any], Body()]


def _hub(request: Request) -> ClassicHub:
    hub = request.app.state.hub
    if not isinstance(hub, ClassicHub):
        raise TypeError("the application has no hub")
    return hub


def _lab(request: Request) -> Lab:
    return running_lab(_hub(request).state, request)


Hub = Annotated[ClassicHub, Depends(_hub)]
RunningLab = Annotated[Lab, Depends(_lab)]
Writes = [Depends(require_token)]

status = APIRouter(prefix="/api")
"""`GET /api/status`, the same on every port."""

state = APIRouter(prefix="/api")
"""Network, channels, transactions."""

learning = APIRouter(prefix="/api")
"""Predictions, performance, learning."""

events = APIRouter(prefix="/api")
"""Server-sent events."""

reports = APIRouter(prefix="/api")
"""What the automatic learner of the documents sent: parameters and anomalies."""

updates = APIRouter(prefix="/api")
"""`POST /api/update`: a channel's state in, a prediction out."""

adapter = APIRouter(prefix="/api")
"""The adapter's dashboard and suggestions."""


@status.get("/status")
async def get_status(hub: Hub) -> view.Shape:
    """Return whether the service works, and on which model."""
    model = hub.status.model
    return {
        "status": "online" if hub.state.phase == "running" else hub.state.phase,
        "version": __version__,
        "model_loaded": model is not None,
        "timestamp": now_text(),
        "features": {
            "real_time": True,
            "sse": True,
            "model_version": model or "not_loaded",
            "online_learning": hub.status.phase != "off",
        },
    }


@state.get("/network_state")
@state.get("/network/state")
async def network_state(hub: Hub, lab: RunningLab) -> view.Shape:
    """Return the whole network: balances of all channels, nodes, the newest payments."""
    return {
        "channelBalances": hub.balances(),
        "transactions": _newest(lab),
        "nodes": [
            {
                "id": node.name,
                "pubkey": node.node_id,
                "channels": node.channel_count,
                "capacity": node.capacity_sat,
            }
            for node in lab.observer.nodes
        ],
        "status": hub.state.phase,
        "timestamp": now_text(),
    }


@state.get("/channel_balances")
async def channel_balances(hub: Hub, _lab: RunningLab) -> view.Shape:
    """Return both sides of every channel."""
    return {"channelBalances": hub.balances(), "timestamp": now_text()}


@state.get("/transactions")
async def transactions(
    lab: RunningLab,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    status: Annotated[Literal["success", "failed"] | None, Query()] = None,
) -> view.Shape:
    """Return payments, newest first."""
    wanted = [
        payment
        for payment in reversed(tuple(lab.observer.payments))
        if status is None or payment.succeeded == (status == "success")
    ]
    page = [view.transaction(payment) for payment in wanted[offset : offset + limit]]
    return {
        "transactions": page,
        "count": len(page),
        "total": len(wanted),
        "offset": offset,
        "limit": limit,
        "timestamp": now_text(),
    }


@learning.get("/predictions")
async def predictions(hub: Hub, channel_id: Annotated[str | None, Query(max_length=100)] = None) -> view.Shape:
    """Return the model's predictions, of one channel if its key or id is given."""
    found = hub.predicted()
    if channel_id is not None:
        found = [one for one in found if channel_id in {one["channel_id"], one["scid"]}]
    if not found:
        return {"status": "info", "message": _why_none(hub), "predictions": [], "timestamp": now_text()}
    return {"status": "success", "predictions": found, "timestamp": now_text()}


@learning.get("/performance")
async def performance(hub: Hub) -> view.Shape:
    """Return how far channels are from their best shares, and the model's errors."""
    metrics = hub.performance()
    if metrics is None:
        return {"status": "info", "message": "No performance metrics available yet", "timestamp": now_text()}
    return {"status": "success", "metrics": metrics, "timestamp": now_text()}


@learning.get("/anomalies")
async def anomalies(hub: Hub) -> view.Shape:
    """Return the newest hundred alerts, the service's own and those that were sent to it."""
    return {"anomalies": list(hub.anomalies), "count": len(hub.anomalies), "timestamp": now_text()}


@learning.get("/learning_metrics")
async def learning_metrics(hub: Hub) -> view.Shape:
    """Return what the learner is doing."""
    metrics = view.learning_metrics(hub.status, hub.errors) | {"parameters": hub.parameters}
    return {"metrics": metrics, "timestamp": now_text()}


@learning.get("/dashboard")
async def dashboard(hub: Hub, lab: RunningLab) -> view.Shape:
    """Return everything that the learning dashboard shows."""
    state = await network_state(hub, lab)
    return {
        "status": "success",
        "data": {
            "network_state": state,
            "transactions": state["transactions"],
            "channel_balances": state["channelBalances"],
            "metrics": hub.performance(),
            "anomalies": list(hub.anomalies),
            "learning_metrics": view.learning_metrics(hub.status, hub.errors),
            "predictions": hub.predicted(),
        },
        "timestamp": now_text(),
    }


@events.get("/events/{topic}")
async def stream(topic: str, hub: Hub) -> StreamingResponse:
    """Send news of one topic as server-sent events, to any number of clients."""
    if topic not in TOPICS:
        raise Problem(404, "there is no such stream", where="path", what_to_do=f"known are {', '.join(TOPICS)}")
    listener = hub.listen(topic)
    if listener is None:
        raise Problem(503, "too many listeners", where="service", what_to_do="close some, and try again")
    return StreamingResponse(_sse(hub, listener, topic), media_type="text/event-stream")


async def _sse(hub: ClassicHub, listener: Listener, topic: str) -> AsyncIterator[str]:
    try:
        yield f"data: {encode({'type': topic, 'data': _initial(hub, topic), 'timestamp': now_text()})}\n\n"
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    text = await anext(listener)
            except TimeoutError:
                yield ": still here\n\n"
            except StopAsyncIteration:
                return
            else:
                yield f"data: {text}\n\n"
    finally:
        hub.forget(listener)


def _initial(hub: ClassicHub, topic: str) -> Any:
    lab = hub.lab
    match topic:
        case "network" | "channels":
            return hub.balances()
        case "transactions":
            return _newest(lab) if lab else []
        case "metrics":
            return hub.performance()
        case "predictions":
            return hub.predicted()
        case "anomalies":
            return list(hub.anomalies)
        case _:
            return view.learning_metrics(hub.status, hub.errors)


@reports.post("/update-parameters", dependencies=Writes)
async def update_parameters(values: JsonObject, hub: Hub) -> view.Shape:
    """Take parameters that an outside learner recommends: they are shown and told on, and change nothing."""
    hub.parameters = values
    hub.publish("learning", {"type": "parameter_update", "parameters": values})
    return {"status": "success", "message": "Parameters updated successfully", "timestamp": now_text()}


@reports.post("/anomaly-alert", dependencies=Writes)
async def anomaly_alert(values: JsonObject, hub: Hub) -> view.Shape:
    """Take an alert from outside; it is raised like the service's own."""
    text = str(values.get("message") or values.get("description") or encode(values))[:500]
    hub.bus.publish(Alert(level="warning", source="classic", text=text))
    return {"status": "success", "message": "Anomaly alert received", "timestamp": now_text()}


@updates.post("/update", dependencies=Writes)
async def update(values: JsonObject, hub: Hub) -> view.Shape:
    """Answer a channel's state with the model's prediction for it.

    The service watches the network itself, so that nothing needs to be sent to
    it; what is sent names the channel whose prediction is wanted.
    """
    if values.get("event_type") not in {"channel_state", "transaction"}:
        raise Problem(
            422, "event_type must be channel_state or transaction", where="body.event_type", what_to_do="add it"
        )
    wanted = _channel_named(values)
    found = next((one for one in hub.predicted() if wanted in {one["channel_id"], one["scid"]}), None)
    if found is None:
        message = "Update received but not processed due to feature mismatch"
        return {"status": "success", "message": message, "reason": _why_not_processed(hub, wanted)}
    return {"status": "success", "prediction": found["optimal_ratio"], "message": "Update processed successfully"}


def _channel_named(values: Mapping[str, Any]) -> str | None:
    named = values.get("channel_id", values.get("scid"))
    if isinstance(named, str):
        return named
    node, peer = values.get("node"), values.get("remote_pubkey")
    return view.channel_key(node, peer) if isinstance(node, str) and isinstance(peer, str) else None


def _why_not_processed(hub: ClassicHub, wanted: str | None) -> str:
    if wanted is None:
        return "the body names no channel: give channel_id, or node and remote_pubkey"
    return _why_none(hub) if not hub.predictions else f"{wanted[:100]} is no channel of this network"


@adapter.get("/dashboard")
async def adapter_dashboard(hub: Hub, lab: RunningLab) -> view.Shape:
    """Return what the first dashboard showed, in its keys."""
    stats, payments = lab.observer.stats, list(lab.observer.payments)
    balances = hub.balances()
    return {
        "nodes": [{"id": node.node_id, "name": node.name} for node in lab.observer.nodes],
        "channels": list(balances.values()),
        "transactions": _newest(lab),
        "stats": {
            "total_transactions": stats.payments,
            "total_amount": stats.volume_msat // 1000,
            "average_amount": stats.volume_msat // 1000 / stats.succeeded if stats.succeeded else None,
            "success_rate": stats.success_rate,
        },
        "timeSeriesData": view.time_series(payments)[-SERIES:],
        "channelBalanceData": [
            {"name": key, "local": side["local_balance"], "remote": side["remote_balance"]}
            for key, side in balances.items()
        ],
        "aiPredictionData": hub.predicted(),
        "networkHealth": view.network_health(stats.success_rate, hub.channels(), view.accuracy(hub.errors)),
    }


@adapter.get("/suggestions")
async def suggestions(hub: Hub) -> list[view.Shape]:
    """Return the suggestions that are open, best first; none while the learner still lacks something."""
    return [
        {
            "from_node": one.from_node,
            "to_node": one.to_node,
            "amount": one.amount_sat,
            "confidence": one.confidence,
            "channel_id": one.outgoing_channel_id,
            "return_channel_id": one.incoming_channel_id,
            "expected_gain_msat": one.gain_msat,
            "reason": one.reason,
        }
        for one in hub.open_suggestions()
    ]


@adapter.get("/get_suggestions")
async def get_suggestions(hub: Hub) -> list[view.Shape]:
    """Return the five sides of channels that are farthest from their best shares, and at least a tenth from it."""
    far = [one for one in hub.predicted() if one["significant"]][:SUGGESTED]
    return [
        {
            "channel_id": one["channel_id"],
            "scid": one["scid"],
            "current_ratio": one["current_ratio"],
            "optimal_ratio": one["optimal_ratio"],
            "adjustment": one["adjustment_needed"],
            "direction": "increase" if one["adjustment_needed"] > 0 else "decrease",
            "priority": "high" if abs(one["adjustment_needed"]) > view.HIGH_PRIORITY else "medium",
        }
        for one in far
    ]


@adapter.get("/health")
async def health(hub: Hub) -> view.Shape:
    """Return whether the service works."""
    return {"status": "ok" if hub.state.phase == "running" else hub.state.phase, "timestamp": now_text()}


async def healthcheck(request: Request) -> JSONResponse:
    """Answer as the suggestions service (`/health`) and the proxy (`/healthcheck`) did."""
    return JSONResponse(await health(_hub(request)))


def _newest(lab: Lab) -> list[view.Shape]:
    return [view.transaction(payment) for payment in list(lab.observer.payments)[-NEWEST:]]


def _why_none(hub: ClassicHub) -> str:
    if hub.status.phase == "off":
        return "No predictions available yet: the learner is off"
    missing = "; ".join(hub.status.missing)
    return f"No predictions available yet: {missing}" if missing else "No predictions available yet"
