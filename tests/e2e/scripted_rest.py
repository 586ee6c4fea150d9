"""The REST side of the scripted service: the same contract, the script's own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Request
from fastapi.responses import JSONResponse

from tests.e2e.scripted_world import START_MS, Json

if TYPE_CHECKING:
    from tests.e2e.scripted_service import ScriptedService

TOKEN = "scripted-token"  # noqa: S105 - the script's
RUN_ID = "20260101T000000Z-1"
RUN_LENGTH_MS = 3_600_000
_HOUR_S = 3_600


def _problem(status: int, what: str, todo: str) -> JSONResponse:
    return JSONResponse({"error": {"what": what, "where": "the script", "what_to_do": todo}}, status)


def _matches(payment: Json, search: str, outcome: str, kind: str) -> bool:
    if outcome and payment["succeeded"] != (outcome == "succeeded"):
        return False
    if kind and payment["kind"] != kind:
        return False
    texts = [payment["sender_name"], payment["receiver_name"], payment["description"], payment["kind"]]
    return not search or any(search.casefold() in text.casefold() for text in [*texts, str(payment["payment_id"])])


def _stats_of(stats: Json, payments: list[Json], at_ms: int) -> Json:
    paid = [payment for payment in payments if payment["kind"] == "payment"]
    succeeded = sum(payment["succeeded"] for payment in paid)
    return {
        **stats,
        "world_ms": at_ms,
        "payments": len(paid),
        "succeeded": succeeded,
        "success_rate": succeeded / len(paid) if paid else None,
        "volume_msat": sum(payment["amount_msat"] for payment in paid if payment["succeeded"]),
        "rebalances": len(payments) - len(paid),
    }


def rest_routes(service: ScriptedService) -> APIRouter:
    """Return the routes of a scripted service."""
    router = APIRouter()
    _add_reads(router, service)
    _add_lists(router, service)
    _add_runs(router, service)
    _add_switches(router, service)
    _add_suggestions(router, service)
    _add_rebalances(router, service)
    return router


def _add_reads(router: APIRouter, service: ScriptedService) -> None:
    world = service.world

    @router.get("/transactions")
    async def transactions(
        limit: int = 100,
        before: int | None = None,
        search: str = "",
        outcome: str = "",
        kind: str = "",
        since_ms: int = 0,
    ) -> Json:
        found = [
            payment
            for payment in reversed(world.payments)
            if _matches(payment, search, outcome, kind) and payment["started_ms"] >= since_ms
        ]
        total = len(found)
        if before is not None:
            found = [payment for payment in found if payment["payment_id"] < before]
        page = found[:limit]
        more = len(found) > limit
        return {"payments": page, "next_before": page[-1]["payment_id"] if more else None, "total": total}

    @router.get("/channels/{channel_id}")
    async def channel(channel_id: str) -> Json:
        flows = {
            "window_s": _HOUR_S,
            "sent_msat": 91_000_000,
            "sent_count": 14,
            "received_msat": 78_500_000,
            "received_count": 11,
            "failed_msat": 260_000_000,
            "failed_count": 2,
            "earned_msat": 9_011,
        }
        return {"channel": world.channels[channel_id], "predictions": [], "flows": {"node1": flows, "node2": flows}}


def _add_lists(router: APIRouter, service: ScriptedService) -> None:
    learner = service.learner

    @router.get("/metrics")
    async def metrics() -> Json:
        return learner.metrics()

    @router.get("/models")
    async def models() -> list[Json]:
        return learner.models()

    @router.get("/effects")
    async def effects() -> list[Json]:
        return learner.effects

    @router.get("/alerts")
    async def alerts() -> list[Json]:
        return learner.alerts


def _add_runs(router: APIRouter, service: ScriptedService) -> None:
    world = service.world

    @router.get("/runs")
    async def runs() -> list[Json]:
        return [
            {
                "run_id": RUN_ID,
                "world_start_ms": START_MS,
                "world_end_ms": START_MS + RUN_LENGTH_MS,
                "recorded_ms": START_MS,
                "payments": len(world.payments),
                "channels": len(world.channels),
                "bytes": 1_250_000,
                "complete": True,
            }
        ]

    @router.get("/runs/{run_id}")
    async def moment(run_id: str, at_ms: int) -> Json:
        if run_id != RUN_ID:
            raise HTTPException(404)
        share = (at_ms - START_MS) / RUN_LENGTH_MS
        payments = world.payments[: max(1, round(share * len(world.payments)))]
        snapshot = world.snapshot()
        return {
            "network": snapshot["network"],
            "payments": payments[-20:],
            "stats": _stats_of(world.stats(), payments, at_ms),
            "world_start_ms": START_MS,
            "world_end_ms": START_MS + RUN_LENGTH_MS,
        }


def _refused(service: ScriptedService, request: Request) -> JSONResponse | None:
    service.orders.append(f"{request.method} {request.url.path}")
    if request.headers.get("authorization") != f"Bearer {service.token}":
        return _problem(401, "this needs the service's token", "`lens up` prints where the token is kept")
    return None


def _add_switches(router: APIRouter, service: ScriptedService) -> None:
    world, learner = service.world, service.learner

    @router.patch("/settings")
    async def settings(request: Request, change: Annotated[dict[str, Any], Body()]) -> Any:
        if problem := _refused(service, request):
            return problem
        learner.settings |= change
        world.speed = learner.settings["speed"]
        await service.tell(settings=learner.settings)
        return learner.settings

    @router.post("/alerts/{alert_id}/acknowledge")
    async def acknowledge(request: Request, alert_id: str) -> Any:
        if problem := _refused(service, request):
            return problem
        alert = next(one for one in learner.alerts if one["alert_id"] == alert_id)
        alert["acknowledged"] = True
        await service.tell(alerts=[alert])
        return alert

    @router.post("/models/{version}/select")
    async def select(request: Request, version: str) -> Any:
        if problem := _refused(service, request):
            return problem
        return next(one for one in learner.models() if one["version"] == version)


def _add_suggestions(router: APIRouter, service: ScriptedService) -> None:
    world, learner = service.world, service.learner

    @router.post("/suggestions/{suggestion_id}/accept")
    async def accept(request: Request, suggestion_id: str) -> Any:
        if problem := _refused(service, request):
            return problem
        suggestion = learner.suggestion(suggestion_id)
        if suggestion is None or suggestion["status"] != "open":
            return _problem(409, "it is no longer open", "see those that are")
        changed, payment, event = learner.accept(suggestion)
        world.payments.append(payment)
        await service.tell(channels=changed, payments=[payment], rebalances=[event], suggestions=learner.suggestions)
        return suggestion

    @router.post("/suggestions/{suggestion_id}/reject")
    async def reject(request: Request, suggestion_id: str) -> Any:
        if problem := _refused(service, request):
            return problem
        suggestion = learner.suggestion(suggestion_id)
        if suggestion is None:
            return _problem(404, "there is no such suggestion", "see those there are")
        suggestion["status"] = "rejected"
        await service.tell(suggestions=learner.suggestions)
        return suggestion


def _add_rebalances(router: APIRouter, service: ScriptedService) -> None:
    world, learner = service.world, service.learner

    @router.post("/rebalances")
    async def rebalance(request: Request, order: Annotated[dict[str, Any], Body()]) -> Any:
        if problem := _refused(service, request):
            return problem
        names = (order["from_node"], order["to_node"])
        back = next(name for name in ("lnd-bob", "lnd-eve", "lnd-carol", "lnd-alice") if name not in names)
        changed, payment = world.circle((*names, back, order["from_node"]), order["amount_sat"] * 1000)
        world.payments.append(payment)
        event = learner.event(*names, order["amount_sat"], payment)
        await service.tell(channels=changed, payments=[payment], rebalances=[event])
        return {"changes": [event], "reason": ""}

    @router.post("/baseline")
    async def baseline(request: Request) -> Any:
        return _refused(service, request) or {"changes": [], "reason": "all channels are near their targets"}
