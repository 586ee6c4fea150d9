"""Whole invoices: round trips, mutations, and what is refused."""

import hashlib
from dataclasses import replace
from typing import Any

import coincurve
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightninglens.core.bolt11 import Fallback, Invoice, InvoiceError, Network, RouteHop, bech32, decode, sign, text
from lightninglens.core.bolt11.bech32 import Checksum
from lightninglens.core.bolt11.invoice import MAX_FIELD_BYTES, MAX_NUMBER, MAX_TIMESTAMP_S
from lightninglens.core.ids import ChannelId, NodeId, derive_node_id, derive_secret
from lightninglens.core.units import MAX_MONEY_MSAT, MAX_UINT32, NS_PER_SECOND, Blocks, Msat, Ppm

SECRET, PAYEE = derive_secret(1, "alice"), derive_node_id(1, "alice")
HOP = RouteHop(
    node=derive_node_id(1, "bob"),
    channel=ChannelId.of(800_000, 1, 0),
    fee_base_msat=Msat(1_000),
    fee_rate_ppm=Ppm(100),
    time_lock_delta_blocks=Blocks(40),
)
COFFEE = Invoice(
    network=Network.REGTEST,
    timestamp_s=1_800_000_000,
    payment_hash=hashlib.sha256(b"preimage").digest(),
    payment_secret=bytes(range(32)),
    amount_msat=Msat(250_000),
    description="coffee",
)
DEEP = settings(max_examples=200)


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    hashed = draw(st.booleans())
    hop = st.builds(
        RouteHop,
        node=st.sampled_from([derive_node_id(seed, "hop") for seed in range(4)]),
        channel=st.integers(0, 2**64 - 1).map(ChannelId),
        fee_base_msat=st.integers(0, MAX_UINT32).map(Msat),
        fee_rate_ppm=st.integers(0, MAX_UINT32).map(Ppm),
        time_lock_delta_blocks=st.integers(0, 2**16 - 1).map(Blocks),
    )
    fallback = st.one_of(
        st.builds(Fallback, st.sampled_from([0, 17, 18]), st.binary(min_size=20, max_size=20)),
        st.builds(Fallback, st.integers(1, 16), st.binary(min_size=2, max_size=40)),
    )
    return Invoice(
        network=draw(st.sampled_from(Network)),
        timestamp_s=draw(st.integers(0, MAX_TIMESTAMP_S)),
        payment_hash=draw(st.binary(min_size=32, max_size=32)),
        payment_secret=draw(st.binary(min_size=32, max_size=32)),
        amount_msat=draw(st.none() | st.integers(1, MAX_MONEY_MSAT).map(Msat)),
        description=None if hashed else draw(st.text(max_size=150)),
        description_hash=draw(st.binary(min_size=32, max_size=32)) if hashed else None,
        expiry_s=draw(st.integers(0, MAX_NUMBER)),
        final_cltv_blocks=Blocks(draw(st.integers(0, MAX_NUMBER))),
        features=draw(st.frozensets(st.integers(0, 2_000).map(lambda number: 2 * number + 1), max_size=5)) | {14},
        route_hints=tuple(draw(st.lists(st.lists(hop, min_size=1, max_size=3).map(tuple), max_size=2))),
        fallbacks=tuple(draw(st.lists(fallback, max_size=2))),
        metadata=draw(st.none() | st.binary(max_size=100)),
    )


def signed(*fields: tuple[str, list[int]], invoice: Invoice = COFFEE, without: str = "") -> str:
    """Return an invoice with these fields in place of or beside its own."""
    own = [field for field in text._fields_of(invoice) if field[0] not in {*without, *(tag for tag, _ in fields)}]
    return text._sign_fields(invoice, [*own, *fields], SECRET)


def resealed(invoice: str, place: int, word: int) -> str:
    """Return the invoice with one word changed and the checksum made right again."""
    prefix, words, _ = bech32.decode(invoice)
    words[place] = word
    return bech32.encode(prefix, words)


