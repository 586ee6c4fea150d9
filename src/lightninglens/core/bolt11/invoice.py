"""What an invoice says."""

import struct
from dataclasses import dataclass, field, fields

import coincurve

from lightninglens.core.bolt11.amount import require_amount
from lightninglens.core.bolt11.errors import InvoiceError
from lightninglens.core.bolt11.fallback import Fallback
from lightninglens.core.bolt11.features import DEFAULT_FEATURES, MAX_BIT, Feature, has
from lightninglens.core.bolt11.network import Network
from lightninglens.core.ids import ChannelId, NodeId, parse_node_id
from lightninglens.core.units import MAX_UINT32, NS_PER_SECOND, Blocks, Msat, Ppm

DEFAULT_EXPIRY_S = 3_600
DEFAULT_FINAL_CLTV_BLOCKS = Blocks(18)
MAX_INVOICE_LENGTH = 7_089
"""What fits the largest QR code; LND reads no longer ones."""
MAX_FIELD_BYTES = 1023 * 5 // 8
MAX_TIMESTAMP_S = 2**35 - 1
MAX_NUMBER = 2**63 - 1
"""The greatest expiry and time lock delta: what the int64 of LND's answers can hold."""
HOP_BYTES = 51
MAX_TIME_LOCK_DELTA_BLOCKS = 2**16 - 1

_HASH_BYTES = 32
_MAX_HOPS = MAX_FIELD_BYTES // HOP_BYTES
_HOP = struct.Struct(">33sQIIH")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteHop:
    """A channel on the way to the payee: who forwards over it, and on which terms."""

    node: NodeId
    channel: ChannelId
    fee_base_msat: Msat
    fee_rate_ppm: Ppm
    time_lock_delta_blocks: Blocks

    @classmethod
    def from_bytes(cls, data: bytes) -> "RouteHop":
        """Read one entry of the field; raises InvoiceError when its node is no point of the curve."""
        node, channel, base, rate, delta = _HOP.unpack(data)
        return cls(
            node=NodeId(node.hex()),
            channel=ChannelId(channel),
            fee_base_msat=Msat(base),
            fee_rate_ppm=Ppm(rate),
            time_lock_delta_blocks=Blocks(delta),
        )

    def to_bytes(self) -> bytes:
        """Return one entry of the field."""
        return _HOP.pack(
            bytes.fromhex(self.node), self.channel, self.fee_base_msat, self.fee_rate_ppm, self.time_lock_delta_blocks
        )

    def __post_init__(self) -> None:
        """Refuse what the field cannot hold; raises InvoiceError."""
        require_point(self.node, "a node in a route hint")
        _require_ranges(
            self, fee_base_msat=MAX_UINT32, fee_rate_ppm=MAX_UINT32, time_lock_delta_blocks=MAX_TIME_LOCK_DELTA_BLOCKS
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What a payee asks for. Needs a description or the hash of one; raises InvoiceError for what cannot be said."""

    network: Network
    timestamp_s: int
    payment_hash: bytes
    payment_secret: bytes | None = field(repr=False)
    amount_msat: Msat | None = None
    """None leaves the amount to the payer."""
    description: str | None = None
    description_hash: bytes | None = None
    expiry_s: int = DEFAULT_EXPIRY_S
    final_cltv_blocks: Blocks = DEFAULT_FINAL_CLTV_BLOCKS
    """The least time lock delta of the last HTLC, `min_final_cltv_expiry_delta`."""
    features: frozenset[int] = DEFAULT_FEATURES
    route_hints: tuple[tuple[RouteHop, ...], ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    metadata: bytes | None = None

    def __post_init__(self) -> None:
        """Check everything that does not depend on a signature."""
        if (self.description is None) == (self.description_hash is None):
            both = "neither a description nor" if self.description is None else "a description and"
            raise InvoiceError(f"it has {both} a hash of one, and must have exactly one of them")
        self._require_lengths()
        _require_ranges(
            self,
            timestamp_s=MAX_TIMESTAMP_S,
            expiry_s=MAX_NUMBER,
            final_cltv_blocks=MAX_NUMBER,
        )
        for bit in self.features:
            if not 0 <= bit <= MAX_BIT:
                raise InvoiceError(f"feature bit {bit} is outside 0 to {MAX_BIT}")
        if self.amount_msat is not None:
            require_amount(self.amount_msat)

    def _require_lengths(self) -> None:
        for name in ("payment_hash", "payment_secret", "description_hash"):
            value = getattr(self, name)
            if value is not None and len(value) != _HASH_BYTES:
                raise InvoiceError(f"{name} has {len(value)} bytes, and must have {_HASH_BYTES}")
        for name, data in (("description", (self.description or "").encode()), ("metadata", self.metadata or b"")):
            if len(data) > MAX_FIELD_BYTES:
                raise InvoiceError(f"{name} has {len(data)} bytes, and must have at most {MAX_FIELD_BYTES}")
        for hint in self.route_hints:
            if not 1 <= len(hint) <= _MAX_HOPS:
                raise InvoiceError(f"a route hint has {len(hint)} hops, and must have from 1 to {_MAX_HOPS}")

    @property
    def expires_s(self) -> int:
        """Unix time after which it must not be paid."""
        return self.timestamp_s + self.expiry_s

    def is_expired(self, now_ns: int) -> bool:
        """Tell whether it must not be paid any more."""
        return now_ns > self.expires_s * NS_PER_SECOND

    @property
    def allows_parts(self) -> bool:
        """Whether it may be paid in several parts."""
        return has(self.features, Feature.BASIC_MPP)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInvoice(Invoice):
    """An invoice with its text, and who signed it."""

    text: str = field(repr=False)
    payee: NodeId

    @classmethod
    def of(cls, invoice: Invoice, *, text: str, payee: NodeId) -> "SignedInvoice":
        """Return `invoice` with its text and payee."""
        said = {each.name: getattr(invoice, each.name) for each in fields(Invoice)}
        return cls(**said, text=text, payee=payee)


def require_point(text: str, what: str) -> NodeId:
    """Return a compressed point of the curve in hex as a node id; raises InvoiceError, saying `what` is none."""
    try:
        coincurve.PublicKey(bytes.fromhex(parse_node_id(text)))
    except ValueError:
        raise InvoiceError(f"{what} is no public key") from None
    return NodeId(text)


def _require_ranges(record: RouteHop | Invoice, **greatest: int) -> None:
    for name, most in greatest.items():
        value = getattr(record, name)
        if not 0 <= value <= most:
            raise InvoiceError(f"{name} is {value}, and must be from 0 to {most}")
