"""Macaroons: the bytes, the chain of signatures, and what is refused in which words."""

import json
from pathlib import Path
from typing import Any

import pymacaroons
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightninglens.nodes.lnd import caveats
from lightninglens.nodes.lnd.caveats import Circumstances
from lightninglens.nodes.lnd.macaroon import (
    Caveat,
    Identity,
    Macaroon,
    MacaroonError,
    MacaroonRefused,
    authorise,
    mint,
)
from lightninglens.nodes.lnd.permissions import READONLY, Permission

RECORDED = json.loads((Path(__file__).parents[3] / "fixtures/lnd/macaroons.json").read_text())["macaroons"]
KEY, NONCE = b"root key of a test" * 2, bytes(range(16))
NOW = Circumstances(now_ns=1_800_000_000_000_000_000, peer_host="127.0.0.1")
INFO = "/lnrpc.Lightning/GetInfo"
PERMISSIONS = st.sets(
    st.builds(Permission, st.sampled_from(["info", "offchain", "uri"]), st.sampled_from(["read", "write", INFO])),
    min_size=1,
)
CONDITIONS = st.lists(st.text(min_size=1, max_size=200), max_size=5)


def readonly() -> Macaroon:
    return mint(KEY, READONLY, nonce=NONCE)


def judge(macaroon: Macaroon, path: str = INFO, *, key: bytes | None = KEY, now: Circumstances = NOW) -> Identity:
    return authorise(macaroon, path, root_key_of=lambda _root_key_id: key, circumstances=now)


def packet(kind: int, data: bytes) -> bytes:
    return bytes([kind, len(data)]) + data


HEAD = b"\x02" + packet(2, b"\x03") + b"\x00"
TAIL = packet(6, bytes(32))


@pytest.mark.parametrize("case", RECORDED)
def test_a_macaroon_that_go_baked_is_read_verified_and_baked_alike(case: dict[str, Any]) -> None:
    data, key = bytes.fromhex(case["macaroon"]), bytes.fromhex(case["root_key"])
    macaroon = Macaroon.from_bytes(data)
    identity = macaroon.identity()
    assert macaroon.is_signed_by(key)
    assert macaroon.to_bytes() == data
    assert [caveat.text for caveat in macaroon.caveats] == case["caveats"]
    assert set(map(str, identity.permissions)) == set(case["permissions"])
    assert str(identity.root_key_id) == case["root_key_id"]
    own = mint(key, identity.permissions, nonce=identity.nonce, root_key_id=identity.root_key_id)
    for condition in case["caveats"]:
        own = own.with_caveat(condition)
    assert own == macaroon


def test_pymacaroons_reads_and_verifies_ours() -> None:
    ours = readonly().with_caveat(caveats.time_before(NOW.now_ns))
    theirs = pymacaroons.serializers.BinarySerializer().deserialize_raw(ours.to_bytes())
    verifier = pymacaroons.Verifier()
    verifier.satisfy_general(lambda condition: condition.startswith("time-before "))
    assert verifier.verify(theirs, KEY)
    assert theirs.signature_bytes == ours.signature.hex().encode()


def test_ours_reads_and_verifies_what_pymacaroons_wrote() -> None:
    theirs = pymacaroons.Macaroon(
        location="lnd", identifier=readonly().identifier, key=KEY, version=pymacaroons.MACAROON_V2
    )
    theirs.add_first_party_caveat("ipaddr 127.0.0.1")
    ours = Macaroon.from_bytes(pymacaroons.serializers.BinarySerializer().serialize_raw(theirs))
    assert ours == readonly().with_caveat("ipaddr 127.0.0.1")
    assert ours.is_signed_by(KEY)


@given(PERMISSIONS, CONDITIONS, st.binary(min_size=1, max_size=64), st.integers(0, 2**64 - 1))
def test_what_is_written_is_read(
    permissions: set[Permission], conditions: list[str], key: bytes, root_key_id: int
) -> None:
    macaroon = mint(key, permissions, nonce=NONCE, root_key_id=root_key_id)
    for condition in conditions:
        macaroon = macaroon.with_caveat(condition)
    read = Macaroon.from_hex(macaroon.to_hex())
    assert read == macaroon
    assert read.is_signed_by(key)
    assert not read.is_signed_by(key + b"x")
    assert read.identity() == Identity(root_key_id=root_key_id, permissions=tuple(sorted(permissions)), nonce=NONCE)


