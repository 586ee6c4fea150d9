"""What became of each HTLC that a node was asked to forward: one record for each circuit.

A circuit is an HTLC on its way through a node. It is known by the channel that it
came by and its number there, which a channel never uses twice.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Msat, UnixNs


class AttemptState(IntEnum):
    """How far an attempt to forward has come."""

    IN_FLIGHT = 0
    """It went on over our channel and has not come back."""
    SETTLED = 1
    FAILED_DOWNSTREAM = 2
    """It went on, and failed at somebody else."""
    FAILED_HERE = 3
    """Our node refused it."""
    UNSEEN = 4
    """It was in flight when events were missed: nobody has seen how it ended."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more will be heard of it."""
        return self not in {AttemptState.IN_FLIGHT, AttemptState.UNSEEN}


class FailureCause(IntEnum):
    """Why our node refused an HTLC, as far as LND's codes and the channels at that moment tell."""

    NONE = 0
    LIQUIDITY = 1
    """No channel with the peer had enough to send."""
    OWN_MAX_HTLC = 2
    """Above the max_htlc that we announced, though the liquidity was there."""
    TOO_LARGE = 3
    """Above our max_htlc, and above what we could have sent."""
    SLOTS = 4
    """HTLC slots, the most that may be in flight, or the fee buffer."""
    FEE = 5
    """Less than we ask for: a sender with an old policy, or who tries. A price signal, and no lost payment."""
    FEE_SPREADING = 6
    """Less than we ask for since a short while ago: what we asked for before would have been met."""
    PEER_OFFLINE = 7
    BELOW_MINIMUM = 8
    EXPIRY = 9
    REFUSED_BY_POLICY = 10
    """The way back over the channel that it came by, or a node that forwards nothing."""
    UNCLEAR = 11
    """Refused for dust, or by an interceptor of HTLCs: LND gives both the same code."""
    UNKNOWN_CHANNEL = 12
    """Sent on to a channel that is none of ours."""
    INCOMING = 13
    """The HTLC itself could not be read."""

    @property
    def label(self) -> str:
        """The cause in words."""
        return _LABELS[self]


_LABELS = {
    FailureCause.NONE: "none",
    FailureCause.LIQUIDITY: "liquidity",
    FailureCause.OWN_MAX_HTLC: "own max_htlc",
    FailureCause.TOO_LARGE: "too large",
    FailureCause.SLOTS: "slots or fee buffer",
    FailureCause.FEE: "fee",
    FailureCause.FEE_SPREADING: "fee, policy still spreading",
    FailureCause.PEER_OFFLINE: "peer offline",
    FailureCause.BELOW_MINIMUM: "below min_htlc",
    FailureCause.EXPIRY: "expiry",
    FailureCause.REFUSED_BY_POLICY: "refused by policy",
    FailureCause.UNCLEAR: "unclear",
    FailureCause.UNKNOWN_CHANNEL: "unknown channel",
    FailureCause.INCOMING: "unreadable",
}

LIQUIDITY_CAUSES = frozenset({FailureCause.LIQUIDITY, FailureCause.TOO_LARGE, FailureCause.SLOTS})
FEE_CAUSES = frozenset({FailureCause.FEE, FailureCause.FEE_SPREADING})
EARNING_CAUSES = frozenset(
    {FailureCause.LIQUIDITY, FailureCause.OWN_MAX_HTLC, FailureCause.SLOTS, FailureCause.PEER_OFFLINE}
)
"""Those in which the sender met our price, and we did not serve: all that can be called missed.

LND looks at the fee before the balance, so a refusal for want of balance proves
that the fee was enough (`htlcswitch/link.go`, CheckHtlcForward).
"""


Key = tuple[ChannelId, int]
"""What tells circuits apart: the incoming channel, and the HTLC's number in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardAttempt:
    """One HTLC that our node was asked to forward."""

    incoming_channel_id: ChannelId
    incoming_htlc_id: int
    outgoing_channel_id: ChannelId
    outgoing_htlc_id: int
    """0 where it was never added."""
    began_ns: UnixNs
    ended_ns: UnixNs | None
    state: AttemptState
    cause: FailureCause
    incoming_amount_msat: Msat
    """0, as the next field, where the node did not tell: a circuit that began unseen."""
    outgoing_amount_msat: Msat
    outgoing_spendable_msat: Msat | None = None
    """What the peer's channels together could have sent at that moment; None where nobody looked."""
    incoming_spendable_msat: Msat | None = None
    """What could still have come by the incoming channel at that moment."""
    remaining_blocks: int | None = None
    """From the height at that moment to the end of its time lock behind us: the more, the more hops are to come."""
    payment: int = 0
    """Number of the payment that it is taken for a part or a try of; 0: of none."""

    @property
    def key(self) -> Key:
        """What tells circuits apart."""
        return self.incoming_channel_id, self.incoming_htlc_id

    @property
    def fee_msat(self) -> Msat:
        """What it offered us."""
        return Msat(self.incoming_amount_msat - self.outgoing_amount_msat)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedPayment:
    """Attempts that are taken for one payment: by the same pair of peers, close in time, of equal or halved amount.

    HTLC events carry no payment hash, so this is an estimate.
    """

    number: int
    incoming_channel_id: ChannelId
    outgoing_channel_id: ChannelId
    """Of its first attempt."""
    began_ns: UnixNs
    latest_ns: UnixNs
    attempts: int
    amount_msat: Msat
    """The most that was on its way at once, at our outgoing side."""
    fee_msat: Msat
    """What that offered us."""
    settled_msat: Msat
    settled_fee_msat: Msat
    state: AttemptState
    """SETTLED as soon as a part did; else the best that any attempt reached."""
    cause: FailureCause
    """Of the first refusal at our node; NONE where there was none."""
    refused_here: int
    failed_downstream: int
    outgoing_spendable_msat: Msat | None
    """At the first refusal, as the next field."""
    incoming_spendable_msat: Msat | None
    remaining_blocks: int | None
    """Of its first attempt."""
    elsewhere_fee_msat: Msat
    """What we earned with the same amount at the same time over another peer: a retry that came by us again."""
    probing: bool
    """Whether it looks like a search for balances: amounts that go up and down, and nothing settles."""
    closed: bool
    """Whether no attempt is expected any more."""


@dataclass(slots=True)
class AttemptChanges:
    """What counting has changed since it was last asked: the newest form of each record."""

    attempts: dict[Key, ForwardAttempt] = field(default_factory=dict)
    payments: dict[int, EstimatedPayment] = field(default_factory=dict)
    ended: list[ForwardAttempt] = field(default_factory=list)
    """Attempts that became final, each once, for sums."""
    closed: list[EstimatedPayment] = field(default_factory=list)
    """The same of payments."""
