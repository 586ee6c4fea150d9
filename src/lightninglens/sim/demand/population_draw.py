"""Drawing the demand of a population, in cells that are drawn by themselves.

What starts in a cell is an *act*: one payment from a net payer to a net
receiver, or a cycle of payments of one amount that ends where it began. A window
needs the cells before it in which its cycles and swaps began, also those before
the world's beginning, so that the first hour is like any other.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR
from lightninglens.sim.demand.amounts import AmountModel, Component
from lightninglens.sim.demand.draws import MOST_PER_CELL, pick_cumulative, poisson, weighted_sample
from lightninglens.sim.demand.intents import CELL_NS, Intents, between, by_time, joined
from lightninglens.sim.demand.roles import PAYEES, PAYERS, NodeRole, Population, assign_roles, role_weights

if TYPE_CHECKING:
    from lightninglens.sim.demand.population import PopulationDemand

POPULATION_DESCRIPTIONS = (
    "Tip",
    "Retail purchase",
    "Transfer",
    "Exchange flow",
    "Swap to the chain",
    "Swap from the chain",
)
_SWAP_OUT, _SWAP_IN = 4, 5

_MINUTES = 10
_REDRAWS = 8
_CELLS_PER_HOUR = NS_PER_HOUR // CELL_NS
_CELLS_KEPT = 512
_SPANS_KEPT = 8
_FIRST_ADDRESS = 1 << 20
"""The address of the world's first cell, so that cells before it have addresses too."""


class Crowd(NamedTuple):
    """Who takes part, with weights summed up for picking; the lists are by `Component`."""

    population: Population
    net_payers: list[NDArray[np.float64]]
    net_receivers: list[NDArray[np.float64]]
    payers: list[NDArray[np.float64]]
    payees: list[NDArray[np.float64]]
    providers: NDArray[np.int64]
    """Nodes that swap Lightning for on-chain money."""


class Acts(NamedTuple):
    """What starts in a cell: one row per act, by time."""

    start_ns: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    component: NDArray[np.int64]
    is_cycle: NDArray[np.bool_]
    first_draw: int
    """Index of the first act's own draws; the others follow it."""