@given(st.integers(0, 255), st.data())
def test_a_changed_byte_is_never_accepted(value: int, data: st.DataObject) -> None:
    sent = bytearray(readonly().with_caveat("ipaddr 127.0.0.1").to_bytes())
    place = data.draw(st.integers(0, len(sent) - 1))
    if sent[place] == value:
        return
    sent[place] = value
    try:
        read = Macaroon.from_bytes(bytes(sent))
    except MacaroonError:
        return
    assert not read.is_signed_by(KEY) or read.location != "lnd"  # the location is a hint that nothing signs


@pytest.mark.parametrize("length", range(len(readonly().to_bytes())))
def test_a_truncated_macaroon_is_refused(length: int) -> None:
    with pytest.raises(MacaroonError, match=r"^macaroon, byte \d+: it ends within"):
        Macaroon.from_bytes(readonly().to_bytes()[:length])


@given(st.binary(max_size=100))
def test_no_bytes_whatever_are_a_surprise(data: bytes) -> None:
    for sent in (data, b"\x02" + data, HEAD + data):
        try:
            assert Macaroon.from_bytes(sent).to_bytes() == sent
        except MacaroonError:
            continue


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (readonly().to_bytes() + b"\x00", "1 bytes follow after its end"),
        (b"\x01" + readonly().to_bytes()[1:], "its version is not 2"),
        (b"0021location lnd", r"its version is not 2.* version 1"),
        (b"\x02" + packet(1, b"lnd") + b"\x00\x00" + TAIL, "the first section needs an identifier"),
        (b"\x02" + packet(2, b"x") + packet(4, b"y") + b"\x00\x00" + TAIL, "the first section needs an identifier"),
        (b"\x02" + packet(2, b"x") + packet(1, b"lnd"), "a location does not come after an identifier"),
        (b"\x02" + packet(1, b"\xff") + packet(2, b"x") + b"\x00\x00" + TAIL, "is not text in UTF-8"),
        (b"\x02" + packet(1, b""), "a location is empty"),
        (HEAD + packet(3, b"x"), "field 3 is not known here"),
        (HEAD + packet(6, b"x"), "field 6 is not known here"),
        (HEAD + packet(4, b"x") + b"\x00", "a caveat has no identifier"),
        (HEAD + packet(1, b"x") + packet(2, b"y") + b"\x00", "a caveat without a verification id has a location"),
        (HEAD + b"\x00" + packet(2, bytes(32)), "a signature should come here"),
        (HEAD + b"\x00" + packet(6, bytes(31)), "a signature has 32 bytes, not 31"),
        (b"\x02\x02\xff\xff\xff\xff\x7f", r"greater than 2\^31 - 1"),
        (b"\x02\x02\x81\x00x", "with more bytes than it needs"),
    ],
)
def test_a_malformed_macaroon_is_refused_in_words(data: bytes, problem: str) -> None:
    with pytest.raises(MacaroonError, match=problem):
        Macaroon.from_bytes(data)


def test_text_that_is_not_hexadecimal_is_refused_without_repeating_it() -> None:
    with pytest.raises(MacaroonError) as caught:
        Macaroon.from_hex("canary")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("identifier", "problem"),
    [
        (b"", "not one of LND's"),
        (b"\x02x", "not one of LND's"),
        (b"\x03\xff", "cannot be decoded"),
        (
            b"\x03" + packet(0x12, b"7a") + packet(0x1A, packet(0x0A, b"info") + packet(0x12, b"read")),
            "is not a number",
        ),
        (b"\x03" + packet(0x12, b"9" * 20), "is not a number"),
        (b"\x03" + packet(0x12, b"0"), "allows nothing"),
        (b"\x03" + packet(0x12, b"0") + packet(0x1A, packet(0x0A, b"info")), "allows nothing"),
    ],
)
def test_an_identifier_that_is_not_lnds_is_refused(identifier: bytes, problem: str) -> None:
    with pytest.raises(MacaroonError, match=problem):
        Macaroon(identifier=identifier, signature=bytes(32)).identity()


