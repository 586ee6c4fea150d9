"""A4: how the channels of a replenished network deplete under payments (Pickhardt)."""

import itertools
from collections.abc import Iterator, Sequence
from random import Random  # noqa: TID251 - the published experiment is a function of this very stream
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array

from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.lab.fidelity.engine_runs import LND_PARTS, as_spendable, requests_of
from lightninglens.lab.fidelity.findings import Line, Table, Value, Verdict, over_seeds
from lightninglens.lab.fidelity.published import DEPLETION, DEPLETION_SOURCE, DEPLETION_START, DEPLETION_STEPS
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import EngineConfig

PUBLISHED_SEED: Final = 21
_NODES: Final = 100
_LINK: Final = 0.15
_SAT_PER_COIN: Final = 1_000
"""Large enough that LND's smallest part, 10,000 sat, is a small payment here."""
_INTERVAL_NS: Final = 600 * NS_PER_SECOND
_BAND: Final = 0.1
_ROUNDED: Final = 1.0
"""Percentage points: what other optima of the same flow problem, and rounding, may make of a share."""

Coins = NDArray[np.int64]


class Experiment(NamedTuple):
    """The published network and its payments; `coins` and `fee_ppm` are per direction, two for each pair."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    coins: Coins
    fee_ppm: NDArray[np.int64]
    payments: list[tuple[int, int, int]]
    """Sender, receiver, coins."""

    @property
    def source(self) -> NDArray[np.int64]:
        """The node that each direction starts at."""
        return np.stack([self.first, self.second], axis=1).reshape(-1)

    @property
    def target(self) -> NDArray[np.int64]:
        """The node that each direction ends at."""
        return np.stack([self.second, self.first], axis=1).reshape(-1)


def draw_experiment(seed: int, payments: int) -> Experiment:
    """Draw the network and the payments as the notebook does, from the same stream in the same order."""
    stream = Random(seed)  # noqa: S311 - a simulation
    pairs = [pair for pair in itertools.combinations(range(_NODES), 2) if stream.random() < _LINK]
    coins, fees = [], []
    for _ in range(2 * len(pairs)):
        coins.append(2 * stream.randint(0, 10_000))
        fees.append(stream.randint(100, 1_000))
    nodes = _order_of_nodes(pairs)
    made = []
    for _ in range(payments):
        sender, receiver = stream.sample(nodes, 2)
        made.append((sender, receiver, stream.randint(1, 3_000)))
    ends = np.array(pairs, np.int64)
    return Experiment(ends[:, 0], ends[:, 1], np.array(coins, np.int64), np.array(fees, np.int64), made)


def _order_of_nodes(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the nodes in the order in which the notebook's replenished graph knows them.

    It is built from the drawn graph's edges, node by node, and keeps nodes in the order of their first edge.
    """
    successors: dict[int, list[int]] = {}
    for one, other in pairs:
        successors.setdefault(one, []).append(other)
        successors.setdefault(other, []).append(one)
    return list(dict.fromkeys(itertools.chain.from_iterable((node, *ends) for node, ends in successors.items())))


def balanced_share(coins: Coins | NDArray[np.float64]) -> float:
    """Return the share of channels in per cent in which each side owns 40 to 60 %."""
    sides = coins.reshape(-1, 2)
    return float(100 * np.mean(np.abs(sides[:, 0] / sides.sum(axis=1) - 0.5) < _BAND))


