"""Invoices of served nodes, and what may be done with them.

One book for all served nodes of a network: who pays an invoice may be another
served node, and must find out from the payment's hash what its receiver will say.
"""

import hashlib
from dataclasses import dataclass, field, replace
from enum import IntEnum

from lightninglens.core.bolt11 import DEFAULT_FEATURES, Feature, Invoice, Network, RouteHop, sign
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND, Blocks, Msat
from lightninglens.nodes.lnd.server.refusals import Refusal

DEFAULT_EXPIRY_S = 86_400
DEFAULT_CLTV_BLOCKS = Blocks(80)
MAX_CLTV_BLOCKS = 2_016
MAX_MEMO_BYTES = 639
MAX_INVOICE_MSAT = 2_100_000_000_000_000_000

KEYSEND_FEATURES = frozenset({Feature.VAR_ONION.optional, Feature.PAYMENT_SECRET.optional, Feature.BASIC_MPP.optional})


class InvoiceState(IntEnum):
    """LND's states of an invoice, by its numbers."""

    OPEN = 0
    SETTLED = 1
    CANCELED = 2
    ACCEPTED = 3


@dataclass(slots=True, kw_only=True)
class ReceivedPart:
    """An HTLC that arrived for an invoice; amounts in msat, times real."""

    channel_id: int
    htlc_id: int
    amount_msat: int
    accepted_ns: int
    accept_height: int
    expiry_height: int
    resolved_ns: int = 0
    total_msat: int = 0
    custom_records: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class InvoiceRecord:
    """An invoice and what has become of it; times are real, in ns."""

    node: int
    """Row of the receiver."""
    payment_hash: bytes
    payment_address: bytes = field(repr=False)
    preimage: bytes | None = field(repr=False)
    """None: a hold invoice whose preimage nobody has told yet."""
    value_msat: int
    created_ns: int
    memo: str = ""
    description_hash: bytes = b""
    fallback: str = ""
    expiry_s: int = DEFAULT_EXPIRY_S
    cltv_blocks: int = DEFAULT_CLTV_BLOCKS
    is_private: bool = False
    is_keysend: bool = False
    is_hold: bool = False
    hints: tuple[tuple[RouteHop, ...], ...] = ()
    add_index: int = 0
    settle_index: int = 0
    state: InvoiceState = InvoiceState.OPEN
    settled_ns: int = 0
    paid_msat: int = 0
    parts: list[ReceivedPart] = field(default_factory=list)
    payment_id: int | None = None
    """The engine's payment that is under way to it."""
    text: str | None = field(default=None, repr=False)
    """Signed when it is first asked for."""

    @property
    def expires_ns(self) -> int:
        """When it can no longer be paid."""
        return self.created_ns // NS_PER_SECOND * NS_PER_SECOND + self.expiry_s * NS_PER_SECOND

    def is_payable(self, now_ns: int) -> bool:
        """Whether a payment that comes now would be accepted."""
        return self.state is InvoiceState.OPEN and (self.is_keysend or now_ns <= self.expires_ns)

    def signed(self, secret: bytes) -> str:
        """Return the payment request; a keysend payment has none."""
        if self.is_keysend:
            return ""
        if self.text is None:
            self.text = sign(self._invoice(), secret).text
        return self.text

    def _invoice(self) -> Invoice:
        return Invoice(
            network=Network.REGTEST,
            timestamp_s=self.created_ns // NS_PER_SECOND,
            payment_hash=self.payment_hash,
            payment_secret=self.payment_address,
            amount_msat=Msat(self.value_msat) if self.value_msat else None,
            description=None if self.description_hash else self.memo,
            description_hash=self.description_hash or None,
            expiry_s=self.expiry_s,
            final_cltv_blocks=Blocks(self.cltv_blocks),
            features=DEFAULT_FEATURES,
            route_hints=self.hints,
        )


class InvoiceBook:
    """The invoices of all served nodes, by payment hash, and of each node in the order in which they were added."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, InvoiceRecord] = {}
        self._of_node: dict[int, list[InvoiceRecord]] = {}
        self._settled: dict[int, list[InvoiceRecord]] = {}

    def find(self, payment_hash: bytes, node: int | None = None) -> InvoiceRecord | None:
        """Return the invoice of a hash, if it is the node's where one is named."""
        found = self._by_hash.get(payment_hash)
        return found if found is None or node in (None, found.node) else None

    def of_node(self, node: int) -> list[InvoiceRecord]:
        """Return a node's invoices; the one with add index n is at place n - 1."""
        return self._of_node.setdefault(node, [])

    def settled_of_node(self, node: int) -> list[InvoiceRecord]:
        """Return a node's settled invoices; the one with settle index n is at place n - 1."""
        return self._settled.setdefault(node, [])

    def add(self, invoice: InvoiceRecord) -> InvoiceRecord:
        """Take in an invoice and number it; raises Refusal when there is one of its hash."""
        if invoice.payment_hash in self._by_hash:
            raise Refusal("invoice with payment hash already exists")
        mine = self.of_node(invoice.node)
        invoice.add_index = len(mine) + 1
        mine.append(invoice)
        self._by_hash[invoice.payment_hash] = invoice
        return invoice

    def settle(self, invoice: InvoiceRecord, parts: list[ReceivedPart], now_ns: int) -> None:
        """Note that an invoice has been paid."""
        settled = self.settled_of_node(invoice.node)
        invoice.settle_index = len(settled) + 1
        settled.append(invoice)
        invoice.state, invoice.settled_ns = InvoiceState.SETTLED, now_ns
        invoice.parts = [replace(part, resolved_ns=now_ns) for part in parts]
        invoice.paid_msat = sum(part.amount_msat for part in parts)
        invoice.payment_id = None


def hash_of(preimage: bytes) -> bytes:
    """Return the payment hash of a preimage."""
    return hashlib.sha256(preimage).digest()


def value_msat(value_sat: int, value_msat: int) -> int:
    """Return an amount given in sat or in msat; raises Refusal as LND's `UnmarshallAmt`."""
    if value_sat and value_msat:
        raise Refusal("sat and msat arguments are mutually exclusive")
    if value_sat < 0 or value_msat < 0:
        raise Refusal("amount cannot be negative")
    return value_sat * MSAT_PER_SAT if value_sat else value_msat
