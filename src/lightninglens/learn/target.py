"""The target: the share that a channel should have held, known once the time after is over.

The flows that followed are replayed in isolation, in both directions, from each
start share; one that does not fit fails and moves nothing. What that leaves out
is written in ADR 0030.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.units import PPM
from lightninglens.learn import _kernels
from lightninglens.learn.flows import Flow

SHARES: Final = np.arange(101) / 100.0
"""Start shares that are tried, besides today's."""

RESERVE_PER_CENT: Final = 1
"""Of what both sides hold, neither can spend its reserve: 1 % of the capacity, LND's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOutcome:
    """The share that would have failed the least volume, and what fails from there and from where it was."""

    share: float
    failing_msat_at_best: int
    failing_msat_now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowColumns:
    """The flows of one channel as columns, in order of time; seen from one node."""

    time_ns: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    """Above 0 leaves the node, below 0 comes in."""
    is_shift: NDArray[np.bool_]
    """Rebalances: they move money, but are no demand."""
    value_msat: NDArray[np.int64]
    """What it is worth to the node that it goes through; 0 for what comes in."""

    @classmethod
    def of(cls, flows: Sequence[Flow], node_id: str, *, own_payment_worth_ppm: int = 0) -> "FlowColumns":
        """Take flows of one channel, in order of time, as `node_id` sees them.

        A forward is worth its fee; an own payment that was lost in the end,
        `own_payment_worth_ppm` of its amount. One that arrived is worth nothing
        here: it found its way, and without this channel mostly finds another.
        """
        signs = [1 if flow.from_node_id == node_id else -1 for flow in flows]
        worth = [
            _value_msat(flow, own_payment_worth_ppm) if sign > 0 else 0 for flow, sign in zip(flows, signs, strict=True)
        ]
        return cls(
            time_ns=np.array([flow.time_ns for flow in flows], np.int64),
            amount_msat=np.array([sign * flow.amount_msat for flow, sign in zip(flows, signs, strict=True)], np.int64),
            is_shift=np.array([flow.role == "rebalance" for flow in flows], np.bool_),
            value_msat=np.array(worth, np.int64),
        )

    def within(self, after_ns: int, until_ns: int) -> "FlowColumns":
        """Return the flows in (after_ns, until_ns]."""
        first, end = np.searchsorted(self.time_ns, (after_ns, until_ns), side="right")
        return FlowColumns(
            time_ns=self.time_ns[first:end],
            amount_msat=self.amount_msat[first:end],
            is_shift=self.is_shift[first:end],
            value_msat=self.value_msat[first:end],
        )


def best_share(flows: FlowColumns, *, total_msat: int, share_now: float) -> TargetOutcome:
    """Return the local share from which the least volume of `flows` would have failed.

    Ties go to today's share, or to what is nearest to it. `total_msat` is what
    both sides hold together.
    """
    starts_msat = np.append(np.rint(SHARES * total_msat), round(share_now * total_msat)).astype(np.int64)
    failing = np.zeros(len(starts_msat), np.int64)
    _kernels.failing_msat(flows.amount_msat, flows.is_shift, starts_msat, total_msat, reserve_msat(total_msat), failing)
    shares = np.append(SHARES, share_now)
    order = np.lexsort((np.abs(shares - share_now), failing))
    best = int(order[0])
    return TargetOutcome(
        share=float(shares[best]),
        failing_msat_at_best=int(failing[best]),
        failing_msat_now=int(failing[-1]),
    )


def served_value_msat(flows: FlowColumns, *, total_msat: int, local_msat: int) -> int:
    """Return what the flows that fit are worth to the node, starting from `local_msat`."""
    served = _kernels.served_msat(
        flows.amount_msat, flows.is_shift, flows.value_msat, local_msat, total_msat, reserve_msat(total_msat)
    )
    return int(served)


def reserve_msat(total_msat: int) -> int:
    """Return what a side cannot spend of a channel in which both hold `total_msat`."""
    return total_msat * RESERVE_PER_CENT // 100


def _value_msat(flow: Flow, own_payment_worth_ppm: int) -> int:
    if flow.role == "forward":
        return int(flow.fee_msat)
    if flow.role == "own" and flow.lost:
        return int(flow.amount_msat) * own_payment_worth_ppm // PPM
    return 0
