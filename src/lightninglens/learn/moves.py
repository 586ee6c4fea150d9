"""Rebalances that could have been made, drawn from the data: what a model of gains learns from.

None of them was made. Each is judged by the replay of `learn/gain.py`, so a
network that never rebalanced teaches as much as one that did.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.ids import ChannelId
from lightninglens.learn.gain import SideThen, realised_gain_msat
from lightninglens.learn.target import FlowColumns, reserve_msat

MOVE_EVERY_STEPS: Final = 3
"""Moves are drawn at every third step of the rows: their outcomes overlap for hours anyway."""

MOST_MOVES_PER_NODE: Final = 12
"""At one moment."""

LEAST_SHARE: Final = 0.01
"""Smallest move, as a share of the outgoing channel."""

COST_SPREAD: Final = 4.0
"""Costs are drawn up to this factor above and below what two forwards cost, since a route's price is not known here."""

_PLASTIC: Final = 1.324717957244746
"""Draws come from the additive recurrence of the plastic number: even, and the same each time."""

Side = tuple[int, ChannelId, str]
"""Time, channel, node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Columns of equal length; rows refer to the data set that they belong to."""

    outgoing_row: NDArray[np.int64]
    incoming_row: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    cost_msat: NDArray[np.int64]
    """Drawn round what two forwards of this amount cost in the data."""
    gain_msat: NDArray[np.int64]
    """What it would have been worth over the horizon, before its cost."""

    def __len__(self) -> int:
        return len(self.amount_msat)

    def take(self, chosen: NDArray[np.bool_]) -> "Moves":
        """Return the chosen moves."""
        return Moves(**{name: getattr(self, name)[chosen] for name in self.__slots__})

    @classmethod
    def concatenate(cls, moves: Sequence["Moves"], row_shifts: Sequence[int]) -> "Moves":
        """Join moves whose data sets are joined; `row_shifts` says where the rows of each begin."""
        joined = {
            name: np.concatenate(
                [
                    getattr(one, name) + (shift if name.endswith("_row") else 0)
                    for one, shift in zip(moves, row_shifts, strict=True)
                ]
            )
            for name in cls.__slots__
        }
        return cls(**joined)


def move_features(features: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns of `move_rows`."""
    sides = (f"{side}_{name}" for side in ("outgoing", "incoming") for name in features)
    return (
        *sides,
        "amount_of_outgoing",
        "amount_of_incoming",
        "outgoing_share_after",
        "incoming_share_after",
        "cost_ppm",
    )


def move_rows(
    outgoing: NDArray[np.float64],
    incoming: NDArray[np.float64],
    *,
    features: Sequence[str],
    amount_msat: NDArray[np.int64],
    cost_msat: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the rows of a gain model: both sides' features, and what the move does to them."""
    columns = {name: column for column, name in enumerate(features)}
    of_total, after = [], []
    for side, sign in ((outgoing, -1), (incoming, 1)):
        total_msat = 1_000 * (side[:, columns["local_balance"]] + side[:, columns["remote_balance"]])
        share = amount_msat / np.maximum(total_msat, 1)
        of_total.append(share)
        after.append(side[:, columns["balance_ratio"]] + sign * share)
    cost_ppm = cost_msat * 1e6 / np.maximum(amount_msat, 1)
    return np.column_stack([outgoing, incoming, *of_total, *after, cost_ppm])


def draw_moves(
    sides: Sequence[Side],
    balances_msat: NDArray[np.int64],
    flows: Mapping[tuple[ChannelId, str], FlowColumns],
    *,
    horizon_ns: int,
    step_ns: int,
    fee_msat: Callable[[int], float],
) -> Moves:
    """Draw moves at the moments of the rows and judge each by what followed.

    `balances_msat` are local and remote balance of each of `sides`; `fee_msat`
    says what forwarding an amount costs in this data.
    """
    drawn: list[tuple[int, int, int, int, int]] = []
    for row_pairs in _pairs_by_node(sides, every_ns=MOVE_EVERY_STEPS * step_ns):
        for outgoing_row, incoming_row in row_pairs:
            index = len(drawn) + 1
            amount_msat = _amount_msat(balances_msat[outgoing_row], balances_msat[incoming_row], _even(index, 1))
            if not amount_msat:
                continue
            cost = 2 * fee_msat(amount_msat) * COST_SPREAD ** (2 * _even(index, 2) - 1)
            then = [
                _side_then(sides[row], balances_msat[row], flows, horizon_ns) for row in (outgoing_row, incoming_row)
            ]
            gain_msat = realised_gain_msat(then[0], then[1], amount_msat=amount_msat)
            drawn.append((outgoing_row, incoming_row, amount_msat, round(cost), gain_msat))
    columns = np.array(drawn, np.int64).reshape(-1, 5)
    return Moves(**{name: columns[:, column].copy() for column, name in enumerate(Moves.__slots__)})


def _pairs_by_node(sides: Sequence[Side], *, every_ns: int) -> Iterator[list[tuple[int, int]]]:
    """Yield, per moment and node, pairs of rows; of many, every so-and-so-many-th."""
    by_node: dict[tuple[int, str], list[int]] = {}
    for row, (time_ns, _, node_id) in enumerate(sides):
        if time_ns % every_ns == 0:
            by_node.setdefault((time_ns, node_id), []).append(row)
    for number, rows in enumerate(by_node.values()):
        pairs = list(permutations(rows, 2))
        every = -(-len(pairs) // MOST_MOVES_PER_NODE)
        yield pairs[number % max(every, 1) :: max(every, 1)]


def _amount_msat(outgoing: NDArray[np.int64], incoming: NDArray[np.int64], draw: float) -> int:
    """Return an amount between the least and the most that can move, evenly over orders of magnitude; or 0."""
    most = min(outgoing[0] - reserve_msat(int(outgoing.sum())), incoming[1] - reserve_msat(int(incoming.sum())))
    least = LEAST_SHARE * outgoing.sum()
    return int(least * (most / least) ** draw) // 1_000 * 1_000 if 0 < least <= most else 0


def _side_then(
    side: Side,
    balances_msat: NDArray[np.int64],
    flows: Mapping[tuple[ChannelId, str], FlowColumns],
    horizon_ns: int,
) -> SideThen:
    time_ns, channel_id, node_id = side
    return SideThen(
        flows=flows[channel_id, node_id].within(time_ns, time_ns + horizon_ns),
        local_msat=int(balances_msat[0]),
        total_msat=int(balances_msat.sum()),
    )


def _even(index: int, dimension: int) -> float:
    return (0.5 + index / _PLASTIC**dimension) % 1.0