def replenish(experiment: Experiment) -> Coins:
    """Return the liquidity nearest to half and half in which every node owns what it owned.

    The least squares under equality constraints and bounds are solved in the
    dual, where the bounds only clip: Newton's method on one price per node.
    """
    capacity = experiment.coins.reshape(-1, 2).sum(axis=1).astype(np.float64)
    count = len(capacity)
    incidence = _incidence(experiment.first, experiment.second, count)
    # Node's wealth less the half of its channels, of which side 0 counts up and side 1 down.
    wanted = incidence @ (experiment.coins.reshape(-1, 2)[:, 0] - capacity / 2)
    price, shift = np.zeros(_NODES), np.zeros(count)
    for _ in range(200):
        moved = incidence.T @ price
        shift = np.clip(moved, -capacity / 2, capacity / 2)
        missing = wanted - incidence @ shift
        if np.abs(missing).max() < 1e-6:
            break
        free = np.abs(moved) < capacity / 2
        laplacian = (incidence[:, free] @ incidence[:, free].T).toarray()
        price = price + np.linalg.lstsq(laplacian, missing, rcond=None)[0]
    side0 = np.round(capacity / 2 + shift).astype(np.int64)
    return np.stack([side0, capacity.astype(np.int64) - side0], axis=1).reshape(-1)


