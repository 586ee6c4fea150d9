"""Drawing intents: the same whatever part of the time is asked for, in whatever pieces."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.rng import Stream, normals, uniforms
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR, NS_PER_SECOND
from lightninglens.routing.pathfinding import default_fee_limit_msat
from lightninglens.sim.demand.model import PURPOSES, DemandModel, UniformDemand
from lightninglens.sim.engine import PaymentKind, PaymentRequests

CELL_NS = 600 * NS_PER_SECOND
"""Rates and preferences are constant within a cell of ten minutes; each cell is drawn by itself."""

_MOST_PER_CELL = 1 << 22
_POISSON_CHUNK = 500.0
_REDRAWS = 8

_LONGEST_RETURN = 6.0
"""In means: money that comes back does so within this time, so that a cell depends only on those shortly before it."""


class Intents(NamedTuple):
    """Payments that somebody wants to make, by time; `tag` indexes DESCRIPTIONS."""

    start_ns: NDArray[np.int64]
    sender: NDArray[np.int32]
    receiver: NDArray[np.int32]
    amount_msat: NDArray[np.int64]
    tag: NDArray[np.int32]


def draw_intents(
    model: DemandModel | UniformDemand,
    graph: NetworkGraph,
    *,
    seed: int,
    start_ns: int,
    end_ns: int,
    origin_ns: int = 0,
) -> Intents:
    """Return the intents with origin + start <= time < origin + end; times count from `origin_ns`.

    The world begins at `origin_ns`, an absolute time; `start_ns` and `end_ns`
    are absolute too.
    """
    if isinstance(model, UniformDemand):
        return _draw_uniform(model, graph, seed=seed, start_ns=start_ns, end_ns=end_ns, origin_ns=origin_ns)
    ends = _endpoints(model, graph, seed)
    if len(ends.senders) == 0:
        return _joined([])
    first, last = (start_ns - origin_ns) // CELL_NS, -(-(end_ns - origin_ns) // CELL_NS)
    if not model.return_share:
        cells = [_draw_cell(model, ends, seed, origin_ns, cell).intents for cell in range(first, last)]
        return _between(_joined(cells), start_ns, end_ns)
    look_back = math.ceil(_LONGEST_RETURN * model.return_hours * NS_PER_HOUR / CELL_NS)
    drawn = [_draw_cell(model, ends, seed, origin_ns, cell) for cell in range(max(first - look_back, 0), last)]
    parts = [cell.intents for cell in drawn] + [_returns(model, seed, cell) for cell in drawn]
    return _between(_by_time(_joined(parts)), start_ns, end_ns)


def first_intents(
    model: DemandModel | UniformDemand, graph: NetworkGraph, *, seed: int, count: int, origin_ns: int = 0
) -> Intents:
    """Return the first `count` intents of a world that begins at `origin_ns`.

    Raises ConfigError when this demand on this graph never brings a payment.
    """
    if isinstance(model, DemandModel) and not model.payments_per_hour > 0:
        raise ConfigError(f"{model.payments_per_hour} payments per hour never bring one: ask for more than 0")
    if not graph.usable().any():
        raise ConfigError("nobody can pay on this graph: no channel is announced and enabled in any direction")
    parts: list[Intents] = []
    drawn, start_ns, window_ns = 0, origin_ns, CELL_NS
    while drawn < count:
        end_ns = start_ns + window_ns
        parts.append(draw_intents(model, graph, seed=seed, start_ns=start_ns, end_ns=end_ns, origin_ns=origin_ns))
        drawn += len(parts[-1].start_ns)
        start_ns, window_ns = end_ns, 2 * window_ns
    return Intents._make(column[:count] for column in _joined(parts))


def to_requests(intents: Intents) -> PaymentRequests:
    """Return what the engine is to do for these intents, with LND's default fee limit."""
    count = len(intents.start_ns)
    fee_limit = np.array([default_fee_limit_msat(amount) for amount in intents.amount_msat.tolist()], np.int64)
    return PaymentRequests(
        start_ns=intents.start_ns,
        sender=intents.sender,
        receiver=intents.receiver,
        amount_msat=intents.amount_msat,
        fee_limit_msat=fee_limit,
        kind=np.full(count, PaymentKind.PAYMENT, np.int8),
        tag=intents.tag,
        outgoing=np.full(count, -1, np.int32),
        last_hop=np.full(count, -1, np.int32),
    )


class _Endpoints(NamedTuple):
    """Who can send, who can be paid, and how often each is."""

    senders: NDArray[np.int64]
    sender_weights: NDArray[np.float64]
    receivers: NDArray[np.int64]
    receiver_weights: NDArray[np.float64]
    hot: NDArray[np.int64]
    """Positions in `receivers`."""


def _endpoints(model: DemandModel, graph: NetworkGraph, seed: int) -> _Endpoints:
    usable = graph.usable()
    capacity = np.repeat(graph.capacity_sat, 2)[usable].astype(np.float64)
    out_sat = np.bincount(graph.sources()[usable], capacity, graph.node_count).astype(np.float64)
    in_sat = np.bincount(graph.targets()[usable], capacity, graph.node_count).astype(np.float64)
    senders, receivers = np.flatnonzero(out_sat), np.flatnonzero(in_sat)
    receiver_weights = in_sat[receivers] ** model.receiver_exponent
    # Gumbel keys: the greatest are a sample without replacement, by weight.
    keys = np.log(receiver_weights) - np.log(-np.log(_open(uniforms(seed, 0, Stream.ROLE, len(receivers)))))
    hot = np.sort(np.argsort(-keys, kind="stable")[: min(model.hot_receivers, len(receivers))])
    return _Endpoints(senders, out_sat[senders] ** model.sender_exponent, receivers, receiver_weights, hot)