@DEEP
@given(invoices(), st.integers(0, 20), st.booleans())
def test_what_was_signed_is_read(invoice: Invoice, seed: int, name_payee: bool) -> None:
    made = sign(invoice, derive_secret(seed, "payee"), name_payee=name_payee)
    assert decode(made.text) == made
    assert decode(made.text.upper()) == made
    assert made.payee == derive_node_id(seed, "payee")


def test_signing_is_repeatable() -> None:
    assert sign(COFFEE, SECRET) == sign(COFFEE, SECRET)
    assert sign(COFFEE, SECRET).text.startswith("lnbcrt2500n1")


@pytest.mark.parametrize("name_payee", [False, True])
def test_any_changed_character_is_refused(name_payee: bool) -> None:
    invoice = sign(COFFEE, SECRET, name_payee=name_payee).text
    for place, letter in enumerate(invoice):
        for other in ("q", "l", "1", "b", "Q", " ", "é"):
            if other != letter:
                with pytest.raises(InvoiceError):
                    decode(invoice[:place] + other + invoice[place + 1 :])


@DEEP
@given(st.integers(0, 31), st.data())
def test_a_changed_word_under_a_right_checksum_is_refused_or_of_another_payee(word: int, data: st.DataObject) -> None:
    invoice = sign(replace(COFFEE, route_hints=((HOP,),), fallbacks=(Fallback(1, bytes(32)),)), SECRET).text
    place = data.draw(st.integers(0, len(bech32.decode(invoice)[1]) - 1))
    changed = resealed(invoice, place, word)
    if changed == invoice:
        return
    try:
        found = decode(changed)
    except InvoiceError:
        return
    assert found.payee != PAYEE


@DEEP
@given(st.integers(0, 31), st.data())
def test_under_a_named_payee_a_changed_word_is_always_refused(word: int, data: st.DataObject) -> None:
    invoice = sign(COFFEE, SECRET, name_payee=True).text
    place = data.draw(st.integers(0, len(bech32.decode(invoice)[1]) - 1))
    changed = resealed(invoice, place, word)
    try:
        found = decode(changed)
    except InvoiceError:
        return
    # A recovery id that is not used, or a field that lost its kind and with it the payee's name.
    assert found.payee != PAYEE or replace(found, text=invoice) == decode(invoice)


@given(st.text(max_size=300))
def test_no_text_whatever_is_a_surprise(noise: str) -> None:
    for sent in (noise, f"lnbc1{noise}", f"lnbcrt2500n1{noise}"):
        with pytest.raises(InvoiceError):
            decode(sent)


@DEEP
@given(st.lists(st.integers(0, 31), max_size=400))
def test_no_data_whatever_is_a_surprise(words: list[int]) -> None:
    with pytest.raises(InvoiceError):
        decode(bech32.encode("lnbcrt", words))


