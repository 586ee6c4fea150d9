"""An invoice's text: prefix, time, tagged fields and signature, in bech32.

Source: BOLT 11. Where its text and its examples differ, the examples count: a field
of fixed length (`p`, `s`, `h`, `n`) with another length is skipped, as LND does.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import coincurve

from lightninglens.core.bolt11 import bech32, features
from lightninglens.core.bolt11.amount import read_amount, write_amount
from lightninglens.core.bolt11.bech32 import Checksum, number_of, words_of
from lightninglens.core.bolt11.errors import InvoiceError
from lightninglens.core.bolt11.fallback import Fallback
from lightninglens.core.bolt11.invoice import (
    DEFAULT_EXPIRY_S,
    DEFAULT_FINAL_CLTV_BLOCKS,
    HOP_BYTES,
    MAX_INVOICE_LENGTH,
    MAX_NUMBER,
    Invoice,
    RouteHop,
    SignedInvoice,
    require_point,
)
from lightninglens.core.bolt11.network import Network
from lightninglens.core.ids import NodeId
from lightninglens.core.units import Blocks, Msat

_PREFIX = "ln"
_TIMESTAMP_WORDS = 7
_SIGNATURE_WORDS = 104
_FIELD_HEAD_WORDS = 3
_MAX_FIELD_WORDS = 1023
_FIXED_WORDS = {"p": 52, "s": 52, "h": 52, "n": 53}
_REPEATED = "rf"
_KNOWN = "psdhnxc9mrf"
_GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

Field = tuple[str, Sequence[int]]
"""A tagged field: its letter, and its data in 5-bit words."""


@dataclass(slots=True)
class _Fields:
    """The fields of an invoice as they are read: the first of each kind, and all route hints and fallbacks."""

    single: dict[str, Sequence[int]] = field(default_factory=dict)
    route_hints: list[tuple[RouteHop, ...]] = field(default_factory=list)
    fallbacks: list[Fallback] = field(default_factory=list)

    def data(self, tag: str) -> bytes | None:
        """Return a field's bytes, or None where there is no such field."""
        return None if tag not in self.single else _bytes(tag, self.single[tag])

    def number(self, tag: str, default: int) -> int:
        """Return a field's number, or `default` where there is no such field."""
        if tag not in self.single:
            return default
        words = self.single[tag]
        _require_shortest(tag, words)
        number = number_of(words)
        if number > MAX_NUMBER:
            raise InvoiceError(f"the number in field {tag} is greater than {MAX_NUMBER}")
        return number


def decode(text: str, *, strict: bool = True) -> SignedInvoice:
    """Read an invoice and verify its signature.

    With `strict` false, one that must not be paid is read as well: without a
    payment secret, or with required features that are not known here.

    Raises:
        InvoiceError: what is wrong with it.
    """
    if len(text) > MAX_INVOICE_LENGTH:
        raise InvoiceError(f"it has {len(text)} characters, and an invoice has at most {MAX_INVOICE_LENGTH}")
    prefix, words, checksum = bech32.decode(text)
    network, amount_msat = _read_prefix(prefix)
    if checksum != Checksum.BECH32:
        raise InvoiceError("its checksum is of bech32m, which invoices do not use")
    if len(words) < _TIMESTAMP_WORDS + _SIGNATURE_WORDS:
        raise InvoiceError(f"it is too short: {len(words)} characters of data have no room for time and signature")
    signed, signature = words[:-_SIGNATURE_WORDS], bech32.to_bytes(words[-_SIGNATURE_WORDS:])
    found = _read_fields(signed[_TIMESTAMP_WORDS:])
    invoice = _invoice(found, network, amount_msat, number_of(signed[:_TIMESTAMP_WORDS]))
    payee = _payee(signature, _digest(prefix, signed), found.data("n"))
    if strict:
        _require_payable(invoice)
    return SignedInvoice.of(invoice, text=text.lower(), payee=payee)