def _open(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(draws, 1e-300, 1.0 - 1e-16)


def _rate_per_hour(model: DemandModel, hours: float) -> float:
    phase = 2.0 * math.pi * (hours % 24.0 - model.day_peak_hour) / 24.0
    return model.payments_per_hour * (1.0 + model.day_amplitude * math.cos(phase))


def _poisson(mean: float, seed: int, cell: int) -> int:
    """Draw a Poisson count by inversion, in chunks that keep exp(-mean) above the least float."""
    chunks = max(1, math.ceil(mean / _POISSON_CHUNK))
    total = 0
    for draw in uniforms(seed, 0, Stream.ARRIVAL, chunks, start=cell * 4096).tolist():
        term = cumulative = math.exp(-mean / chunks)
        count = 0
        while draw > cumulative and term > 0.0:
            count += 1
            term *= mean / chunks / count
            cumulative += term
        total += count
    return total


def _drifted(model: DemandModel, ends: _Endpoints, seed: int, hours: float) -> NDArray[np.float64]:
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


def _draw_cell(model: DemandModel, ends: _Endpoints, seed: int, origin_ns: int, cell: int) -> _Cell:
    hours = (cell + 0.5) * CELL_NS / NS_PER_HOUR
    mean = _rate_per_hour(model, hours) * CELL_NS / NS_PER_HOUR
    count = min(_poisson(mean, seed, cell), _MOST_PER_CELL)
    start = cell * _MOST_PER_CELL
    moments = np.sort(uniforms(seed, 1, Stream.ARRIVAL, count, start=start))
    start_ns = origin_ns + cell * CELL_NS + (moments * CELL_NS).astype(np.int64)
    sender = ends.senders[_pick(ends.sender_weights, uniforms(seed, 0, Stream.SENDER, count, start=start))]
    receiver = _draw_receivers(model, ends, seed, hours, sender, start)
    amount_msat, tag = _draw_amounts(model, seed, count, start)
    kept = np.flatnonzero(receiver >= 0)
    intents = Intents(
        start_ns[kept],
        sender[kept].astype(np.int32),
        receiver[kept].astype(np.int32),
        amount_msat[kept],
        tag[kept].astype(np.int32),
    )
    return _Cell(intents, kept, count, start)


def _returns(model: DemandModel, seed: int, cell: _Cell) -> Intents:
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


def _pick(weights: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.int64]:
    cumulative = np.cumsum(weights)
    rows = np.searchsorted(cumulative, draws * cumulative[-1], side="right")
    return np.asarray(np.minimum(rows, len(weights) - 1), np.int64)


def _draw_receivers(
    model: DemandModel, ends: _Endpoints, seed: int, hours: float, sender: NDArray[np.int64], start: int
) -> NDArray[np.int64]:
    """Return who is paid; drawn again where it is the sender, and -1 where that fails eight times."""
    weights = _drifted(model, ends, seed, hours)
    hot_weights = weights[ends.hot]
    receiver = np.full(len(sender), -1, np.int64)
    missing = np.ones(len(sender), np.bool_)
    for attempt in range(_REDRAWS):
        draws = uniforms(seed, attempt, Stream.RECEIVER, len(sender), start=start)
        to_hot = uniforms(seed, attempt, Stream.ROLE, len(sender), start=start + _MOST_PER_CELL) < model.hot_share
        drawn = ends.receivers[_pick(weights, draws)]
        if len(ends.hot):
            drawn = np.where(to_hot, ends.receivers[ends.hot][_pick(hot_weights, draws)], drawn)
        fits = missing & (drawn != sender)
        receiver[fits] = drawn[fits]
        missing &= ~fits
        if not missing.any():
            break
    return receiver


def _draw_amounts(model: DemandModel, seed: int, count: int, start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    tag = _pick(
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


def _draw_uniform(
    model: UniformDemand, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int
) -> Intents:
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
    return _between(Intents(times, sender, receiver, amount_sat * MSAT_PER_SAT, tag), start_ns, end_ns)


def _uniform_pairs(
    model: UniformDemand, graph: NetworkGraph, seed: int, count: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return senders and receivers: a neighbour for direct payments, a stranger for multi-hop if there is one."""
    nodes = graph.node_count
    sources, targets = graph.sources(), graph.targets()
    by_source = np.argsort(sources, kind="stable")
    first = np.searchsorted(sources[by_source], np.arange(nodes + 1))
    sender = (uniforms(seed, 0, Stream.SENDER, count) * nodes).astype(np.int32)
    pattern = _pick(
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


def _joined(parts: list[Intents]) -> Intents:
    if not parts:
        empty = np.zeros(0, np.int64)
        return Intents(empty, empty.astype(np.int32), empty.astype(np.int32), empty, empty.astype(np.int32))
    return Intents._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _by_time(intents: Intents) -> Intents:
    order = np.argsort(intents.start_ns, kind="stable")
    return Intents._make(column[order] for column in intents)


def _between(intents: Intents, start_ns: int, end_ns: int) -> Intents:
    kept = (intents.start_ns >= start_ns) & (intents.start_ns < end_ns)
    return Intents._make(column[kept] for column in intents)
