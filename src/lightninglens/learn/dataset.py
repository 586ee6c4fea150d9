"""Data sets to learn from: rows of features with the target that became known a horizon later.

Rows stand at fixed steps of world time. The two sides of a channel follow one
another, so that a prediction for one can be held against that for the other.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.control.rebalance import baseline
from lightninglens.core.ids import ChannelId
from lightninglens.core.observations import ChannelSeen, Observation, PaymentSeen
from lightninglens.core.units import NS_PER_HOUR, NS_PER_SECOND, PPM
from lightninglens.learn.features import FULL_FEATURES, REDUCED_FEATURES, FeatureTracker
from lightninglens.learn.flows import Flow
from lightninglens.learn.moves import Moves, draw_moves
from lightninglens.learn.target import FlowColumns, best_share

DEFAULT_HORIZON_NS: Final = 6 * NS_PER_HOUR
DEFAULT_STEP_NS: Final = 600 * NS_PER_SECOND


_COLUMNS: Final = (
    "time_ns",
    "channel_id",
    "X",
    "y",
    "share_now",
    "baseline",
    "failing_now_msat",
    "failing_best_msat",
)

Targets = Mapping[tuple[ChannelId, str], float]
"""The share that a fixed rule wants on a channel side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """What is to be learned."""

    horizon_ns: int = DEFAULT_HORIZON_NS
    step_ns: int = DEFAULT_STEP_NS
    own_payment_worth_ppm: int = 0
    """What it is worth to a node that a payment of its own arrives, in ppm of the amount; ADR 0031 says why nothing."""
    reduced: bool | None = None
    """Without the features of single channels' flows; None: if no payment comes with its attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Columns of equal length, in order of world and time, the two sides of a channel one after the other."""

    options: DatasetOptions
    reduced: bool
    features: tuple[str, ...]
    world: NDArray[np.int32]
    """Which of several worlds, that are never mixed, a row is from."""
    time_ns: NDArray[np.int64]
    channel_id: NDArray[np.uint64]
    node_id: tuple[str, ...]
    X: NDArray[np.float64]
    y: NDArray[np.float64]
    """The share that would have failed the least volume."""
    share_now: NDArray[np.float64]
    baseline: NDArray[np.float64]
    """What a fixed rule wants; NaN where there is none."""
    failing_now_msat: NDArray[np.int64]
    """What failed in the replay from today's share, in both directions."""
    failing_best_msat: NDArray[np.int64]
    moves: Moves
    """Rebalances that could have been made, and what each would have gained."""
    payments: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    """What could not be used, by reason."""


def build_dataset(
    observations: Iterable[Observation], options: DatasetOptions, *, targets: Targets | None = None
) -> Dataset:
    """Replay observations of one world and return what can be learned from them; there may be no rows.

    The observations are put in order of time. `targets` is what a fixed rule
    wants, to compare with.
    """
    ordered = sorted(observations, key=_order)
    reduced = options.reduced
    if reduced is None:
        reduced = not any(isinstance(seen, PaymentSeen) and seen.attempts is not None for seen in ordered)
    return _Builder(options, targets or {}, reduced=reduced).build(ordered)


def concatenate(datasets: Sequence[Dataset]) -> Dataset:
    """Join data sets of different worlds.

    Raises ValueError when there are none, or they were built with different options or features.
    """
    if not datasets:
        raise ValueError("there is no data set to join")
    first = datasets[0]
    if any((one.options, one.features) != (first.options, first.features) for one in datasets):
        raise ValueError("data sets with different options or features cannot be joined")
    first_worlds = np.cumsum([0, *(int(one.world.max(initial=-1)) + 1 for one in datasets)])[:-1]
    first_rows = np.cumsum([0, *(len(one.y) for one in datasets)])[:-1]
    columns = {name: np.concatenate([getattr(one, name) for one in datasets]) for name in _COLUMNS}
    worlds = [one.world + np.int32(shift) for one, shift in zip(datasets, first_worlds, strict=True)]
    joined: dict[str, Any] = {
        **columns,
        "world": np.concatenate(worlds),
        "node_id": tuple(node for one in datasets for node in one.node_id),
        "moves": Moves.concatenate([one.moves for one in datasets], first_rows.tolist()),
        "payments": sum(one.payments for one in datasets),
        "dropped": dict(sum((Counter(one.dropped) for one in datasets), Counter())),
    }
    return dataclasses.replace(first, **joined)


def targets_by_name(
    channels: Iterable[ChannelSeen],
    names: Mapping[str, str],
    *,
    rules: baseline.BaselineRules = baseline.DEFAULT_RULES,
) -> dict[tuple[ChannelId, str], float]:
    """Return the baseline's targets for the channels that it has some for; `names` is by node id."""
    found = {}
    for channel in channels:
        ends = (channel.node1_id, channel.node2_id)
        for node, peer in (ends, ends[::-1]):
            percent = rules.share_percent(names.get(node, node), names.get(peer, peer))
            if percent is not None:
                found[channel.channel_id, node] = percent / 100
    return found


def _order(observation: Observation) -> tuple[int, int]:
    if isinstance(observation, ChannelSeen):
        return observation.seen_ns, 1
    return observation.ended_ns, 0


