"""Demand: who wants to pay whom, how much and when, fixed before any policy acts.

Depends on core. Entry points: `Demand` and `AmountModel` (the plug-in points),
the models that implement them, `draw_intents` and `intent_windows`.
"""

from lightninglens.sim.demand.amounts import AmountMixture, AmountModel, Amounts, Component
from lightninglens.sim.demand.circulation import circulation_share, netted_share
from lightninglens.sim.demand.intents import (
    Demand,
    Intents,
    draw_intents,
    first_intents,
    next_window_ns,
    payments_in,
    prepared,
    to_requests,
)
from lightninglens.sim.demand.model import DemandModel, DemandName, NamedDemand, UniformDemand, named_demand
from lightninglens.sim.demand.payment_list import PaymentList, PaymentListFile, PlugIn
from lightninglens.sim.demand.population import PopulationDemand, PopulationWithAmounts
from lightninglens.sim.demand.purposes import Purpose
from lightninglens.sim.demand.roles import NetPayers, NodeRole

__all__ = [
    "AmountMixture",
    "AmountModel",
    "Amounts",
    "Component",
    "Demand",
    "DemandModel",
    "DemandName",
    "Intents",
    "NamedDemand",
    "NetPayers",
    "NodeRole",
    "PaymentList",
    "PaymentListFile",
    "PlugIn",
    "PopulationDemand",
    "PopulationWithAmounts",
    "Purpose",
    "UniformDemand",
    "circulation_share",
    "draw_intents",
    "first_intents",
    "named_demand",
    "netted_share",
    "next_window_ns",
    "payments_in",
    "prepared",
    "to_requests",
]
