"""Payments over Lightning as one who pays sees them. A payment that fails is data: it has an outcome and attempts."""

from dataclasses import dataclass, field
from enum import StrEnum

from lightninglens.core.bolt11 import SignedInvoice
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Blocks, Msat, UnixNs

HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStep:
    """One hop of a route: over this channel to this node."""

    channel_id: ChannelId
    node_id: NodeId
    amount_msat: Msat
    """What the node is to pass on (the last one: to keep)."""
    fee_msat: Msat
    """What the node keeps for passing it on."""
    expiry_height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRoute:
    """A way for one HTLC, from the payer's first channel to the payee."""

    steps: tuple[RouteStep, ...]
    total_msat: Msat
    """What leaves the payer: the amount and all fees."""
    fee_msat: Msat
    expiry_height: int

    @property
    def amount_msat(self) -> Msat:
        """What arrives."""
        return Msat(self.total_msat - self.fee_msat)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEstimate:
    """A route that the node would try, and how likely it thinks that it works."""

    route: PaymentRoute
    probability: float | None
    """None where the node does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteQuestion:
    """Where to pay what, and over which channels."""

    payee: NodeId
    amount_msat: Msat
    max_fee_msat: Msat
    outgoing_channel_ids: tuple[ChannelId, ...] = ()
    """Empty: any."""
    last_hop: NodeId | None = None
    final_cltv_blocks: Blocks = Blocks(0)
    """0: the node's own value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAttempt:
    """One HTLC that was sent for a payment, and what became of it."""

    route: PaymentRoute
    outcome: HtlcOutcome
    failure: FailureCode = FailureCode.NONE
    failure_source: int | None = None
    """Position of who failed it: 0 is ourselves, the number of steps the payee; None where nobody knows."""
    attempted_ns: UnixNs = UnixNs(0)
    resolved_ns: UnixNs = UnixNs(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentState:
    """How far a payment has come."""

    payment_hash: bytes
    outcome: HtlcOutcome
    """IN_FLIGHT until it is final."""
    amount_msat: Msat
    fee_msat: Msat
    attempts: tuple[PaymentAttempt, ...] = ()
    detail: str = ""
    preimage: bytes | None = field(default=None, repr=False)
    """The proof of payment, once there is one; it is a secret."""

    @property
    def is_final(self) -> bool:
        """Whether nothing of it can move any more."""
        return self.outcome is not HtlcOutcome.IN_FLIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRequest:
    """An invoice that one asks one's node to make."""

    amount_msat: Msat | None
    """None leaves the amount to the payer."""
    description: str = ""
    expiry_s: int = 3_600


class InvoiceState(StrEnum):
    """What has become of an invoice."""

    OPEN = "open"
    ACCEPTED = "accepted"
    """Paid, and held."""
    SETTLED = "settled"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRecord:
    """An invoice of one's own, and what was paid on it."""

    invoice: SignedInvoice
    state: InvoiceState
    paid_msat: Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOrder:
    """What to pay, and what it may cost."""

    invoice: SignedInvoice
    max_fee_msat: Msat
    amount_msat: Msat | None = None
    """Only for an invoice that leaves the amount open."""
    timeout_s: int = 60
    """After this no new attempt is made; those under way still end."""
    outgoing_channel_ids: tuple[ChannelId, ...] = ()
    last_hop: NodeId | None = None
    max_parts: int = 16
    allow_self_payment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysendOrder:
    """A payment without an invoice: the payee learns the preimage from the payment itself."""

    payee: NodeId
    amount_msat: Msat
    max_fee_msat: Msat
    timeout_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a payment that cannot be claimed taught: whether a route carries the amount."""

    reachable: bool
    """The payee itself refused it, so everything before it works."""
    attempts: tuple[PaymentAttempt, ...]
    fee_msat: Msat | None
    """Of the route that works."""
    detail: str = ""