class _Builder:
    """One pass over the observations, with rows taken at each step; then the targets from the flows."""

    def __init__(self, options: DatasetOptions, targets: Targets, *, reduced: bool) -> None:
        self._options = options
        self._targets = targets
        self._reduced = reduced
        self._features = REDUCED_FEATURES if reduced else FULL_FEATURES
        self._tracker = FeatureTracker()
        self._flows: dict[ChannelId, list[Flow]] = {}
        self._dropped: Counter[str] = Counter()
        self._payments = 0
        self._sides: list[tuple[int, ChannelId, str]] = []
        self._rows: list[list[float]] = []
        self._balances: list[tuple[int, int]] = []

    def build(self, ordered: Sequence[Observation]) -> Dataset:
        if ordered:
            end_ns = _order(ordered[-1])[0]
            step = self._options.step_ns
            next_ns = _order(ordered[0])[0] // step * step + step
            for seen in ordered:
                time_ns = _order(seen)[0]
                while next_ns < time_ns:
                    if next_ns + self._options.horizon_ns <= end_ns:
                        self._take_rows(next_ns)
                    next_ns += step
                self._observe(seen)
        return self._dataset()

    def _observe(self, seen: Observation) -> None:
        flows = self._tracker.observe(seen)
        for flow in flows:
            self._flows.setdefault(flow.channel_id, []).append(flow)
        if isinstance(seen, PaymentSeen):
            self._payments += 1
            if not flows and seen.kind == "payment":
                self._dropped[_why_no_flow(seen)] += 1

    def _take_rows(self, now_ns: int) -> None:
        for channel_id, node_id in self._tracker.sides():
            row = self._tracker.row(channel_id, node_id, now_ns)
            self._sides.append((now_ns, channel_id, node_id))
            self._rows.append([row[name] for name in self._features])
            self._balances.append(self._tracker.balances_msat(channel_id, node_id))

    def _dataset(self) -> Dataset:
        count = len(self._sides)
        y, failing = np.zeros(count), np.zeros((count, 2), np.int64)
        balances = np.array(self._balances, np.int64).reshape(-1, 2)
        share_now = np.divide(balances[:, 0], np.maximum(balances.sum(axis=1), 1))
        columns = self._columns()
        for row, (now_ns, channel_id, node_id) in enumerate(self._sides):
            flows = columns[channel_id, node_id].within(now_ns, now_ns + self._options.horizon_ns)
            outcome = best_share(flows, total_msat=int(balances[row].sum()), share_now=float(share_now[row]))
            y[row] = outcome.share
            failing[row] = outcome.failing_msat_now, outcome.failing_msat_at_best
        X = np.array(self._rows, np.float64).reshape(-1, len(self._features))  # noqa: N806
        moves = draw_moves(
            self._sides,
            balances,
            columns,
            horizon_ns=self._options.horizon_ns,
            step_ns=self._options.step_ns,
            fee_msat=_fees([flow for flows in self._flows.values() for flow in flows]),
        )
        return Dataset(
            options=self._options,
            reduced=self._reduced,
            features=self._features,
            world=np.zeros(count, np.int32),
            time_ns=np.array([side[0] for side in self._sides], np.int64),
            channel_id=np.array([side[1] for side in self._sides], np.uint64),
            node_id=tuple(side[2] for side in self._sides),
            X=X,
            y=y,
            share_now=share_now,
            baseline=np.array([self._targets.get(side[1:], np.nan) for side in self._sides], np.float64),
            failing_now_msat=failing[:, 0].copy(),
            failing_best_msat=failing[:, 1].copy(),
            moves=moves,
            payments=self._payments,
            dropped=dict(self._dropped),
        )

    def _columns(self) -> dict[tuple[ChannelId, str], FlowColumns]:
        worth_ppm = self._options.own_payment_worth_ppm
        return {
            side: FlowColumns.of(self._flows.get(side[0], ()), side[1], own_payment_worth_ppm=worth_ppm)
            for side in self._tracker.sides()
        }


def _fees(flows: Sequence[Flow]) -> Callable[[int], float]:
    """Return what forwarding an amount costs: the fees in the data as a fixed and a proportional part."""
    forwards = [(flow.amount_msat, flow.fee_msat) for flow in flows if flow.role == "forward" and flow.settled]
    if len({amount for amount, _ in forwards}) < 2:
        return lambda amount_msat: 1_000 + amount_msat / PPM  # LND's defaults
    amounts, fees = np.array(forwards, np.float64).T
    rate = max(float(np.cov(amounts, fees)[0, 1] / np.var(amounts, ddof=1)), 0.0)
    base = max(float(np.mean(fees) - rate * np.mean(amounts)), 0.0)
    return lambda amount_msat: base + rate * amount_msat


def _why_no_flow(payment: PaymentSeen) -> str:
    if payment.succeeded is None:
        return "payments of which it is not known how they ended"
    if payment.attempts is None:
        return "payments without a route, and without exactly one channel from sender to receiver"
    if not payment.attempts:
        return "payments that found no route, and have not exactly one channel from sender to receiver"
    return "payments that failed for another reason than liquidity"
