"""Who may do what: macaroons, TLS, methods that nobody serves, and requests that cannot be read."""

import asyncio
import subprocess
from typing import Any

import grpc
import pytest
from grpc import aio
from tests.support.lnd import ALICE, BOB, Served

from lightninglens.core.units import NS_PER_SECOND
from lightninglens.nodes.lnd.caveats import time_before
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import METHODS, Lightning, Router
from lightninglens.nodes.lnd.macaroon import Macaroon
from lightninglens.nodes.lnd.permissions import MACAROON_FILES, REQUIRED, allows

pytestmark = pytest.mark.asyncio

STREAM_DENIED = ("UNKNOWN", "permission denied")


async def test_a_call_without_a_macaroon_is_refused(lab: Served) -> None:
    call = Lightning.GetInfo.on(lab.channel(ALICE))
    assert await lab.refused(call(lnrpc.GetInfoRequest())) == ("UNKNOWN", "expected 1 macaroon, got 0")
    events = Router.SubscribeHtlcEvents.on(lab.channel(ALICE))
    assert await lab.refused(events(METHODS[Router.SubscribeHtlcEvents.path].request())) == (
        "UNKNOWN",
        "expected 1 macaroon, got 0",
    )


async def test_a_macaroon_that_is_none_is_refused_in_gos_words(lab: Served) -> None:
    good = lab.macaroon(ALICE)
    for text, answer in (
        ("zz", "encoding/hex: invalid byte: U+007A 'z'"),
        ("0", "encoding/hex: odd length hex string"),
        ("", "empty macaroon data"),
    ):
        assert await lab.refused(lab.on(ALICE, Lightning.GetInfo, macaroon=text)) == ("UNKNOWN", answer)
    code, text = await lab.refused(lab.on(ALICE, Lightning.GetInfo, macaroon=good[:-10]))
    assert code == "UNKNOWN"
    assert text.startswith("cannot unmarshal macaroon")


async def test_another_nodes_macaroon_is_refused(lab: Served) -> None:
    answer = await lab.refused(lab.on(ALICE, Lightning.GetInfo, macaroon=lab.macaroon(BOB)))
    assert answer == ("UNKNOWN", "verification failed: signature mismatch after caveat verification")


async def test_an_expired_macaroon_is_refused_and_one_that_is_not_is_taken(lab: Served) -> None:
    macaroon = Macaroon.from_hex(lab.macaroon(ALICE))
    past = macaroon.with_caveat(time_before(NS_PER_SECOND)).to_hex()
    code, text = await lab.refused(lab.on(ALICE, Lightning.GetInfo, macaroon=past))
    assert code == "UNKNOWN"
    assert text.endswith("not satisfied: macaroon has expired")
    future = macaroon.with_caveat(time_before(4_000_000_000 * NS_PER_SECOND)).with_caveat("ipaddr 127.0.0.1").to_hex()
    assert (await lab.on(ALICE, Lightning.GetInfo, macaroon=future)).alias == ALICE
    elsewhere = macaroon.with_caveat("ipaddr 10.0.0.1").to_hex()
    code, text = await lab.refused(lab.on(ALICE, Lightning.GetInfo, macaroon=elsewhere))
    assert text.endswith("macaroon locked to different IP address")


async def test_a_restricted_macaroon_does_what_it_may_and_nothing_else(lab: Served) -> None:
    read_only = lab.macaroon(ALICE, "readonly.macaroon")
    assert (await lab.on(ALICE, Lightning.GetInfo, macaroon=read_only)).alias == ALICE
    for method in (Lightning.UpdateChannelPolicy, Router.SendPaymentV2, Router.SendToRouteV2, Lightning.AddInvoice):
        assert await lab.refused(lab.on(ALICE, method, macaroon=read_only)) == STREAM_DENIED
    one = lnrpc.BakeMacaroonRequest(
        permissions=[lnrpc.MacaroonPermission(entity="uri", action="/lnrpc.Lightning/GetInfo")]
    )
    baked = (await lab.on(ALICE, Lightning.BakeMacaroon, one)).macaroon
    assert (await lab.on(ALICE, Lightning.GetInfo, macaroon=baked)).alias == ALICE
    assert await lab.refused(lab.on(ALICE, Lightning.ListChannels, macaroon=baked)) == STREAM_DENIED


async def test_each_of_lnds_macaroons_opens_exactly_what_it_should(lab: Served) -> None:
    served = lab.servers[ALICE].behaviours
    gate = lab.servers[ALICE].gate
    for file, permissions in MACAROON_FILES.items():
        macaroon = Macaroon.from_hex(lab.macaroon(ALICE, file))
        for path in served:
            if not REQUIRED[path]:
                continue
            try:
                gate.judge(macaroon, path, "127.0.0.1")
            except Exception:  # noqa: BLE001 - what is raised is the answer here
                assert not allows(permissions, path), (file, path)
            else:
                assert allows(permissions, path), (file, path)


async def test_root_keys_come_and_go(lab: Served) -> None:
    permission = lnrpc.MacaroonPermission(entity="info", action="read")
    request = lnrpc.BakeMacaroonRequest(permissions=[permission], root_key_id=7)
    baked = (await lab.on(ALICE, Lightning.BakeMacaroon, request)).macaroon
    assert list((await lab.on(ALICE, Lightning.ListMacaroonIDs)).root_key_ids) == [0, 7]
    assert (await lab.on(ALICE, Lightning.GetInfo, macaroon=baked)).alias == ALICE
    deleted = await lab.on(ALICE, Lightning.DeleteMacaroonID, lnrpc.DeleteMacaroonIDRequest(root_key_id=7))
    assert deleted.deleted
    assert await lab.refused(lab.on(ALICE, Lightning.GetInfo, macaroon=baked)) == (
        "UNKNOWN",
        "verification failed: macaroon not found in storage",
    )
    default = lnrpc.DeleteMacaroonIDRequest(root_key_id=0)
    assert (await lab.refused(lab.on(ALICE, Lightning.DeleteMacaroonID, default)))[0] == "UNKNOWN"