@pytest.mark.parametrize(
    ("invoice", "problem"),
    [
        ("x" * 7_090, "it has 7090 characters, and an invoice has at most 7089"),
        (bech32.encode("bc", [0] * 200), "does not begin with ln"),
        (bech32.encode("lnxx", [0] * 200), "a network that is not known: .* lnbc, lntb, lntbs, lnbcrt, lnsb"),
        (bech32.encode("lnbc", [0] * 200, Checksum.BECH32M), "its checksum is of bech32m"),
        (bech32.encode("lnbc", [0] * 110), "too short: 110 characters"),
        (signed(("p", [0] * 51)), "it has no payment hash"),
        (signed(without="p"), "it has no payment hash"),
        (signed(without="d"), "neither a description nor a hash of one"),
        (signed(("h", [0] * 52)), "a description and a hash of one"),
        (signed(("d", bech32.to_words(b"\xff"))), r"its description \(field d\) is not text in UTF-8"),
        (signed(("d", [1])), "field d cannot be read: the bits after the last whole byte"),
        (signed(("p", [*[0] * 51, 1])), "field p cannot be read"),
        (signed(("x", [0, 1])), "field x is longer than it needs to be"),
        (signed(("c", [0])), "field c is longer than it needs to be"),
        (signed(("9", [0, 8, 8])), "field 9 is longer than it needs to be"),
        (signed(("x", [31] * 13)), "the number in field x is greater than"),
        (signed(("c", bech32.words_of(2**63))), "the number in field c is greater than"),
        (signed(("r", [])), "a route hint has 0 bytes, and each of its hops needs 51"),
        (signed(("r", bech32.to_words(bytes(52)))), "a route hint has 52 bytes"),
        (signed(("r", bech32.to_words(bytes(51)))), "a node in a route hint is no public key"),
        (signed(("f", [])), "a fallback address is empty"),
        (signed(("f", [17, 1])), "field f cannot be read: the bits after"),
        (signed(("f", [17, *bech32.to_words(bytes(19))])), "version 17 with 19 bytes does not exist"),
        (signed(("n", bech32.to_words(b"\x05" * 33))), r"the payee \(field n\) is no public key"),
        (
            signed(("n", bech32.to_words(bytes.fromhex(HOP.node)))),
            r"its signature is not of the payee that it names \(field n\)",
        ),
        (signed(without="s"), "it has no payment secret"),
        (signed(("9", bech32.words_of(1 << 100 | 1 << 30))), "must not be paid: 30, 100"),
    ],
)
def test_what_is_wrong_with_an_invoice_is_said(invoice: str, problem: str) -> None:
    with pytest.raises(InvoiceError, match=problem):
        decode(invoice)


def test_a_broken_off_field_is_said() -> None:
    with pytest.raises(InvoiceError, match="its last field is broken off"):
        decode(bech32.encode("lnbc", [0] * (7 + 2 + 104)))
    with pytest.raises(InvoiceError, match="field p is announced with 33 characters, and 1 are left"):
        decode(bech32.encode("lnbc", [*[0] * 7, 1, 1, 1, 0, *[0] * 104]))


@pytest.mark.parametrize("recovery_id", [4, 27, 255])
def test_a_recovery_id_above_three_is_refused(recovery_id: int) -> None:
    prefix, words, _ = bech32.decode(sign(COFFEE, SECRET).text)
    signature = bech32.to_bytes(words[-104:])[:64] + bytes([recovery_id])
    with pytest.raises(InvoiceError, match=f"has the recovery id {recovery_id}, and must have one from 0 to 3"):
        decode(bech32.encode(prefix, [*words[:-104], *bech32.to_words(signature)]))


def test_a_signature_of_zeros_is_of_nobody() -> None:
    for name_payee, problem in ((False, "no public key can be recovered"), (True, "is not of the payee")):
        prefix, words, _ = bech32.decode(sign(COFFEE, SECRET, name_payee=name_payee).text)
        with pytest.raises(InvoiceError, match=problem):
            decode(bech32.encode(prefix, [*words[:-104], *[0] * 104]))


def test_unknown_fields_and_later_copies_are_skipped() -> None:
    own = list(text._fields_of(COFFEE))
    more = [("q", [1, 2, 3]), ("d", bech32.to_words(b"tea")), ("f", [19, 1]), ("s", [0] * 51), ("n", [0] * 52)]
    found = decode(text._sign_fields(COFFEE, [*own, *more], SECRET))
    assert (found.description, found.fallbacks, found.payee) == ("coffee", (), PAYEE)


def test_what_is_not_said_has_no_field() -> None:
    assert "".join(tag for tag, _ in text._fields_of(COFFEE)) == "pds9"
    silent = replace(COFFEE, payment_secret=None, features=frozenset())
    assert "".join(tag for tag, _ in text._fields_of(silent)) == "pd"


