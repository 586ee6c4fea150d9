"""Min-cost flow on the uncertainty network: the likeliest and cheapest way to split a payment.

Pickhardt and Richter, "Optimally Reliable & Cheap Payment Flows on the
Lightning Network" (arXiv 2107.05322): a direction whose balance is uniform
between what it surely carries and what it cannot exceed carries x more with a
probability that falls linearly; its negative logarithm is convex, so a few
pieces of constant cost stand for it and the flow is a linear problem. Needs
OR-tools (extra `flow`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import ConfigError
from lightninglens.core.units import PPM

PIECES = 5
"""Linear pieces of the uncertain part of a direction, as in the authors' own code."""

_UNITS = (20, 8, 3, 1)
"""Into how many units an amount is divided; fewer when there would be too many parts."""

_COST_SCALE = 1_000
_MOST_COST = 10**12


class FlowChannels(NamedTuple):
    """Directions that may carry something, as columns of equal length."""

    direction: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    least_msat: NDArray[np.int64]
    """What it surely carries."""
    most_msat: NDArray[np.int64]
    """What it surely does not exceed."""
    base_fee_msat: NDArray[np.int64]
    fee_rate_ppm: NDArray[np.int64]
    min_htlc_msat: NDArray[np.int64]
    max_htlc_msat: NDArray[np.int64]


class FlowPart(NamedTuple):
    """One path of a flow."""

    directions: tuple[int, ...]
    amount_msat: int


def plan_parts(
    channels: FlowChannels, *, sender: int, receiver: int, amount_msat: int, most_parts: int, risk_msat: float
) -> tuple[FlowPart, ...]:
    """Return the parts that cost least, fees and risk together; empty when the amount cannot flow.

    `risk_msat` is what a payment's failing is worth: it multiplies the negative
    logarithm of the probability. Base fees, which are not linear, are spread
    over a quarter of the amount.

    Raises ConfigError when OR-tools is not installed.
    """
    for units in _UNITS:
        unit_msat = -(-amount_msat // units)
        parts = _parts_of(channels, sender, receiver, amount_msat, unit_msat, risk_msat)
        if parts and len(parts) <= most_parts:
            return parts
    return ()


def _parts_of(
    channels: FlowChannels, sender: int, receiver: int, amount_msat: int, unit_msat: int, risk_msat: float
) -> tuple[FlowPart, ...]:
    fits = np.flatnonzero((channels.min_htlc_msat <= unit_msat) & (channels.max_htlc_msat >= unit_msat))
    rows, capacity, cost = _pieces(channels, fits, amount_msat, unit_msat, risk_msat)
    units = -(-amount_msat // unit_msat)
    nodes = int(max(channels.source.max(initial=0), channels.target.max(initial=0), sender, receiver)) + 1
    supply = np.zeros(nodes, np.int64)
    supply[sender], supply[receiver] = units, -units
    solver = _solver()
    solver.add_arcs_with_capacity_and_unit_cost(channels.source[rows], channels.target[rows], capacity, cost)
    solver.set_nodes_supplies(np.arange(nodes), supply)
    if solver.solve() != solver.OPTIMAL:
        return ()
    flow = np.bincount(rows, solver.flows(np.arange(len(rows))), len(channels.direction)).astype(np.int64)
    paths = _decompose(channels, flow, sender, receiver, channels.max_htlc_msat // unit_msat)
    return _exact(paths, amount_msat, unit_msat)


def _solver() -> Any:
    try:
        from ortools.graph.python import min_cost_flow  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise ConfigError("the flow sender needs OR-tools: pip install 'lightninglens[flow]'") from None
    return min_cost_flow.SimpleMinCostFlow()


def _pieces(
    channels: FlowChannels, fits: NDArray[np.int64], amount_msat: int, unit_msat: int, risk_msat: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (row, capacity in units, cost per unit) of the arcs."""
    least, most = channels.least_msat[fits], channels.most_msat[fits]
    spread = np.maximum(most - least, 0).astype(np.float64)
    rate = channels.fee_rate_ppm[fits] + channels.base_fee_msat[fits] * PPM / max(amount_msat / 4, unit_msat)
    fee = unit_msat * rate / PPM
    rows, capacities, costs = [], [], []
    begin_units, begin_cost = np.zeros(len(fits), np.int64), np.zeros(len(fits))
    for piece in range(PIECES + 1):
        end_units = (least + spread * piece / PIECES).astype(np.int64) // unit_msat
        end_cost = -np.log1p(-spread * piece / PIECES / (spread + 1.0))
        width = end_units - begin_units
        useful = np.flatnonzero((width > 0) & (begin_units * unit_msat < amount_msat))
        risk = risk_msat * (end_cost - begin_cost)[useful] / width[useful]
        rows.append(fits[useful])
        capacities.append(width[useful])
        # At least 1: a circle that costs nothing would be as good as none.
        costs.append(np.minimum((fee[useful] + risk) * _COST_SCALE + 1, _MOST_COST).astype(np.int64))
        wide = width > 0
        begin_units = np.where(wide, end_units, begin_units)
        begin_cost = np.where(wide, end_cost, begin_cost)
    return np.concatenate(rows), np.concatenate(capacities), np.concatenate(costs)


def _decompose(
    channels: FlowChannels, flow: NDArray[np.int64], sender: int, receiver: int, most_units: NDArray[np.int64]
) -> list[tuple[list[int], int]]:
    """Take a flow apart into paths (rows, units), each the widest step by step."""
    out: dict[int, list[int]] = {}
    for row in np.flatnonzero(flow).tolist():
        out.setdefault(int(channels.source[row]), []).append(row)
    paths = []
    while any(flow[row] for row in out.get(sender, ())):
        path, node = [], sender
        while node != receiver:
            row = max(out[node], key=lambda row: int(flow[row]))
            path.append(row)
            node = int(channels.target[row])
        units = int(min(np.min(flow[path]), np.min(most_units[path])))
        flow[path] -= units
        paths.append((path, units))
    return [([int(channels.direction[row]) for row in path], units) for path, units in paths]


def _exact(paths: list[tuple[list[int], int]], amount_msat: int, unit_msat: int) -> tuple[FlowPart, ...]:
    """Turn units into msat; what the last unit is too much comes off the largest part."""
    excess = sum(units for _, units in paths) * unit_msat - amount_msat
    largest = max(range(len(paths)), key=lambda number: paths[number][1])
    return tuple(
        FlowPart(tuple(directions), units * unit_msat - (excess if number == largest else 0))
        for number, (directions, units) in enumerate(paths)
    )
