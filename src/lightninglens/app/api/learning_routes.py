"""What the learner says, what it suggests, how good it is, and what rebalances brought."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from lightninglens.app.api.control_routes import Nothing
from lightninglens.app.api.dependencies import (
    Limit,
    Named,
    RebalancingHere,
    ServiceHere,
    Text,
    WorldHere,
    require_token,
)
from lightninglens.app.api.errors import Problem
from lightninglens.app.events import ErrorPoint, LearnerStatus, Prediction, SuggestedChange
from lightninglens.app.history import SuccessSpan
from lightninglens.app.learning.suggestions import NotOpenError
from lightninglens.app.shapes import Effect, ModelItem
from lightninglens.core.model_card import ModelCard, Reliability

router = APIRouter()

Status = Annotated[
    Literal["open", "under way", "done", "failed", "refused", "rejected", "expired"] | None,
    Query(description="Only suggestions with this status."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningMetrics:
    """How good the model is: on time it had not seen when it was trained, and here."""

    status: LearnerStatus
    errors: list[ErrorPoint]
    """The newest thousand, oldest first."""
    reliability: Reliability | None
    card: ModelCard | None
    success: list[SuccessSpan]
    """Of the newest 500 spans of five minutes of world time, oldest first."""


@router.get("/predictions")
async def predictions(state: ServiceHere, channel_id: Text = None) -> list[Prediction]:
    """Return the newest predictions, of one channel only if its id is given; none before the learner is ready."""
    return [one for one in state.learner.predictions if channel_id in {None, one.channel_id}]


@router.get("/suggestions")
async def suggestions(state: ServiceHere, status: Status = None) -> list[SuggestedChange]:
    """Return the rebalances that the learner suggested and what became of them, newest first, up to 500."""
    return state.learner.suggestions.newest_first(status)


@router.post("/suggestions/{suggestion_id}/accept", dependencies=[Depends(require_token)])
async def accept(
    suggestion_id: Named, _body: Nothing, state: ServiceHere, _rebalancing: RebalancingHere
) -> SuggestedChange:
    """Carry out a suggestion, and answer when it has ended."""
    _known(state, suggestion_id)
    if state.desk is None:
        raise _no_learner()
    try:
        ended = await state.desk.accept(suggestion_id)
    except NotOpenError as problem:
        raise _not_open(problem) from None
    if ended.status == "refused":
        raise Problem(409, ended.outcome, where="path", what_to_do="see /api/v1/suggestions for those that are open")
    return ended


@router.post("/suggestions/{suggestion_id}/reject", dependencies=[Depends(require_token)])
async def reject(suggestion_id: Named, _body: Nothing, state: ServiceHere) -> SuggestedChange:
    """Turn a suggestion down."""
    _known(state, suggestion_id)
    if state.desk is None:
        raise _no_learner()
    try:
        return state.desk.reject(suggestion_id)
    except NotOpenError as problem:
        raise _not_open(problem) from None


@router.get("/metrics")
async def metrics(_world: WorldHere, state: ServiceHere) -> LearningMetrics:
    """Return how good the model is, and how payments fared.

    Prometheus reads /metrics, without the prefix.
    """
    board = state.learner
    return LearningMetrics(
        status=board.status,
        errors=list(board.errors),
        reliability=board.card.reliability if board.card else None,
        card=board.card,
        success=list(state.history.spans),
    )


@router.get("/models")
async def models(state: ServiceHere) -> list[ModelItem]:
    """Return the models in the registry, newest first."""
    return await state.models.items() if state.models else []


@router.post("/models/{version}/select", dependencies=[Depends(require_token)])
async def select(version: Named, _body: Nothing, state: ServiceHere) -> ModelItem:
    """Use this model from now on."""
    item = await state.models.select(version) if state.models else None
    if item is None:
        raise Problem(404, "there is no such model", where="path", what_to_do="see /api/v1/models for those there are")
    return item


@router.get("/effects")
async def effects(state: ServiceHere, limit: Limit = 100) -> list[Effect]:
    """Return the rebalances that were carried out, whoever decided them, newest first."""
    return await state.effects.newest(limit) if state.effects else []


def _known(state: ServiceHere, suggestion_id: str) -> None:
    if state.learner.suggestions.get(suggestion_id) is None:
        raise Problem(
            404, "there is no such suggestion", where="path", what_to_do="see /api/v1/suggestions for those there are"
        )


def _no_learner() -> Problem:
    return Problem(409, "learning is off", where="service", what_to_do="start without --no-learn")


def _not_open(problem: NotOpenError) -> Problem:
    return Problem(409, str(problem), where="path", what_to_do="see /api/v1/suggestions?status=open")
