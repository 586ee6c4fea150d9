"""Many path searches at once: columns in, columns out."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightninglens.routing.state import RouteColumns

I64 = NDArray[np.int64]


class SearchMethod(Enum):
    """How searches are done. The answers are the same, to the millisatoshi."""

    PLAIN = "plain"
    """Dijkstra from the receiver."""
    DIRECTED = "directed"
    """The same towards the sender (docs/adr/0040)."""
    SHARED_TREES = "shared-trees"
    """One tree for many senders to the same receiver and amount (docs/adr/0041), else directed."""


class RouteQueries(NamedTuple):
    """What to search, a column per field; nodes are rows of the graph."""

    sender: I64
    receiver: I64
    amount_msat: I64
    fee_limit_msat: I64

    @classmethod
    def of(
        cls, sender: ArrayLike, receiver: ArrayLike, amount_msat: ArrayLike, fee_limit_msat: ArrayLike | None = None
    ) -> "RouteQueries":
        """Return columns of one length; without fee limits LND's defaults.

        Raises ValueError when the lengths differ.
        """
        amounts = np.array(amount_msat, np.int64, ndmin=1)
        limits = np.where(amounts <= 1_000_000, amounts, amounts * 5 // 100)
        if fee_limit_msat is not None:
            limits = np.array(fee_limit_msat, np.int64, ndmin=1)
        queries = cls(np.array(sender, np.int64, ndmin=1), np.array(receiver, np.int64, ndmin=1), amounts, limits)
        if len({len(column) for column in queries}) > 1:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in zip(cls._fields, queries, strict=True))
            raise ValueError(f"the columns of the queries must have one length, but have: {lengths}")
        return queries

    def check(self, node_count: int) -> None:
        """Raise ValueError naming the first row that cannot be searched."""
        for name in ("sender", "receiver"):
            column = getattr(self, name)
            bad = np.flatnonzero((column < 0) | (column >= node_count))
            if len(bad):
                raise ValueError(
                    f"query {bad[0]}: {name} {column[bad[0]]} is not a row of this graph, which has {node_count} nodes"
                )
        bad = np.flatnonzero(self.amount_msat < 1)
        if len(bad):
            raise ValueError(
                f"query {bad[0]}: an amount of {self.amount_msat[bad[0]]} msat cannot be sent: it must be 1 or more"
            )


@dataclass(frozen=True, slots=True)
class RoutesFound:
    """Answers in the order of the queries."""

    outcome: NDArray[np.int8]
    """`HtlcOutcome`: IN_FLIGHT where there is a route to try, else NO_ROUTE or INSUFFICIENT_BALANCE."""
    routes: RouteColumns
    probability: NDArray[np.float64]
    """0 where there is no route."""
    from_trees: int
    """How many were answered from a shared tree."""

    def differences(self, other: "RoutesFound") -> NDArray[np.int64]:
        """Return the rows in which outcome, channels, amounts, expiries or probability are not the same."""
        mine, theirs = self.routes, other.routes
        on_route = np.arange(mine.direction.shape[1]) < mine.hops[:, None]
        hops = (
            (mine.direction != theirs.direction)
            | (mine.amount_msat != theirs.amount_msat)
            | (mine.cltv_blocks != theirs.cltv_blocks)
        )
        differ = (self.outcome != other.outcome) | (mine.hops != theirs.hops) | (hops & on_route).any(axis=1)
        return np.flatnonzero(differ | (self.probability != other.probability))