def _incidence(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> csr_array:
    rows = np.concatenate([first, second])
    signs = np.concatenate([np.ones(count), -np.ones(count)])
    return csr_array(coo_array((signs, (rows, np.tile(np.arange(count), 2))), shape=(_NODES, count)))


def deplete_by_flow(experiment: Experiment, coins: Coins, steps: Sequence[int]) -> Iterator[float]:
    """Pay as the notebook does, each payment a min-cost flow that knows all liquidity; yield the share at each step."""
    coins = coins.astype(np.float64)
    count = len(coins)
    source, target = experiment.source, experiment.target
    rows = np.concatenate([source, target])
    signs = np.concatenate([np.ones(count), -np.ones(count)])
    flows = csr_array(coo_array((signs, (rows, np.tile(np.arange(count), 2))), shape=(_NODES, count)))
    for number, (sender, receiver, amount) in enumerate(experiment.payments):
        supply = np.zeros(_NODES)
        supply[sender], supply[receiver] = amount, -amount
        bounds = np.stack([np.zeros(count), coins], axis=1)
        found = linprog(experiment.fee_ppm, A_eq=flows, b_eq=supply, bounds=bounds, method="highs-ds")
        if found.status == 0:
            sent = np.round(found.x)
            coins = coins - sent + sent.reshape(-1, 2)[:, ::-1].reshape(-1)
        if number in steps:
            yield balanced_share(coins)


def deplete_by_engine(experiment: Experiment, coins: Coins, steps: Sequence[int], *, parts: int) -> Iterator[float]:
    """Pay through our engine with LND's sender; yield the share at each step."""
    liquidity = as_spendable(_graph(experiment), coins * _SAT_PER_COIN * MSAT_PER_SAT)
    engine = Engine(
        liquidity.graph,
        balance_msat=liquidity.balance_msat,
        opener_side=liquidity.opener_side,
        config=EngineConfig(commit_feerate_sat_per_kw=0),
    )
    columns = np.array(experiment.payments, np.int64).T
    start_ns = _INTERVAL_NS * np.arange(1, len(experiment.payments) + 1)
    amount_msat = columns[2] * _SAT_PER_COIN * MSAT_PER_SAT
    engine.submit(requests_of(columns[0], columns[1], amount_msat, start_ns, parts=parts))
    for step in steps:
        if step < len(start_ns):
            engine.run_until(int(start_ns[step]) + _INTERVAL_NS - 1)
            yield balanced_share(engine.spendable_msat())


def _graph(experiment: Experiment) -> NetworkGraph:
    channels = len(experiment.first)
    policies = PolicyColumns.unknown(2 * channels)
    policies.known[:] = True
    policies.fee_rate_ppm[:] = experiment.fee_ppm
    policies.time_lock_delta_blocks[:] = 40
    policies.min_htlc_msat[:] = 1
    capacity_sat = experiment.coins.reshape(-1, 2).sum(axis=1) * _SAT_PER_COIN
    policies.max_htlc_msat[:] = np.repeat(capacity_sat * MSAT_PER_SAT, 2)
    return NetworkGraph(
        node_ids=tuple(NodeId(f"02{row:064x}") for row in range(_NODES)),
        aliases=tuple(f"node {row}" for row in range(_NODES)),
        channel_ids=np.array([int(ChannelId.of(1, row, 0)) for row in range(channels)], np.uint64),
        node1=experiment.first.astype(np.int32),
        node2=experiment.second.astype(np.int32),
        capacity_sat=capacity_sat,
        policies=policies,
    )


def compare_depletion(*, payments: int, seeds: int) -> Table:
    """Run A4 and return ours beside the published curve."""
    steps = [step for step in DEPLETION_STEPS if step < payments]
    experiment = draw_experiment(PUBLISHED_SEED, payments)
    start = replenish(experiment)
    flow = list(deplete_by_flow(experiment, start, steps))
    single = list(deplete_by_engine(experiment, start, steps, parts=1))
    multi = list(deplete_by_engine(experiment, start, steps, parts=LND_PARTS))
    others = [_other_network(seed, payments, steps) for seed in range(PUBLISHED_SEED, PUBLISHED_SEED + seeds)]
    lines = [
        _start_line("as drawn, before any payment", DEPLETION_START["drawn"], balanced_share(experiment.coins)),
        _start_line("replenished, before any payment", DEPLETION_START["replenished"], balanced_share(start)),
    ]
    for row, step in enumerate(steps):
        flow_agrees = abs(flow[row] - DEPLETION[row]) <= _ROUNDED
        lines.append(
            Line(
                label=f"after payment {step:,}",
                values=(
                    Value(mean=DEPLETION[row]),
                    Value(mean=flow[row]),
                    Value(mean=single[row]),
                    Value(mean=multi[row]),
                    over_seeds([other[row] for other in others]),
                ),
                verdict=Verdict.AGREES if flow_agrees else _shape(flow),
                why="" if flow_agrees else "other optima of the same flow",
            )
        )
    return Table(
        key="depletion",
        title="A4: balanced channels, per cent, as payments are made",
        columns=(
            "published",
            "notebook's rule, by us",
            "our engine, LND, 1 part",
            f"our engine, LND, {LND_PARTS} parts",
            f"the same, {seeds} networks",
        ),
        lines=tuple(lines),
        notes=_NOTES,
    )


def _other_network(seed: int, payments: int, steps: Sequence[int]) -> list[float]:
    experiment = draw_experiment(seed, payments)
    return list(deplete_by_engine(experiment, replenish(experiment), steps, parts=LND_PARTS))


def _start_line(label: str, published: float, ours: float) -> Line:
    close = abs(ours - published) <= _ROUNDED
    return Line(
        label=label,
        values=(Value(mean=published), Value(mean=ours), None, None, None),
        verdict=Verdict.AGREES if close else Verdict.DEVIATES,
        why="" if close else "the network was not drawn as published",
    )


def _shape(curve: Sequence[float]) -> Verdict:
    """Say whether a curve falls as the published one does."""
    return (
        Verdict.SHAPE
        if all(later <= earlier + _ROUNDED for earlier, later in itertools.pairwise(curve))
        else (Verdict.DEVIATES)
    )


_NOTES: Final = (
    DEPLETION_SOURCE,
    (
        "The network (100 nodes, each pair linked with probability 0.15), the liquidity (2 x 0 to"
        " 10,000 coins a side), the"
        " fees (100 to 1,000 ppm) and the payments (1 to 3,000 coins between two different nodes) come"
        " from the same random"
        " stream as the notebook's, so they are the same ones; the replenishment is the same least-squares problem."
    ),
    (
        f"For the engine a coin is {_SAT_PER_COIN:,} sat, payments come every ten minutes, and each side"
        " can spend its last"
        " coin, as in the notebook."
    ),
    (
        "The verdict is on the notebook's rule as we solve it. The engine's columns answer another question, what LND's"
        " senders do to the same network. They differ by named causes: the notebook pays each payment"
        " as one min-cost flow"
        " that knows every balance, splits without limit, cannot fail when it is feasible and charges"
        " nobody its fee; LND"
        " knows only its own balances, weighs a failed attempt against fees, and gives up after a minute."
    ),
)
