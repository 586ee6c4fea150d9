"""A2: success against amount, by what a sender weighs and by single or multi-part (Ndolo and Tschorsch)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import spearmanr

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.lab.fidelity.engine_runs import LND_PARTS, Liquidity, as_spendable, requests_of, run, succeeded
from lightninglens.lab.fidelity.findings import Line, Table, Value, Verdict, share, verdict_of
from lightninglens.lab.fidelity.published import SUCCESS, SUCCESS_AMOUNTS_SAT, SUCCESS_SOURCE
from lightninglens.routing.state import BIMODAL, Estimator
from lightninglens.sim.records import EngineConfig

SENDERS: Final[Mapping[str, Estimator]] = {
    "fee": Estimator(attempt_cost_msat=0.0, attempt_cost_ppm=0),
    "probability": Estimator(
        kind=BIMODAL, bimodal_scale_msat=250_000_000_000.0, bimodal_node_weight=0.0, time_preference=1.0
    ),
    "LND": Estimator(),
}
"""By what is weighed: fees alone; a uniform probability far above fees; both, as LND does by default.

LND's bimodal estimate tends to the uniform one as its scale grows.
"""
PARTS: Final = {"single": 1, "multi": LND_PARTS}
_INTERVAL_NS: Final = 120 * NS_PER_SECOND
"""Longer than a payment may try: never two at once."""
_RATIO_AMOUNTS_SAT: Final = (50_000, 100_000, 1_000_000)
_SAME_ORDER: Final = 0.9
_PERSISTENT: Final = "our single-part sender succeeds more often, so less is left to gain (cause not tested)"

Progress = Callable[[int, int], None]


def compare_success(
    graph: NetworkGraph,
    *,
    pairs: int,
    seed: int = 1,
    amounts_sat: Sequence[int] = SUCCESS_AMOUNTS_SAT,
    progress: Progress = lambda _done, _total: None,
) -> tuple[Table, ...]:
    """Run A2 on a snapshot and return ours beside the published medians."""
    liquidity = _uniform(graph, seed)
    sender, receiver = _random_pairs(graph, pairs, seed)
    found: dict[tuple[str, str], list[Value]] = {}
    total = len(SENDERS) * len(PARTS) * len(amounts_sat)
    for weighs, estimator in SENDERS.items():
        for form, parts in PARTS.items():
            column = found.setdefault((weighs, form), [])
            for amount_sat in amounts_sat:
                requests = requests_of(
                    sender,
                    receiver,
                    np.full(pairs, amount_sat * MSAT_PER_SAT),
                    _INTERVAL_NS * np.arange(1, pairs + 1),
                    parts=parts,
                )
                config = EngineConfig(seed=seed, estimator=estimator, commit_feerate_sat_per_kw=0)
                column.append(share(int(succeeded(run(liquidity, requests, config)).sum()), pairs))
                progress(sum(map(len, found.values())), total)
    return _success_table(found, amounts_sat, pairs), _ratio_table(found, amounts_sat)


def _uniform(graph: NetworkGraph, seed: int) -> Liquidity:
    draws = uniforms(seed, 2, Stream.FIDELITY, graph.channel_count)
    capacity_msat = graph.capacity_sat * MSAT_PER_SAT
    side0 = np.floor(draws * capacity_msat).astype(np.int64)
    return as_spendable(graph, np.stack([side0, capacity_msat - side0], axis=1).reshape(-1))


def _random_pairs(graph: NetworkGraph, pairs: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of different nodes that can all reach one another over enabled directions."""
    usable = graph.usable()
    arcs = (graph.sources()[usable], graph.targets()[usable])
    network = coo_array((np.ones(len(arcs[0]), np.int8), arcs), shape=(graph.node_count, graph.node_count))
    _, component = connected_components(network.tocsr(), directed=True, connection="strong")
    nodes = np.flatnonzero(component == np.bincount(component).argmax())
    draws = uniforms(seed, 3, Stream.FIDELITY, 2 * pairs).reshape(2, pairs)
    sender = np.floor(draws[0] * len(nodes)).astype(np.int64)
    receiver = np.floor(draws[1] * (len(nodes) - 1)).astype(np.int64)
    return nodes[sender], nodes[receiver + (receiver >= sender)]