@pytest.mark.parametrize(
    ("entity", "action", "text"),
    [
        ("nothing", "read", "invalid permission entity. supported actions are [read write generate]"),
        ("info", "eat", "invalid permission action. supported actions are [read write generate]"),
        ("uri", "/x", "invalid permission action, must be an existing URI in the format /package.Service/MethodName"),
    ],
)
async def test_what_cannot_be_baked_is_refused(lab: Served, entity: str, action: str, text: str) -> None:
    permission = lnrpc.MacaroonPermission(entity=entity, action=action)
    request = lnrpc.BakeMacaroonRequest(permissions=[permission])
    code, found = await lab.refused(lab.on(ALICE, Lightning.BakeMacaroon, request))
    assert (code, found[: len(text)]) == ("UNKNOWN", text)
    empty = await lab.refused(lab.on(ALICE, Lightning.BakeMacaroon))
    assert empty[1].startswith("permission list cannot be empty")


async def test_permissions_can_be_asked_for(lab: Served) -> None:
    listed = (await lab.on(ALICE, Lightning.ListPermissions)).method_permissions
    assert [(one.entity, one.action) for one in listed["/lnrpc.Lightning/GetInfo"].permissions] == [("info", "read")]
    macaroon = bytes.fromhex(lab.macaroon(ALICE, "readonly.macaroon"))
    permission = lnrpc.MacaroonPermission(entity="info", action="read")
    request = lnrpc.CheckMacPermRequest(macaroon=macaroon, permissions=[permission])
    assert (await lab.on(ALICE, Lightning.CheckMacaroonPermissions, request)).valid
    permission = lnrpc.MacaroonPermission(entity="info", action="write")
    request = lnrpc.CheckMacPermRequest(macaroon=macaroon, permissions=[permission])
    assert await lab.refused(lab.on(ALICE, Lightning.CheckMacaroonPermissions, request)) == (
        "INVALID_ARGUMENT",
        "permission denied",
    )
    request = lnrpc.CheckMacPermRequest(
        macaroon=macaroon, fullMethod="/lnrpc.Lightning/GetInfo", check_default_perms_from_full_method=True
    )
    assert (await lab.on(ALICE, Lightning.CheckMacaroonPermissions, request)).valid


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/autopilotrpc.Autopilot/Status", "unknown service autopilotrpc.Autopilot"),
        ("/lnrpc.Lightning/Nothing", "unknown method Nothing for service lnrpc.Lightning"),
        ("/routerrpc.Router/SendPayment", "unknown method SendPayment for service routerrpc.Router"),
    ],
)
async def test_what_nobody_serves_is_unimplemented_in_gos_words(lab: Served, path: str, text: str) -> None:
    channel: Any = lab.channel(ALICE)
    with pytest.raises(aio.AioRpcError) as caught:
        await channel.unary_unary(path)(b"")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, text)
    with pytest.raises(aio.AioRpcError) as caught:
        async for _ in channel.unary_stream(path)(b""):
            pass
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, text)


async def test_a_plain_connection_gets_nothing(lab: Served) -> None:
    async with aio.insecure_channel(f"localhost:{lab.servers[ALICE].rpc_port}") as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await Lightning.GetInfo.on(channel)(lnrpc.GetInfoRequest(), timeout=5)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_what_is_no_message_is_refused_in_gos_words(lab: Served) -> None:
    raw: Any = lab.channel(ALICE).unary_unary("/lnrpc.Lightning/ListChannels")
    metadata = [("macaroon", lab.macaroon(ALICE))]
    with pytest.raises(aio.AioRpcError) as caught:
        await raw(b"\xff\xff\xff", metadata=metadata)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert (caught.value.details() or "").startswith("grpc: error unmarshalling request")


async def test_a_message_of_100_mb_is_read_and_refused_for_what_it_says(lab: Served) -> None:
    huge = lnrpc.Invoice(memo="x" * 100_000_000)
    assert await lab.refused(lab.on(ALICE, Lightning.AddInvoice, huge)) == (
        "UNKNOWN",
        "memo too large: 100000000 bytes (maxsize=639)",
    )
    assert not (await lab.on(ALICE, Lightning.ListInvoices)).invoices


async def test_a_message_beyond_lnds_limit_is_refused(lab: Served) -> None:
    raw: Any = lab.channel(ALICE).unary_unary("/lnrpc.Lightning/AddInvoice")
    with pytest.raises(aio.AioRpcError) as caught:
        await raw(bytes(201 * 1024 * 1024), metadata=[("macaroon", lab.macaroon(ALICE))])
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_directory_is_lnds(lab: Served) -> None:
    folder = lab.servers[ALICE].folder
    assert (folder / "tls.key").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in (folder / "data/chain/bitcoin/regtest").iterdir()} == set(MACAROON_FILES)
    command = ["openssl", "x509", "-in", str(folder / "tls.cert"), "-noout", "-text"]
    shown = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    if shown.returncode == 0:
        assert "lnd autogenerated cert" in shown.stdout
        assert "prime256v1" in shown.stdout