def gather(model: "PopulationDemand", graph: NetworkGraph, seed: int) -> Crowd:
    """Return who takes part in a demand on this graph."""
    population = assign_roles(graph, seed=seed, net_payers=model.net_payers)
    takes_part = population.role != NodeRole.NONE

    def summed(shares: Mapping[Component, tuple[float, ...]], members: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
        return [
            np.cumsum(role_weights(population, shares[kind], members, model.capacity_exponent)) for kind in Component
        ]

    return Crowd(
        population,
        net_payers=summed(PAYERS, takes_part & population.pays),
        net_receivers=summed(PAYEES, takes_part & ~population.pays),
        payers=summed(PAYERS, takes_part),
        payees=summed(PAYEES, takes_part),
        providers=weighted_sample(
            population.capacity_sat, model.swap_providers, seed=seed, entity=0, stream=Stream.SWAP_PROVIDER
        ),
    )


class PopulationWorld:
    """The demand of a population in one world; it remembers the cells and spans that the next window needs again."""

    def __init__(
        self, model: "PopulationDemand", amounts: AmountModel, graph: NetworkGraph, *, seed: int, origin_ns: int
    ) -> None:
        """Find out who takes part."""
        self.model, self.amounts, self.graph, self.seed, self.origin_ns = model, amounts, graph, seed, origin_ns
        self.crowd = gather(model, graph, seed)
        self._directed = lru_cache(_CELLS_KEPT)(self._draw_directed)
        self._cycles = lru_cache(_CELLS_KEPT)(self._draw_cycles)
        self._swaps = lru_cache(_SPANS_KEPT)(self._draw_swaps)
        cycle, nodes = model.circulation_share, model.circulation_nodes
        # By volume the cycles' share is kappa, and a cycle of n payments has n times the volume of one.
        self.cycle_share = cycle / (cycle + nodes * (1.0 - cycle))
        payments_per_act = self.cycle_share * nodes + 1.0 - self.cycle_share
        self.acts_per_hour = model.payments_per_hour / payments_per_act

    def between(self, start_ns: int, end_ns: int) -> Intents:
        """Return the intents with start_ns <= time < end_ns, by time."""
        if np.count_nonzero(self.crowd.population.role != NodeRole.NONE) < 2:
            return joined([])
        first, last = (start_ns - self.origin_ns) // CELL_NS, -(-(end_ns - self.origin_ns) // CELL_NS)
        model = self.model
        look_back = math.ceil((model.circulation_nodes - 1) * 2 * model.circulation_hours * _CELLS_PER_HOUR)
        parts = [self._directed(cell) for cell in range(first, last)]
        parts += [self._cycles(cell) for cell in range(first - look_back, last)]
        parts += [self._swaps(span) for span in self.spans(first, last)]
        return by_time(joined([between(part, start_ns, end_ns) for part in parts]))

    def rate_per_hour(self, cell: int) -> float:
        """Return how many acts start per hour, by time of day and day of week."""
        model, hours = self.model, (cell + 0.5) / _CELLS_PER_HOUR
        day = 1.0 + model.day_amplitude * math.cos(2.0 * math.pi * (hours % 24.0 - model.day_peak_hour) / 24.0)
        weekend = hours % 168.0 >= 120.0
        week = (model.weekend_factor if weekend else 1.0) * 7.0 / (5.0 + 2.0 * model.weekend_factor)
        return self.acts_per_hour * day * week

    def acts(self, cell: int) -> Acts:
        """Return what starts in a cell, by time."""
        address = cell + _FIRST_ADDRESS
        start = address * MOST_PER_CELL
        minutes = self._bursts(address)
        mean = self.rate_per_hour(cell) / _CELLS_PER_HOUR * float(minutes.mean())
        count = poisson(mean, seed=self.seed, stream=Stream.POPULATION_ARRIVAL, cell=address)
        moments = np.sort(uniforms(self.seed, 1, Stream.POPULATION_ARRIVAL, count, start=start))
        passed = np.concatenate([[0.0], np.cumsum(minutes)])
        within = np.interp(moments * passed[-1], passed, np.arange(_MINUTES + 1) / _MINUTES)
        start_ns = self.origin_ns + cell * CELL_NS + np.minimum((within * CELL_NS).astype(np.int64), CELL_NS - 1)
        drawn = self.amounts.amounts(seed=self.seed, count=count, start=start)
        is_cycle = uniforms(self.seed, 0, Stream.CIRCULATION, count, start=start) < self.cycle_share
        return Acts(start_ns, drawn.amount_msat, drawn.component, is_cycle, start)

    def _bursts(self, address: int) -> NDArray[np.float64]:
        """Return each minute's rate as a multiple of its mean."""
        if not self.model.burst_variance:
            return np.ones(_MINUTES)
        shape = 1.0 / self.model.burst_variance
        draws = uniforms(self.seed, 2, Stream.POPULATION_ARRIVAL, _MINUTES, start=address * _MINUTES)
        return np.asarray(np.maximum(gammaincinv(shape, draws) / shape, 1e-9), np.float64)

    def _draw_directed(self, cell: int) -> Intents:
        """Return the payments from net payers to net receivers that start in a cell."""
        acts = self.acts(cell)
        rows = np.flatnonzero(~acts.is_cycle)
        payer = self._pick(acts, rows, Stream.POPULATION_PAYER, 0, self.crowd.net_payers)
        payee = self._pick(acts, rows, Stream.POPULATION_PAYEE, _REDRAWS, self.crowd.net_receivers)
        return Intents.of(acts.start_ns[rows], payer, payee, acts.amount_msat[rows], acts.component[rows])

    def _draw_cycles(self, cell: int) -> Intents:
        """Return the payments of the cycles that start in a cell, but for those for which too few nodes are found."""
        acts = self.acts(cell)
        rows = np.flatnonzero(acts.is_cycle)
        members = self._members(acts, rows)
        whole = (members >= 0).all(axis=1)
        rows, members = rows[whole], members[whole]
        legs = self.model.circulation_nodes
        moment = acts.start_ns[rows]
        parts = []
        for leg in range(legs):
            sender, receiver = members[:, leg], members[:, (leg + 1) % legs]
            parts.append(Intents.of(moment, sender, receiver, acts.amount_msat[rows], acts.component[rows]))
            draws = self._uniforms(acts, leg + 1, Stream.CIRCULATION)[rows]
            moment = moment + (draws * 2.0 * self.model.circulation_hours * NS_PER_HOUR).astype(np.int64)
        return joined(parts)

    def _members(self, acts: Acts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the nodes of these cycles: all different, found in a few tries or -1."""
        members = np.full((len(rows), self.model.circulation_nodes), -1, np.int64)
        members[:, 0] = self._pick(acts, rows, Stream.POPULATION_PAYER, 0, self.crowd.payers)
        for column in range(1, members.shape[1]):
            missing = np.ones(len(rows), np.bool_)
            for attempt in range(_REDRAWS):
                entity = column * _REDRAWS + attempt
                found = self._pick(acts, rows, Stream.POPULATION_PAYEE, entity, self.crowd.payees)
                fits = missing & (members[:, :column] != found[:, np.newaxis]).all(axis=1)
                members[fits, column] = found[fits]
                missing &= ~fits
                if not missing.any():
                    break
        return members

    def _pick(
        self, acts: Acts, rows: NDArray[np.int64], stream: Stream, entity: int, weights: list[NDArray[np.float64]]
    ) -> NDArray[np.int64]:
        """Return a node for each of these acts, by the weights of its kind."""
        draws, component = self._uniforms(acts, entity, stream)[rows], acts.component[rows]
        nodes = np.empty(len(rows), np.int64)
        for kind, summed in enumerate(weights):
            of_kind = component == kind
            nodes[of_kind] = pick_cumulative(summed, draws[of_kind])
        return nodes

    def _uniforms(self, acts: Acts, entity: int, stream: Stream) -> NDArray[np.float64]:
        return uniforms(self.seed, entity, stream, len(acts.start_ns), start=acts.first_draw)

    @property
    def span_cells(self) -> int:
        """How many cells a span of net flow has."""
        return max(1, round(self.model.onchain_hours * _CELLS_PER_HOUR))

    def spans(self, first_cell: int, last_cell: int) -> range:
        """Return the spans whose swaps may fall into these cells."""
        if not self.model.onchain_share:
            return range(0)
        length, delay = self.span_cells, self.model.onchain_delay_hours * _CELLS_PER_HOUR
        return range(math.floor((first_cell - delay) / length) - 2, math.ceil((last_cell - delay) / length))

    def _draw_swaps(self, span: int) -> Intents:
        """Return the swaps that settle a span's net flow, node by node."""
        length = self.span_cells
        net_msat = np.zeros(len(self.crowd.population.role))
        for cell in range(span * length, (span + 1) * length):
            paid = self._directed(cell)
            net_msat += np.bincount(paid.receiver, paid.amount_msat, len(net_msat))
            net_msat -= np.bincount(paid.sender, paid.amount_msat, len(net_msat))
        amount_msat = self._swap_amounts(net_msat, span)
        node = np.flatnonzero(amount_msat)
        provider = self._providers(node, span)
        begun_ns = (span + 1) * length * CELL_NS + round(self.model.onchain_delay_hours * NS_PER_HOUR)
        moments = uniforms(self.seed, self._entity(span, 1), Stream.SWAP, len(net_msat))[node]
        start_ns = self.origin_ns + begun_ns + (moments * length * CELL_NS).astype(np.int64)
        goes_out = net_msat[node] > 0
        swaps = Intents.of(
            start_ns,
            np.where(goes_out, node, provider),
            np.where(goes_out, provider, node),
            amount_msat[node],
            np.where(goes_out, _SWAP_OUT, _SWAP_IN),
        )
        return Intents._make(column[swaps.sender != swaps.receiver] for column in swaps)

    def _swap_amounts(self, net_msat: NDArray[np.float64], span: int) -> NDArray[np.int64]:
        """Return how much each node swaps, in whole sat."""
        wanted_sat = self.model.onchain_share * np.abs(net_msat) / MSAT_PER_SAT
        least = self.model.least_swap_sat
        luck = uniforms(self.seed, self._entity(span, 0), Stream.SWAP, len(net_msat))
        swapped = np.where(wanted_sat >= least, wanted_sat, np.where(luck * least < wanted_sat, least, 0))
        return np.rint(swapped).astype(np.int64) * MSAT_PER_SAT

    def _providers(self, node: NDArray[np.int64], span: int) -> NDArray[np.int64]:
        """Return with whom each node swaps: not with itself, where there is another."""
        providers = self.crowd.providers
        draws = uniforms(self.seed, self._entity(span, 2), Stream.SWAP, len(self.crowd.population.role))[node]
        row = (draws * len(providers)).astype(np.int64)
        own = providers[row] == node
        return np.asarray(providers[(row + own) % len(providers)], np.int64)

    @staticmethod
    def _entity(span: int, draw: int) -> int:
        return (span + _FIRST_ADDRESS) * 4 + draw