def sign(invoice: Invoice, secret: bytes, *, name_payee: bool = False) -> SignedInvoice:
    """Return the invoice signed with a node's secret: the same text for the same invoice and secret.

    `name_payee` adds the node's key to the text (field `n`), from which it is otherwise recovered.

    Raises:
        InvoiceError: it could not be paid, or its text would be too long.
        ValueError: `secret` is not a secret key.
    """
    _require_payable(invoice)
    payee = coincurve.PrivateKey(secret).public_key.format()
    named: list[Field] = [("n", bech32.to_words(payee))] if name_payee else []
    text = _sign_fields(invoice, [*_fields_of(invoice), *named], secret)
    if len(text) > MAX_INVOICE_LENGTH:
        raise InvoiceError(f"it would have {len(text)} characters, and an invoice has at most {MAX_INVOICE_LENGTH}")
    return SignedInvoice.of(invoice, text=text, payee=NodeId(payee.hex()))


def _sign_fields(invoice: Invoice, tagged: Iterable[Field], secret: bytes) -> str:
    """Return the signed text with the fields in the order given."""
    amount = "" if invoice.amount_msat is None else write_amount(invoice.amount_msat)
    prefix = f"{_PREFIX}{invoice.network.invoice_prefix}{amount}"
    words = [invoice.timestamp_s >> 5 * (_TIMESTAMP_WORDS - 1 - place) & 31 for place in range(_TIMESTAMP_WORDS)]
    for tag, data in tagged:
        if len(data) > _MAX_FIELD_WORDS:
            raise InvoiceError(f"field {tag} is too long: {len(data)} characters, and {_MAX_FIELD_WORDS} fit")
        words += [bech32.ALPHABET.index(tag), len(data) >> 5, len(data) & 31, *data]
    signature = coincurve.PrivateKey(secret).sign_recoverable(_digest(prefix, words), hasher=None)
    return bech32.encode(prefix, [*words, *bech32.to_words(signature)])


def _fields_of(invoice: Invoice) -> Iterator[Field]:
    """Yield the fields in the order in which LND writes them."""
    yield "p", bech32.to_words(invoice.payment_hash)
    for tag, data in (
        ("d", None if invoice.description is None else invoice.description.encode()),
        ("h", invoice.description_hash),
        ("m", invoice.metadata),
    ):
        if data is not None:
            yield tag, bech32.to_words(data)
    if invoice.final_cltv_blocks != DEFAULT_FINAL_CLTV_BLOCKS:
        yield "c", words_of(invoice.final_cltv_blocks)
    if invoice.expiry_s != DEFAULT_EXPIRY_S:
        yield "x", words_of(invoice.expiry_s)
    for fallback in invoice.fallbacks:
        yield "f", fallback.to_words()
    for hint in invoice.route_hints:
        yield "r", bech32.to_words(b"".join(hop.to_bytes() for hop in hint))
    if invoice.payment_secret is not None:
        yield "s", bech32.to_words(invoice.payment_secret)
    if bits := features.to_words(invoice.features):
        yield "9", bits


def _read_prefix(prefix: str) -> tuple[Network, Msat | None]:
    if not prefix.startswith(_PREFIX):
        raise InvoiceError("it does not begin with ln, so it is no Lightning invoice")
    rest = prefix.removeprefix(_PREFIX)
    longest_first = sorted(Network, key=lambda network: -len(network.invoice_prefix))
    for network in longest_first:
        if rest.startswith(network.invoice_prefix):
            amount = rest.removeprefix(network.invoice_prefix)
            return network, read_amount(amount) if amount else None
    known = ", ".join(f"ln{network.invoice_prefix}" for network in Network)
    raise InvoiceError(f"it is for a network that is not known: it does not begin with one of {known}")


def _tagged_fields(words: Sequence[int]) -> Iterator[Field]:
    """Yield the fields in their order, known or not."""
    place = 0
    while place < len(words):
        if len(words) - place < _FIELD_HEAD_WORDS:
            raise InvoiceError("its last field is broken off")
        tag = bech32.ALPHABET[words[place]]
        length = number_of(words[place + 1 : place + _FIELD_HEAD_WORDS])
        place += _FIELD_HEAD_WORDS
        if len(words) - place < length:
            raise InvoiceError(f"field {tag} is announced with {length} characters, and {len(words) - place} are left")
        yield tag, words[place : place + length]
        place += length


