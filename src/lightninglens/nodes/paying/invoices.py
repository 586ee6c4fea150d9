"""Invoices of simulated nodes, and what may be done with them.

One book for all nodes of a network: who pays an invoice may be another of them,
and must find out from the payment's hash what its receiver will say.
"""

import hashlib
from dataclasses import dataclass, field, replace
from enum import IntEnum

from lightninglens.core.bolt11 import DEFAULT_FEATURES, Feature, Invoice, Network, RouteHop, sign
from lightninglens.core.errors import NodeRefused
from lightninglens.core.units import NS_PER_SECOND, Blocks, Msat

DEFAULT_EXPIRY_S = 86_400
DEFAULT_CLTV_BLOCKS = Blocks(80)
MAX_CLTV_BLOCKS = 2_016
MAX_EXPIRY_S = 31_536_000
MAX_MEMO_BYTES = 639
MAX_INVOICE_MSAT = 2_100_000_000_000_000_000

KEYSEND_FEATURES = frozenset({Feature.VAR_ONION.optional, Feature.PAYMENT_SECRET.optional, Feature.BASIC_MPP.optional})


_LEAST_FINAL_BLOCKS = 18


class InvoiceState(IntEnum):
    """LND's states of an invoice, by its numbers."""

    OPEN = 0
    SETTLED = 1
    CANCELED = 2
    ACCEPTED = 3


@dataclass(slots=True, kw_only=True)
class ReceivedPart:
    """An HTLC that arrived for an invoice; amounts in msat."""

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
    """An invoice and what has become of it; times, in ns, are those that its node shows."""

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
    """The invoices of all nodes, by payment hash, and of each node in the order in which they were added."""

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
        """Take in an invoice and number it; raises NodeRefused when there is one of its hash."""
        if invoice.payment_hash in self._by_hash:
            raise NodeRefused("invoice with payment hash already exists")
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


def reason_to_refuse(invoice: InvoiceRecord) -> str:
    """Return why LND would not make an invoice, or an empty text (`lnrpc/invoicesrpc/addinvoice.go`)."""
    memo_bytes, cltv = len(invoice.memo.encode()), invoice.cltv_blocks
    problems = (
        (memo_bytes > MAX_MEMO_BYTES, f"memo too large: {memo_bytes} bytes (maxsize={MAX_MEMO_BYTES})"),
        (
            len(invoice.description_hash) not in (0, 32),
            f"description hash is {len(invoice.description_hash)} bytes, must be 32",
        ),
        (invoice.expiry_s < 0, "expiry of invoice must be positive"),
        (
            invoice.expiry_s > MAX_EXPIRY_S,
            f"expiry of {invoice.expiry_s} seconds greater than max expiry of {MAX_EXPIRY_S} seconds",
        ),
        (cltv > MAX_CLTV_BLOCKS, f"CLTV delta of {cltv} is too large, max accepted is: {MAX_CLTV_BLOCKS}"),
        (cltv < _LEAST_FINAL_BLOCKS, f"CLTV delta of {cltv} must be greater than minimum of {_LEAST_FINAL_BLOCKS}"),
        (
            invoice.value_msat > MAX_INVOICE_MSAT,
            f"invoice amount {invoice.value_msat} mSAT is more than all bitcoin there will be",
        ),
    )
    return next((text for wrong, text in problems if wrong), "")


def hash_of(preimage: bytes) -> bytes:
    """Return the payment hash of a preimage."""
    return hashlib.sha256(preimage).digest()