def test_a_macaroon_never_shows_its_secrets() -> None:
    macaroon = readonly().with_caveat("ipaddr 127.0.0.1")
    shown = repr(macaroon) + str(macaroon)
    assert "ipaddr" in shown
    for secret in (macaroon.signature, macaroon.identifier):
        assert secret.hex() not in shown
        assert repr(secret)[2:20] not in shown


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"nonce": b"short"}, "a nonce has 16 bytes, not 5"),
        ({"nonce": NONCE, "root_key_id": 2**64}, "a root key id is a number from 0"),
        ({"nonce": NONCE, "permissions": []}, "at least one permission"),
    ],
)
def test_what_cannot_be_minted_is_said(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        mint(KEY, **{"permissions": READONLY, **arguments})


def test_a_macaroon_allows_what_it_was_minted_for() -> None:
    assert judge(readonly()).permissions == tuple(sorted(READONLY))
    assert judge(readonly(), "/lnrpc.Lightning/ListChannels").root_key_id == 0


def test_its_maker_may_allow_single_methods() -> None:
    single = mint(KEY, [Permission("uri", INFO)], nonce=NONCE)
    judge(single)
    with pytest.raises(MacaroonRefused, match=r"^permission denied$"):
        judge(single, "/lnrpc.Lightning/ListChannels")


def test_a_method_that_it_does_not_allow_is_denied() -> None:
    with pytest.raises(MacaroonRefused, match=r"^permission denied$"):
        judge(readonly(), "/lnrpc.Lightning/UpdateChannelPolicy")


@pytest.mark.parametrize("key", [b"another key", b""])
def test_another_root_key_is_a_signature_mismatch(key: bytes) -> None:
    with pytest.raises(MacaroonRefused, match=r"^verification failed: signature mismatch after caveat verification$"):
        judge(readonly(), key=key)


def test_a_deleted_root_key_is_not_found() -> None:
    with pytest.raises(MacaroonRefused, match=r"^verification failed: macaroon not found in storage$"):
        judge(readonly(), key=None)


def test_removing_a_caveat_breaks_the_signature() -> None:
    narrowed = readonly().with_caveat("ipaddr 10.0.0.1")
    freed = Macaroon(identifier=narrowed.identifier, signature=narrowed.signature)
    with pytest.raises(MacaroonRefused, match="signature mismatch"):
        judge(freed)


def test_caveats_are_judged_before_permissions_and_after_the_signature() -> None:
    expired = readonly().with_caveat(caveats.time_before(NOW.now_ns))
    with pytest.raises(MacaroonRefused, match=r"not satisfied: macaroon has expired$"):
        judge(expired, "/lnrpc.Lightning/UpdateChannelPolicy")
    with pytest.raises(MacaroonRefused, match="signature mismatch"):
        judge(expired, key=b"another key")


def test_caveats_that_hold_let_it_pass() -> None:
    narrowed = readonly()
    for condition in (
        caveats.time_before(NOW.now_ns + 1),
        caveats.ip_address("127.0.0.1"),
        caveats.ip_range("127.0.0.0/8"),
    ):
        narrowed = narrowed.with_caveat(condition)
    assert judge(narrowed) == readonly().identity()


def test_a_third_partys_caveat_is_chained_and_never_met() -> None:
    theirs = pymacaroons.Macaroon(location="lnd", identifier=readonly().identifier, key=KEY, version=2)
    theirs.add_third_party_caveat("elsewhere", "their key", "their id")
    read = Macaroon.from_bytes(pymacaroons.serializers.BinarySerializer().serialize_raw(theirs))
    assert read.caveats[0].location == "elsewhere"
    assert read.is_signed_by(KEY)
    assert Macaroon.from_bytes(read.to_bytes()) == read
    with pytest.raises(MacaroonRefused, match=f"cannot find discharge macaroon for caveat {b'their id'.hex()}"):
        judge(read)


def test_a_condition_that_is_not_text_is_escaped() -> None:
    assert Caveat(b"time\xff").text == "time\\xff"
