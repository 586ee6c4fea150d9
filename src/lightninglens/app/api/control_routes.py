"""Alerts and the settings that can be switched while the service runs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from lightninglens.app.api.dependencies import Named, ServiceHere, require_token
from lightninglens.app.api.errors import Problem
from lightninglens.app.events import Alert, RunSettings
from lightninglens.app.switches import LEAST_SPEED, MOST_SPEED
from lightninglens.core.units import MAX_MONEY_SAT

router = APIRouter()


class Nothing(BaseModel):
    """An empty object: there is nothing to say."""

    model_config = ConfigDict(extra="forbid")


class SettingsChange(BaseModel):
    """What is to be switched; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    speed: Annotated[float | None, Field(ge=LEAST_SPEED, le=MOST_SPEED)] = None
    paused: Annotated[bool | None, Field(strict=True)] = None
    automatic: Annotated[bool | None, Field(strict=True)] = None
    min_confidence: Annotated[float | None, Field(ge=0, le=1)] = None
    budget_sat_per_day: Annotated[int | None, Field(strict=True, ge=0, le=MAX_MONEY_SAT)] = None


@router.get("/alerts")
async def alerts(
    state: ServiceHere, wanted: Annotated[Literal["raised", "all"], Query(alias="state")] = "raised"
) -> list[Alert]:
    """Return the alerts that are raised now, or all that are kept (500), newest first."""
    return state.alerts.newest_first(raised_only=wanted == "raised")


@router.post("/alerts/{alert_id}/acknowledge", dependencies=[Depends(require_token)])
async def acknowledge(alert_id: Named, _body: Nothing, state: ServiceHere) -> Alert:
    """Say that an alert was seen; it stays raised until its reason has gone."""
    alert = state.alerts.acknowledged(alert_id)
    if alert is None:
        raise Problem(404, "there is no such alert", where="path", what_to_do="see /api/v1/alerts for those there are")
    state.alerts.take(alert)
    state.bus.publish(alert)
    return alert


@router.get("/settings")
async def settings(state: ServiceHere) -> RunSettings:
    """Return what is switched how."""
    return state.switches.settings


@router.patch("/settings", dependencies=[Depends(require_token)])
async def change_settings(change: SettingsChange, state: ServiceHere) -> RunSettings:
    """Switch something while the service runs, and return all settings."""
    if state.mode == "live" and (change.speed is not None or change.paused is not None):
        raise Problem(409, "the time of a real node is real", where="body", what_to_do="leave out speed and paused")
    return state.switches.change(**change.model_dump(exclude_none=True))
