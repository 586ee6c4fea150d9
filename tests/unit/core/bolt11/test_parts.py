"""The parts of an invoice: bech32, amounts, features and fallback addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightninglens.core.bolt11 import DEFAULT_FEATURES, Fallback, Feature, InvoiceError, Network, bech32, features
from lightninglens.core.bolt11.amount import read_amount, write_amount
from lightninglens.core.bolt11.bech32 import Checksum
from lightninglens.core.units import MAX_MONEY_MSAT, Msat

WORDS = st.lists(st.integers(0, 31), max_size=200)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), WORDS, st.sampled_from(Checksum))
def test_bech32_is_read_as_it_was_written(prefix: str, words: list[int], checksum: Checksum) -> None:
    prefix = prefix.lower()
    text = bech32.encode(prefix, words, checksum)
    assert bech32.decode(text) == (prefix, words, checksum)
    assert bech32.decode(text.upper()) == (prefix, words, checksum)


@given(WORDS, st.data())
def test_up_to_four_changed_characters_are_noticed(words: list[int], data: st.DataObject) -> None:
    text = bech32.encode("lnbc", words[:70])  # the checksum promises this up to 89 characters
    places = data.draw(st.sets(st.integers(5, len(text) - 1), min_size=1, max_size=4))
    changed = list(text)
    for place in places:
        changed[place] = data.draw(st.sampled_from([letter for letter in bech32.ALPHABET if letter != text[place]]))
    with pytest.raises(InvoiceError, match="its checksum is wrong"):
        bech32.decode("".join(changed))


@pytest.mark.parametrize("text", ["A12UEL5L", "?1ezyfcl", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"])
def test_valid_bech32_of_its_specification(text: str) -> None:
    assert bech32.decode(text)[2] is Checksum.BECH32


@pytest.mark.parametrize("text", ["A1LQFN3A", "a1lqfn3a", "?1v759aa"])
def test_valid_bech32m_of_its_specification(text: str) -> None:
    assert bech32.decode(text)[2] is Checksum.BECH32M


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ln bc1qqqqqq", "character 3 is not allowed"),
        ("lnbcä1qqqqqq", "character 5 is not allowed"),
        ("pzry9x0s0muk", "it has no prefix"),
        ("1pzry9x0s0muk", "it has no prefix"),
        ("li1dgmt3", "too short: 5 characters follow"),
        ("de1lg7wt\x7f", "character 9 is not allowed"),
        ("x1b4n0q5v", "character 3 is no bech32 character"),
        ("A1G7SGD8", "its checksum is wrong"),
        ("A12uEL5L", "mixes upper and lower case"),
        ("", "it has no prefix"),
    ],
)
def test_malformed_bech32_is_refused_in_words(text: str, problem: str) -> None:
    with pytest.raises(InvoiceError, match=problem):
        bech32.decode(text)


@given(st.binary(max_size=100))
def test_bytes_come_back_from_words(data: bytes) -> None:
    words = bech32.to_words(data)
    assert bech32.to_bytes(words) == data
    assert bech32.padded_bytes(words).rstrip(b"\0") == data.rstrip(b"\0")


@pytest.mark.parametrize("words", [[1], [0], [0, 1], [0] * 9, [0, 0, 0, 1]])
def test_words_that_bytes_do_not_fill_are_refused(words: list[int]) -> None:
    with pytest.raises(ValueError, match="the bits after the last whole byte"):
        bech32.to_bytes(words)


@given(st.integers(0, 2**70))
def test_a_number_comes_back_from_the_fewest_words(number: int) -> None:
    words = bech32.words_of(number)
    assert bech32.number_of(words) == number
    assert words[:1] != [0]


@pytest.mark.parametrize(
    ("text", "amount_msat"),
    [
        ("1", 100_000_000_000),
        ("20m", 2_000_000_000),
        ("2500u", 250_000_000),
        ("1n", 100),
        ("10p", 1),
        ("9678785340p", 967_878_534),
        ("21000000", MAX_MONEY_MSAT),
    ],
)
def test_an_amount_is_read_and_written_as_short_as_can_be(text: str, amount_msat: int) -> None:
    assert read_amount(text) == amount_msat
    assert write_amount(amount_msat) == text


@given(st.integers(1, MAX_MONEY_MSAT))
def test_every_amount_comes_back_to_the_msat(amount_msat: int) -> None:
    assert read_amount(write_amount(amount_msat)) == amount_msat


@pytest.mark.parametrize("text", ["1000m", "1000000000n", "10000000000p"])
def test_a_longer_text_than_need_be_is_read(text: str) -> None:
    assert write_amount(read_amount(text)) in {"1", "10m"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0", "is not a number without leading zeros"),
        ("01u", "is not a number without leading zeros"),
        ("m", "is not a number"),
        ("5x", "is not a number"),
        ("5mm", "is not a number"),
        ("-1u", "is not a number"),
        ("1.5m", "is not a number"),
        ("٣u", "is not a number"),
        ("9" * 5_000, "is not a number"),
        ("1p", "is not a whole number of msat"),
        ("15p", "is not a whole number of msat"),
        ("21000001", "which is all bitcoin"),
        ("9" * 20, "which is all bitcoin"),
        ("9" * 21, "is not a number"),
    ],
)
def test_another_amount_is_refused_in_words(text: str, problem: str) -> None:
    with pytest.raises(InvoiceError, match=problem) as caught:
        read_amount(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("amount_msat", [0, -1, MAX_MONEY_MSAT + 1, 2**63])
def test_an_amount_that_nobody_can_pay_is_not_written(amount_msat: int) -> None:
    with pytest.raises(InvoiceError, match="is outside 1 to"):
        write_amount(Msat(amount_msat))


@given(st.frozensets(st.integers(0, features.MAX_BIT), max_size=10))
def test_features_come_back(bits: frozenset[int]) -> None:
    assert features.from_words(features.to_words(bits)) == bits


def test_lnds_features_are_known() -> None:
    assert {8, 14, 17} == DEFAULT_FEATURES
    assert features.has(DEFAULT_FEATURES, Feature.BASIC_MPP)
    assert not features.has(DEFAULT_FEATURES, Feature.PAYMENT_METADATA)
    assert features.unknown_required(DEFAULT_FEATURES) == []
    assert features.unknown_required({101, 100, 48, 16, 30}) == [30, 100]


ADDRESSES = [
    ("1RustyRX2oai4EYYDpQGWvEL62BBGqN9T", Network.MAINNET, 17),
    ("3EktnHQD7RiAE6uzMj2ZifT9YgRrkSgzQX", Network.MAINNET, 18),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Network.MAINNET, 0),
    ("bc1pptdvg0d2nj99568qn6ssdy4cygnwuxgw2ukmnwgwz7jpqjz2kszse2s3lm", Network.MAINNET, 1),
    ("mk2QpYatsKicvFVuTAQLBryyccRXMUaGHP", Network.TESTNET, 17),
    ("tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7", Network.SIGNET, 0),
    ("1111111111111111111114oLvT2", Network.MAINNET, 17),
]


@pytest.mark.parametrize(("address", "network", "version"), ADDRESSES)
def test_an_address_is_read_and_written(address: str, network: Network, version: int) -> None:
    fallback = Fallback.of_address(address, network)
    assert fallback.version == version
    assert fallback.address(network) == address
    assert Fallback.from_words(fallback.to_words()) == fallback


def test_the_same_hash_has_another_address_on_each_network() -> None:
    hashes = [Fallback(17, bytes(20)), Fallback(18, bytes(20)), Fallback(0, bytes(20))]
    for fallback in hashes:
        found = {fallback.address(network) for network in Network}
        assert len(found) == 4 - (fallback.version != 0)  # signet shares testnet's, regtest their base58
        for network in Network:
            assert Fallback.of_address(fallback.address(network), network) == fallback


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("mk2QpYatsKicvFVuTAQLBryyccRXMUaGHP", "is not an address of mainnet"),
        ("1RustyRX2oai4EYYDpQGWvEL62BBGqN9U", "its checksum is wrong"),
        ("0", "a character that base58 does not have"),
        ("", "its checksum is wrong"),
        ("1" * 91, "an address has at most 90 characters, not 91"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "its checksum is wrong"),
        (bech32.encode("bc", [1, *bech32.to_words(bytes(32))]), "is not an address of mainnet"),
        (bech32.encode("bc", [0, *bech32.to_words(bytes(20))], Checksum.BECH32M), "is not an address of mainnet"),
        (bech32.encode("bc1x", [0, *bech32.to_words(bytes(20))]), "is not an address of mainnet"),
        (bech32.encode("bc", []), "is not an address of mainnet"),
        (bech32.encode("bc", [17, *bech32.to_words(bytes(20))], Checksum.BECH32M), "a witness version above 16"),
        (bech32.encode("bc", [0, 1]), "is no address: the bits after"),
        (bech32.encode("bc", [0, *bech32.to_words(bytes(21))]), "version 0 with 21 bytes does not exist"),
    ],
)
def test_what_is_no_address_is_refused_in_words(address: str, problem: str) -> None:
    with pytest.raises(InvoiceError, match=problem):
        Fallback.of_address(address, Network.MAINNET)


@pytest.mark.parametrize(("version", "length"), [(17, 19), (18, 32), (0, 21), (1, 1), (16, 41), (19, 20), (-1, 20)])
def test_a_fallback_that_no_address_says_does_not_exist(version: int, length: int) -> None:
    with pytest.raises(InvoiceError, match="does not exist"):
        Fallback(version, bytes(length))