def _read_fields(words: Sequence[int]) -> _Fields:
    found = _Fields()
    for tag, data in _tagged_fields(words):
        if tag not in _KNOWN or len(data) != _FIXED_WORDS.get(tag, len(data)):
            continue
        if tag == "r":
            found.route_hints.append(_route_hint(data))
        elif tag == "f":
            if fallback := _fallback(data):
                found.fallbacks.append(fallback)
        else:
            found.single.setdefault(tag, data)
    return found


def _route_hint(words: Sequence[int]) -> tuple[RouteHop, ...]:
    data = _bytes("r", words)
    if not data or len(data) % HOP_BYTES:
        raise InvoiceError(f"a route hint has {len(data)} bytes, and each of its hops needs {HOP_BYTES}")
    return tuple(RouteHop.from_bytes(data[start : start + HOP_BYTES]) for start in range(0, len(data), HOP_BYTES))


def _fallback(words: Sequence[int]) -> Fallback | None:
    try:
        return Fallback.from_words(words)
    except ValueError as problem:
        raise InvoiceError(f"field f cannot be read: {problem}") from None


def _invoice(found: _Fields, network: Network, amount_msat: Msat | None, timestamp_s: int) -> Invoice:
    payment_hash = found.data("p")
    if payment_hash is None:
        raise InvoiceError("it has no payment hash (field p)")
    try:
        description = None if (data := found.data("d")) is None else data.decode()
    except UnicodeDecodeError:
        raise InvoiceError("its description (field d) is not text in UTF-8") from None
    bits = found.single.get("9", [])
    _require_shortest("9", bits)
    return Invoice(
        network=network,
        timestamp_s=timestamp_s,
        payment_hash=payment_hash,
        payment_secret=found.data("s"),
        amount_msat=amount_msat,
        description=description,
        description_hash=found.data("h"),
        expiry_s=found.number("x", DEFAULT_EXPIRY_S),
        final_cltv_blocks=Blocks(found.number("c", DEFAULT_FINAL_CLTV_BLOCKS)),
        features=features.from_words(list(bits)),
        route_hints=tuple(found.route_hints),
        fallbacks=tuple(found.fallbacks),
        metadata=found.data("m"),
    )


def _bytes(tag: str, words: Sequence[int]) -> bytes:
    try:
        return bech32.to_bytes(words)
    except ValueError as problem:
        raise InvoiceError(f"field {tag} cannot be read: {problem}") from None


def _require_shortest(tag: str, words: Sequence[int]) -> None:
    if words and not words[0]:
        raise InvoiceError(f"field {tag} is longer than it needs to be: it begins with a zero")


def _require_payable(invoice: Invoice) -> None:
    if invoice.payment_secret is None:
        raise InvoiceError("it has no payment secret (field s), so it must not be paid")
    if unknown := features.unknown_required(invoice.features):
        listed = ", ".join(map(str, unknown))
        raise InvoiceError(f"it requires features that are not known here, so it must not be paid: {listed}")


def _digest(prefix: str, words: Sequence[int]) -> bytes:
    return hashlib.sha256(prefix.encode() + bech32.padded_bytes(words)).digest()


def _payee(signature: bytes, digest: bytes, named: bytes | None) -> NodeId:
    """Return who signed: the key that is named when it did, else the key that is recovered."""
    if signature[64] > 3:
        raise InvoiceError(f"its signature has the recovery id {signature[64]}, and must have one from 0 to 3")
    if named is not None:
        payee = require_point(named.hex(), "the payee (field n)")
        if int.from_bytes(signature[32:64]) > _GROUP_ORDER // 2:
            raise InvoiceError("its signature is not canonical (high S), as it must be where the payee is named")
        if not coincurve.PublicKey(named).verify(_der(signature), digest, hasher=None):
            raise InvoiceError("its signature is not of the payee that it names (field n)")
        return payee
    try:
        return NodeId(coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None).format().hex())
    except ValueError:
        raise InvoiceError("no public key can be recovered from its signature") from None


def _der(signature: bytes) -> bytes:
    """Return a signature of two 32-byte numbers in DER, which is what coincurve verifies."""
    parts = b""
    for number in (int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])):
        data = number.to_bytes(number.bit_length() // 8 + 1)
        parts += bytes([0x02, len(data)]) + data
    return bytes([0x30, len(parts)]) + parts
