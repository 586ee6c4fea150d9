"""Drawing the demands of hot receivers and of uniform pairs: the same in whatever pieces time is asked for."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.rng import Stream, normals, uniforms
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR, NS_PER_SECOND
from lightninglens.sim.demand.draws import MOST_PER_CELL, pick, poisson, weighted_sample
from lightninglens.sim.demand.intents import CELL_NS, Intents, between, by_time, joined
from lightninglens.sim.demand.purposes import PURPOSES

if TYPE_CHECKING:
    from lightninglens.sim.demand.model import DemandModel, UniformDemand

_REDRAWS = 8

_LONGEST_RETURN = 6.0
"""In means: money that comes back does so within this time, so that a cell depends only on those shortly before it."""


def draw_hot(
    model: "DemandModel", graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int
) -> Intents:
    """Return the intents of a `DemandModel` in a window of absolute times."""
    ends = _endpoints(model, graph, seed)
    if len(ends.senders) == 0:
        return joined([])
    first, last = (start_ns - origin_ns) // CELL_NS, -(-(end_ns - origin_ns) // CELL_NS)
    if not model.return_share:
        cells = [_draw_cell(model, ends, seed, origin_ns, cell).intents for cell in range(first, last)]
        return between(joined(cells), start_ns, end_ns)
    look_back = math.ceil(_LONGEST_RETURN * model.return_hours * NS_PER_HOUR / CELL_NS)
    drawn = [_draw_cell(model, ends, seed, origin_ns, cell) for cell in range(max(first - look_back, 0), last)]
    parts = [cell.intents for cell in drawn] + [_returns(model, seed, cell) for cell in drawn]
    return between(by_time(joined(parts)), start_ns, end_ns)


class _Endpoints(NamedTuple):
    """Who can send, who can be paid, and how often each is."""

    senders: NDArray[np.int64]
    sender_weights: NDArray[np.float64]
    receivers: NDArray[np.int64]
    receiver_weights: NDArray[np.float64]
    hot: NDArray[np.int64]
    """Positions in `receivers`."""


def _endpoints(model: "DemandModel", graph: NetworkGraph, seed: int) -> _Endpoints:
    usable = graph.usable()
    capacity = np.repeat(graph.capacity_sat, 2)[usable].astype(np.float64)
    out_sat = np.bincount(graph.sources()[usable], capacity, graph.node_count).astype(np.float64)
    in_sat = np.bincount(graph.targets()[usable], capacity, graph.node_count).astype(np.float64)
    senders, receivers = np.flatnonzero(out_sat), np.flatnonzero(in_sat)
    receiver_weights = in_sat[receivers] ** model.receiver_exponent
    hot = weighted_sample(receiver_weights, model.hot_receivers, seed=seed, entity=0, stream=Stream.ROLE)
    return _Endpoints(senders, out_sat[senders] ** model.sender_exponent, receivers, receiver_weights, hot)


def _rate_per_hour(model: "DemandModel", hours: float) -> float:
    phase = 2.0 * math.pi * (hours % 24.0 - model.day_peak_hour) / 24.0
    return model.payments_per_hour * (1.0 + model.day_amplitude * math.cos(phase))


def _drifted(model: "DemandModel", ends: _Endpoints, seed: int, hours: float) -> NDArray[np.float64]:
    """Return the receivers' weights at a time: log-weights interpolated between draws one period apart."""
    period, part = divmod(hours / model.drift_hours, 1.0)
    count = len(ends.receivers)
    before = normals(seed, int(period), Stream.DRIFT, count)
    after = normals(seed, int(period) + 1, Stream.DRIFT, count)
    return np.asarray(ends.receiver_weights * np.exp(model.drift_sigma * ((1.0 - part) * before + part * after)))


class _Cell(NamedTuple):
    """The intents that begin in one cell, which of its draws each is, and the address of the first of these."""

    intents: Intents
    row: NDArray[np.int64]
    drawn: int
    start: int


def _draw_cell(model: "DemandModel", ends: _Endpoints, seed: int, origin_ns: int, cell: int) -> _Cell:
    hours = (cell + 0.5) * CELL_NS / NS_PER_HOUR
    mean = _rate_per_hour(model, hours) * CELL_NS / NS_PER_HOUR
    count = poisson(mean, seed=seed, stream=Stream.ARRIVAL, cell=cell)
    start = cell * MOST_PER_CELL
    moments = np.sort(uniforms(seed, 1, Stream.ARRIVAL, count, start=start))
    start_ns = origin_ns + cell * CELL_NS + (moments * CELL_NS).astype(np.int64)
    sender = ends.senders[pick(ends.sender_weights, uniforms(seed, 0, Stream.SENDER, count, start=start))]
    receiver = _draw_receivers(model, ends, seed, hours, sender, start)
    amount_msat, tag = _draw_amounts(model, seed, count, start)
    kept = np.flatnonzero(receiver >= 0)
    intents = Intents.of(start_ns[kept], sender[kept], receiver[kept], amount_msat[kept], tag[kept])
    return _Cell(intents, kept, count, start)


