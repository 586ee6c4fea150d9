"""What goes into the event engine and what comes out of it: settings, payments to make, payments that ended."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.routing.state import BIMODAL, Estimator
from lightninglens.sim.answers import HOLD_EXPIRY_DELTA_BLOCKS
from lightninglens.sim.state import DEFAULT_MPP_TIMEOUT_NS, DEFAULT_RETRY_DELAY_NS, DEFAULT_TIMEOUT_NS


class PaymentKind(IntEnum):
    """What a payment is for: `PaymentRequests.kind`."""

    PAYMENT = 0
    REBALANCE = 1
    PROBE = 2
    """By a random hash: it learns how far it came, and moves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How the simulated world behaves, apart from its network and its demand."""

    seed: int = 0
    start_ns: int = 0
    start_height: int = 800_000
    commit_feerate_sat_per_kw: int = 2_500
    """LND's cap for channels with anchors: 10 sat per vbyte."""
    hop_delay_median_ms: float = 250.0
    hop_delay_sigma: float = 0.5
    """One way over one hop: the commitment dance and the network; log-normal."""
    payment_timeout_ns: int = DEFAULT_TIMEOUT_NS
    """After this no new attempt starts (LND's default for SendPaymentV2)."""
    retry_delay_ns: int = DEFAULT_RETRY_DELAY_NS
    """From a result, or from a part that was sent, to the next route."""
    mpp_timeout_ns: int = DEFAULT_MPP_TIMEOUT_NS
    """How long a receiver holds the parts of an incomplete payment."""
    gossip_delay_median_ms: float = 0.0
    """From an announcement until a sender hears of it; log-normal per sender and change; 0: all hear at once."""
    gossip_delay_sigma: float = 0.5
    node_offline_share: float = 0.0
    """How much of the time a node is offline; outages and the times between them are exponential."""
    node_offline_mean_s: float = 3_600.0
    channel_offline_share: float = 0.0
    """The same for each channel by itself, as when its ends lose each other."""
    channel_offline_mean_s: float = 300.0
    hold_expiry_delta_blocks: int = HOLD_EXPIRY_DELTA_BLOCKS
    """A receiver cancels a held set this long before its first HTLC expires."""
    estimator: Estimator = field(default_factory=Estimator)
    bimodal: Estimator = field(default_factory=lambda: Estimator(kind=BIMODAL))
    """What senders of kind LND_BIMODAL estimate with."""


_UNSPLIT = np.zeros(0, np.int32)
_SETTLED = np.zeros(0, np.int8)
_NOT_HELD = np.zeros(0, np.int64)


class PaymentRequests(NamedTuple):
    """Payments to make, as columns of equal length; nodes and directions are rows, -1 is none."""

    start_ns: NDArray[np.int64]
    sender: NDArray[np.int32]
    receiver: NDArray[np.int32]
    amount_msat: NDArray[np.int64]
    fee_limit_msat: NDArray[np.int64]
    kind: NDArray[np.int8]
    tag: NDArray[np.int32]
    outgoing: NDArray[np.int32]
    last_hop: NDArray[np.int32]
    most_parts: NDArray[np.int32] = _UNSPLIT
    """How many parts each may have in flight at once: LND's default is 16. Empty: 1 each, which is no splitting."""
    answer: NDArray[np.int8] = _SETTLED
    """What each receiver does: an `Answer`. Empty: all settle at once."""
    hold_ns: NDArray[np.int64] = _NOT_HELD
    """How long it holds the complete set, if it holds it for a time. Empty: 0 each."""

    def filled(self) -> "PaymentRequests":
        """Return the same with the defaults in place of columns that are empty."""
        count = len(self.start_ns)
        return self._replace(
            most_parts=self.most_parts if len(self.most_parts) else np.ones(count, np.int32),
            answer=self.answer if len(self.answer) else np.zeros(count, np.int8),
            hold_ns=self.hold_ns if len(self.hold_ns) else np.zeros(count, np.int64),
        )


class FinishedPayments(NamedTuple):
    """Payments that ended, as columns, in the order in which they ended."""

    payment_id: NDArray[np.int64]
    kind: NDArray[np.int8]
    tag: NDArray[np.int32]
    sender: NDArray[np.int32]
    receiver: NDArray[np.int32]
    amount_msat: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    outcome: NDArray[np.int8]
    attempts: NDArray[np.int32]
    parts: NDArray[np.int32]
    """Parts that settled: 0 when the payment failed."""
    fee_msat: NDArray[np.int64]
    hops: NDArray[np.int32]
    failure_code: NDArray[np.int16]
    failure_detail: NDArray[np.int16]
    failure_direction: NDArray[np.int32]
    sender_before_msat: NDArray[np.int64]
    """Gross balances on all the node's channels: with commitment fees and anchors, without HTLCs in flight."""
    sender_after_msat: NDArray[np.int64]
    receiver_before_msat: NDArray[np.int64]
    receiver_after_msat: NDArray[np.int64]
    first_direction: NDArray[np.int32]
    first_before_msat: NDArray[np.int64]
    first_after_msat: NDArray[np.int64]


class Harvest(NamedTuple):
    """What came out of the engine since the last harvest."""

    payments: FinishedPayments
    attempts: NDArray[np.void]
    """Rows of ATTEMPT_ROW; their routes follow one another in `routes`."""
    routes: NDArray[np.int32]
    """Directions, `hops` of them per attempt."""
    route_amounts_msat: NDArray[np.int64]
    """What was sent over each of these, with the fees of the hops after it."""
    htlc_events: NDArray[np.void]
    """Rows of HTLC_ROW, of observed nodes only."""