def test_without_fields_the_defaults_hold() -> None:
    found = decode(sign(replace(COFFEE, amount_msat=None), SECRET).text)
    assert (found.amount_msat, found.expiry_s, found.final_cltv_blocks) == (None, 3_600, 18)
    assert found.allows_parts
    assert not replace(found, features=frozenset({8, 14})).allows_parts


def test_it_expires() -> None:
    assert COFFEE.expires_s == 1_800_003_600
    assert not COFFEE.is_expired(1_800_003_600 * NS_PER_SECOND)
    assert COFFEE.is_expired(1_800_003_600 * NS_PER_SECOND + 1)


def test_no_text_of_an_invoice_object_shows_its_secret() -> None:
    made = sign(COFFEE, SECRET)
    for shown in (repr(made), str(made), repr(COFFEE)):
        assert "coffee" in shown
        assert made.text not in shown
        assert repr(COFFEE.payment_secret)[2:12] not in shown


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"payment_hash": b""}, "payment_hash has 0 bytes, and must have 32"),
        ({"payment_secret": bytes(31)}, "payment_secret has 31 bytes"),
        ({"description": None, "description_hash": bytes(33)}, "description_hash has 33 bytes"),
        ({"description": None}, "neither a description nor a hash"),
        ({"description_hash": bytes(32)}, "a description and a hash of one"),
        ({"description": "é" * 320}, "description has 640 bytes, and must have at most 639"),
        ({"metadata": bytes(MAX_FIELD_BYTES + 1)}, "metadata has 640 bytes"),
        ({"timestamp_s": -1}, "timestamp_s is -1"),
        ({"timestamp_s": MAX_TIMESTAMP_S + 1}, "timestamp_s is"),
        ({"expiry_s": MAX_NUMBER + 1}, "expiry_s is"),
        ({"final_cltv_blocks": -1}, "final_cltv_blocks is -1"),
        ({"features": frozenset({5_115})}, "feature bit 5115 is outside 0 to 5114"),
        ({"amount_msat": 0}, "amount 0 msat is outside"),
        ({"route_hints": ((),)}, "a route hint has 0 hops, and must have from 1 to 12"),
        ({"route_hints": ((HOP,) * 13,)}, "a route hint has 13 hops"),
    ],
)
def test_what_an_invoice_cannot_say_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvoiceError, match=problem):
        replace(COFFEE, **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"node": NodeId("02" + "00" * 32)}, "is no public key"),
        ({"node": NodeId("x")}, "is no public key"),
        ({"fee_base_msat": 2**32}, "fee_base_msat is 4294967296"),
        ({"fee_rate_ppm": -1}, "fee_rate_ppm is -1"),
        ({"time_lock_delta_blocks": 2**16}, "time_lock_delta_blocks is 65536"),
    ],
)
def test_what_a_route_hint_cannot_say_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvoiceError, match=problem):
        replace(HOP, **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"payment_secret": None}, "it has no payment secret"),
        ({"features": frozenset({100})}, "must not be paid: 100"),
        ({"route_hints": ((HOP,) * 12,) * 8}, r"it would have \d+ characters, and an invoice has at most 7089"),
        ({"fallbacks": (Fallback(17, bytes(20)),) * 200}, "it would have"),
    ],
)
def test_what_could_not_be_paid_is_not_signed(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvoiceError, match=problem):
        sign(replace(COFFEE, **changes), SECRET)


def test_a_field_that_is_too_long_is_not_written() -> None:
    with pytest.raises(InvoiceError, match="field q is too long: 1024 characters, and 1023 fit"):
        signed(("q", [0] * 1_024))


def test_what_is_no_secret_key_signs_nothing() -> None:
    with pytest.raises(ValueError, match="ecret"):
        sign(COFFEE, bytes(32))
    assert coincurve.PrivateKey(SECRET).public_key.format().hex() == PAYEE
