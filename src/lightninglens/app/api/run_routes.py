"""Saved worlds."""

from typing import Annotated

from fastapi import APIRouter, Query

from lightninglens.app.api.dependencies import Millis, Named, ServiceHere
from lightninglens.app.api.errors import Problem
from lightninglens.app.shapes import RunItem, RunMoment

router = APIRouter()

MOST_WINDOW_S = 86_400


@router.get("/runs")
async def runs(state: ServiceHere) -> list[RunItem]:
    """Return the worlds that were recorded here, newest first; the one that runs is among them.

    Networks of more than 1,000 channels are recorded, but not shown again.
    """
    return await state.runs.items()


@router.get("/runs/{run_id}")
async def run_at(
    run_id: Named,
    state: ServiceHere,
    at_ms: Millis = None,
    window_s: Annotated[int, Query(ge=1, le=MOST_WINDOW_S)] = 600,
) -> RunMoment:
    """Return a recorded world as it was at world time `at_ms` (its end without it), with the payments before."""
    moment = await state.runs.moment(run_id, at_ms=at_ms, window_s=window_s)
    if moment is None:
        raise Problem(404, "there is no such run", where="path", what_to_do="see /api/v1/runs for those there are")
    return moment
