"""Demand: who wants to pay whom, how much and when, fixed before any policy acts.

Depends on core. Entry points: `Demand` (the plug-in point), the models that
implement it, `draw_intents` and `intent_windows`.
"""

from lightninglens.sim.demand.intents import (
    Demand,
    Intents,
    draw_intents,
    first_intents,
    intent_windows,
    to_requests,
)
from lightninglens.sim.demand.model import DemandModel, DemandName, UniformDemand, named_demand
from lightninglens.sim.demand.purposes import DESCRIPTIONS, Purpose

__all__ = [
    "DESCRIPTIONS",
    "Demand",
    "DemandModel",
    "DemandName",
    "Intents",
    "Purpose",
    "UniformDemand",
    "draw_intents",
    "first_intents",
    "intent_windows",
    "named_demand",
    "to_requests",
]