def _returns(model: "DemandModel", seed: int, cell: _Cell) -> Intents:
    """Return the payments by which the money of a cell's payments comes back, in the order of those."""
    comes_back = uniforms(seed, 0, Stream.RETURN, cell.drawn, start=cell.start)[cell.row] < model.return_share
    draws = uniforms(seed, 1, Stream.RETURN, cell.drawn, start=cell.start)[cell.row][comes_back]
    means = -np.log1p(-draws * -math.expm1(-_LONGEST_RETURN))
    there = Intents._make(column[comes_back] for column in cell.intents)
    return there._replace(
        start_ns=there.start_ns + (means * model.return_hours * NS_PER_HOUR).astype(np.int64),
        sender=there.receiver,
        receiver=there.sender,
    )


def _draw_receivers(
    model: "DemandModel", ends: _Endpoints, seed: int, hours: float, sender: NDArray[np.int64], start: int
) -> NDArray[np.int64]:
    """Return who is paid; drawn again where it is the sender, and -1 where that fails eight times."""
    weights = _drifted(model, ends, seed, hours)
    hot_weights = weights[ends.hot]
    receiver = np.full(len(sender), -1, np.int64)
    missing = np.ones(len(sender), np.bool_)
    for attempt in range(_REDRAWS):
        draws = uniforms(seed, attempt, Stream.RECEIVER, len(sender), start=start)
        to_hot = uniforms(seed, attempt, Stream.ROLE, len(sender), start=start + MOST_PER_CELL) < model.hot_share
        drawn = ends.receivers[pick(weights, draws)]
        if len(ends.hot):
            drawn = np.where(to_hot, ends.receivers[ends.hot][pick(hot_weights, draws)], drawn)
        fits = missing & (drawn != sender)
        receiver[fits] = drawn[fits]
        missing &= ~fits
        if not missing.any():
            break
    return receiver


def _draw_amounts(
    model: "DemandModel", seed: int, count: int, start: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    tag = pick(
        np.array([purpose.weight for purpose in PURPOSES]),
        uniforms(seed, 0, Stream.AMOUNT_COMPONENT, count, start=start),
    )
    if model.amount_median_sat:
        median, sigma = np.full(count, model.amount_median_sat), np.full(count, model.amount_sigma)
    else:
        median = np.array([purpose.median_sat for purpose in PURPOSES])[tag] * model.amount_scale
        sigma = np.array([purpose.sigma for purpose in PURPOSES])[tag]
    amount_sat = np.rint(median * np.exp(sigma * normals(seed, 0, Stream.AMOUNT, count, start=start)))
    amount_sat = np.clip(amount_sat, model.least_amount_sat, model.most_amount_sat)
    return amount_sat.astype(np.int64) * MSAT_PER_SAT, tag


def draw_uniform(
    model: "UniformDemand", graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int
) -> Intents:
    """Return the intents of a `UniformDemand` in a window of absolute times; it is drawn from its start."""
    span_s = max(end_ns - origin_ns, 0) / NS_PER_SECOND
    count = int(span_s / model.least_interval_s) + 1
    gaps = model.least_interval_s + uniforms(seed, 0, Stream.ARRIVAL, count) * (
        model.most_interval_s - model.least_interval_s
    )
    times = origin_ns + np.cumsum((gaps * NS_PER_SECOND).astype(np.int64))
    width = model.most_amount_sat - model.least_amount_sat + 1
    amount_sat = model.least_amount_sat + (uniforms(seed, 0, Stream.AMOUNT, count) * width).astype(np.int64)
    sender, receiver = _uniform_pairs(model, graph, seed, count)
    tag = (uniforms(seed, 0, Stream.DESCRIPTION, count) * len(PURPOSES)).astype(np.int32)
    return between(Intents.of(times, sender, receiver, amount_sat * MSAT_PER_SAT, tag), start_ns, end_ns)


def _uniform_pairs(
    model: "UniformDemand", graph: NetworkGraph, seed: int, count: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return senders and receivers: a neighbour for direct payments, a stranger for multi-hop if there is one."""
    nodes = graph.node_count
    sources, targets = graph.sources(), graph.targets()
    by_source = np.argsort(sources, kind="stable")
    first = np.searchsorted(sources[by_source], np.arange(nodes + 1))
    sender = (uniforms(seed, 0, Stream.SENDER, count) * nodes).astype(np.int32)
    pattern = pick(
        np.array([model.direct_weight, model.multi_hop_weight, model.circular_weight]),
        uniforms(seed, 0, Stream.PATTERN, count),
    )
    draws = uniforms(seed, 0, Stream.RECEIVER, count)
    receiver = np.empty(count, np.int32)
    for row in range(count):
        node = sender[row]
        others = np.ones(nodes, np.bool_)
        others[node] = False
        near = np.zeros(nodes, np.bool_)
        near[targets[by_source[first[node] : first[node + 1]]]] = True
        wanted = (near, others & ~near, others)[pattern[row]]
        candidates = np.flatnonzero(wanted if wanted.any() else others)
        receiver[row] = candidates[int(draws[row] * len(candidates))]
    return sender, receiver