def _success_table(found: Mapping[tuple[str, str], Sequence[Value]], amounts_sat: Sequence[int], pairs: int) -> Table:
    rows = [SUCCESS_AMOUNTS_SAT.index(amount) for amount in amounts_sat]
    correlations = {
        key: float(spearmanr([value.mean for value in found[key]], [SUCCESS[key][row] for row in rows]).statistic)
        for key in SUCCESS
    }
    same_shape = min(correlations.values()) >= _SAME_ORDER
    lines = []
    for at, row in enumerate(rows):
        verdicts = [
            verdict_of(found[key][at], share(round(SUCCESS[key][row] * pairs / 100), pairs), shape=same_shape)
            for key in SUCCESS
        ]
        verdict = next((worst for worst in (Verdict.DEVIATES, Verdict.SHAPE) if worst in verdicts), Verdict.AGREES)
        values = [
            value
            for key in found
            for value in ([Value(mean=SUCCESS[key][row]), found[key][at]] if key in SUCCESS else [found[key][at]])
        ]
        lines.append(
            Line(
                label=f"{amounts_sat[at]:,} sat",
                values=tuple(values),
                verdict=verdict,
                why="" if verdict is Verdict.AGREES else "another snapshot and another sender, see below",
            )
        )
    heads = [
        head
        for key in found
        for head in ([f"{' '.join(key)}: published", "ours"] if key in SUCCESS else [f"{' '.join(key)}: ours"])
    ]
    ranks = ", ".join(f"{' '.join(key)} {value:.3f}" for key, value in correlations.items())
    return Table(
        key="success",
        title="A2: payments that succeed, per cent, by amount",
        columns=tuple(heads),
        lines=tuple(lines),
        decimals=1,
        notes=(SUCCESS_SOURCE, f"Rank correlation with the published curves (Spearman): {ranks}.", *_notes(pairs)),
    )


def _notes(pairs: int) -> tuple[str, ...]:
    return (
        (
            f"Ours: {pairs:,} pairs of random nodes of the largest strongly connected component of enabled"
            " directions, the"
            " same pairs and the same uniform balances for every column and amount. The payments of a column follow one"
            " another on one network, never two at once: each finds the balances as the ones before it left them, and a"
            " sender that pays again remembers."
        ),
        (
            "Named differences: the published simulator tries precomputed candidate paths by a lowest fee or a highest"
            " probability, while our senders search anew after each failure with what they have learned, for up to a"
            " minute; it splits in halves as LND does, down to its own smallest part. Ours splits as LND:"
            " 16 parts, none"
            " below 10,000 sat, and only when no route is left for the whole. Its snapshot is some years older."
        ),
    )


def _ratio_table(found: Mapping[tuple[str, str], Sequence[Value]], amounts_sat: Sequence[int]) -> Table:
    lines = []
    for amount in (amount for amount in _RATIO_AMOUNTS_SAT if amount in amounts_sat):
        row, at = SUCCESS_AMOUNTS_SAT.index(amount), list(amounts_sat).index(amount)
        for weighs in SENDERS:
            single, multi = found[weighs, "single"][at], found[weighs, "multi"][at]
            published = (
                Value(mean=SUCCESS[weighs, "multi"][row] / SUCCESS[weighs, "single"][row])
                if (weighs, "single") in SUCCESS
                else None
            )
            ours = _ratio(multi, single)
            lines.append(
                Line(
                    label=f"{amount:,} sat, {weighs}",
                    values=(published, ours),
                    verdict=(verdict := _ratio_verdict(published, ours)),
                    why=_PERSISTENT if verdict in {Verdict.SHAPE, Verdict.DEVIATES} else "",
                )
            )
    return Table(
        key="success-ratio",
        title="A2: what splitting brings: success with parts, divided by success without",
        columns=("published", "ours"),
        lines=tuple(lines),
        notes=("The error treats both shares as independent; they are of the same pairs, so it is an upper bound.",),
    )


def _ratio(multi: Value, single: Value) -> Value | None:
    if single.mean == 0:
        return None
    ratio = multi.mean / single.mean
    parts = [((value.error or 0.0) / value.mean) ** 2 for value in (multi, single) if value.mean > 0]
    return Value(mean=ratio, error=ratio * float(np.sqrt(sum(parts))))


def _ratio_verdict(published: Value | None, ours: Value | None) -> Verdict:
    """Agree within the error; in shape when splitting helps beyond it; else deviate."""
    if published is None or ours is None:
        return Verdict.NONE
    return verdict_of(ours, published, shape=ours.mean - 1.96 * (ours.error or 0.0) > 1)
