"""Demand: who wants to pay whom, how much and when, fixed before any policy acts.

Depends on core. Entry points: `DemandModel`, `UniformDemand`, `draw_intents`, `Intents`.
"""

from lightninglens.sim.demand.draw import Intents, draw_intents, first_intents, to_requests
from lightninglens.sim.demand.model import DESCRIPTIONS, DemandModel, DemandName, Purpose, UniformDemand, named_demand

__all__ = [
    "DESCRIPTIONS",
    "DemandModel",
    "DemandName",
    "Intents",
    "Purpose",
    "UniformDemand",
    "draw_intents",
    "first_intents",
    "named_demand",
    "to_requests",
]
