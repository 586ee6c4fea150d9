"""Connecting to a node: what is found, trusted and refused, in words; and that no secret gets out."""

import asyncio
import contextlib
import dataclasses
import io
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from tests.support.lnd_stand_in import NODE_ID, Failing, StandIn, get_info, rest_proxy, stand_in

from lightninglens.app.logs import set_up_logging
from lightninglens.core.clock import SystemClock, VirtualClock
from lightninglens.core.errors import (
    ConfigError,
    LensError,
    NodeCondition,
    NodeRefused,
    NodeUnauthorised,
    NodeUnavailable,
)
from lightninglens.core.units import NS_PER_DAY
from lightninglens.nodes.lnd.caveats import time_before
from lightninglens.nodes.lnd.client import AsyncLNDgRPCClient, LndFeeSetter, LndOptions, LndPayer, LndReader, Role
from lightninglens.nodes.lnd.client.place import Target, TransportChoice
from lightninglens.nodes.lnd.client.roles import permissions
from lightninglens.nodes.lnd.client.session import connected
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.macaroon import Macaroon
from lightninglens.nodes.lnd.permissions import Permission
from lightninglens.nodes.lnd.tls import Names, make_certificate

pytestmark = pytest.mark.asyncio
Code = grpc.StatusCode


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path / "lnd") as made:
        yield made


async def refused(options: LndOptions, role: Role = Role.MONITOR, clock: Any = None) -> LensError:
    """Return the error with which a connection is refused."""
    with pytest.raises(LensError) as raised:
        async with connected(role, options, clock):
            pass
    return raised.value


async def test_a_node_is_found_by_its_directory_and_says_who_it_is(node: StandIn) -> None:
    async with LndReader.at(node.options()) as reader:
        info = await reader.info()
    assert (info.node_id, info.network, info.transport) == (NODE_ID, "regtest", "grpc")
    assert info.lacks == ()


async def test_the_documented_client_has_the_documented_names(node: StandIn) -> None:
    node.answers[Lightning.ForwardingHistory.path] = lnrpc.ForwardingHistoryResponse()
    client = AsyncLNDgRPCClient(lnd_dir=node.folder, network="regtest", grpc_host=f"localhost:{node.port}")
    with pytest.raises(ConfigError, match="async with"):
        await client.get_info()
    async with client:
        assert (await client.get_info()).node_id == NODE_ID
        assert await client.get_forwarding_history(hours=24) == ()


async def test_the_narrowest_macaroon_is_taken_first(node: StandIn) -> None:
    async with connected(Role.MONITOR, node.options()) as session:
        assert session.credential.path.name == "readonly.macaroon"
    node.bake("lens-monitor.macaroon", permissions(Role.MONITOR))
    async with connected(Role.MONITOR, node.options()) as session:
        assert session.credential.path.name == "lens-monitor.macaroon"
    node.bake("aaa.macaroon", permissions(Role.FEES))
    node.bake("bbb.macaroon", permissions(Role.FEES, channel_status=True))
    async with connected(Role.FEES, node.options()) as session:
        assert session.credential.path.name == "aaa.macaroon"


async def test_an_administrators_macaroon_is_never_fallen_back_on(node: StandIn) -> None:
    problem = await refused(node.options(), Role.FEES)
    assert isinstance(problem, ConfigError)
    assert f"lens node bake --role fees --lnd-dir {node.folder} --network regtest" in str(problem)
    assert "admin.macaroon" in str(problem)
    admin = node.chain_folder / "admin.macaroon"
    problem = await refused(node.options(macaroon=admin), Role.FEES)
    assert isinstance(problem, ConfigError)
    assert "allows more than the role fees needs" in str(problem)
    async with connected(Role.FEES, node.options(macaroon=admin, allow_broad_macaroon=True)) as session:
        assert "allows more" in session.credential.warning


async def test_charge_lnds_macaroon_sets_fees_and_its_owner_is_told_that_it_can_pay(node: StandIn) -> None:
    node.bake("charge-lnd.macaroon", ["offchain:read", "offchain:write", "onchain:read", "info:read"])
    async with connected(Role.FEES, node.options()) as session:
        assert "can also send payments" in session.credential.warning


async def test_a_macaroon_that_is_too_narrow_expired_truncated_or_none_is_told(node: StandIn, tmp_path: Path) -> None:
    narrow = node.bake("narrow.macaroon", ["info:read"])
    problem = await refused(node.options(macaroon=narrow))
    assert isinstance(problem, NodeUnauthorised)
    assert "does not allow /lnrpc.Lightning/ChannelBalance" in str(problem)
    old = node.bake("old.macaroon", permissions(Role.MONITOR), caveats=(time_before(1),))
    assert "its time is over" in str(await refused(node.options(macaroon=old)))
    data = narrow.read_bytes()
    for name, wrong in {"cut": data[:-5], "empty": b"", "text": b"hello", "large": b"x" * 70_000}.items():
        path = tmp_path / name
        path.write_bytes(wrong)
        problem = await refused(node.options(macaroon=path))
        assert isinstance(problem, ConfigError), name
        assert str(path) in str(problem)
    assert "No such file" in str(await refused(node.options(macaroon=tmp_path / "none")))


async def test_a_macaroon_in_hex_is_read_as_well(node: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "hex.macaroon"
    path.write_text((node.chain_folder / "readonly.macaroon").read_bytes().hex() + "\n")
    async with connected(Role.MONITOR, node.options(macaroon=path)):
        pass


async def test_a_macaroon_of_another_node_is_not_accepted(node: StandIn, tmp_path: Path) -> None:
    good = Macaroon.from_bytes((node.chain_folder / "readonly.macaroon").read_bytes())
    forged = dataclasses.replace(good, signature=bytes(32))
    path = tmp_path / "forged.macaroon"
    path.write_bytes(forged.to_bytes())
    problem = await refused(node.options(macaroon=path))
    assert isinstance(problem, NodeUnauthorised)
    assert "signature mismatch" in str(problem)


@pytest.mark.parametrize(
    ("code", "text", "kind", "condition", "words"),
    [
        (Code.UNKNOWN, "wallet locked, unlock it to enable full RPC access", NodeUnavailable, "LOCKED", "lncli unlock"),
        (
            Code.UNKNOWN,
            "the RPC server is in the process of starting up, but not yet ready to accept calls",
            NodeUnavailable,
            "STARTING",
            "not ready yet",
        ),
        (Code.UNKNOWN, "htlc event subscription terminated", NodeUnavailable, "STARTING", "restarted"),
        (Code.UNKNOWN, "permission denied", NodeUnauthorised, "", "bake"),
        (Code.PERMISSION_DENIED, "x", NodeUnauthorised, "", "bake"),
        (Code.UNIMPLEMENTED, "unknown service", NodeRefused, "", "does not have it"),
        (Code.RESOURCE_EXHAUSTED, "too large", NodeRefused, "", "larger than"),
        (Code.NOT_FOUND, "no such thing\x1b[31m", NodeRefused, "", "GetInfo: no such thing [31m"),
        (Code.INTERNAL, "boom", NodeUnavailable, "UNREACHABLE", "right certificate"),
    ],
)
async def test_what_a_node_answers_is_told_apart_and_in_words(
    node: StandIn, code: Code, text: str, kind: type[LensError], condition: str, words: str
) -> None:
    async def fail(_request: object) -> None:
        raise Failing(code, text)

    node.answers[Lightning.GetInfo.path] = fail
    problem = await refused(node.options())
    assert isinstance(problem, kind)
    assert words in str(problem)
    if isinstance(problem, NodeUnavailable):
        assert problem.condition is NodeCondition[condition]


async def test_a_node_of_another_network_is_not_used(node: StandIn) -> None:
    macaroon = node.chain_folder / "readonly.macaroon"
    problem = await refused(node.options(network="mainnet", macaroon=macaroon))
    assert isinstance(problem, NodeUnavailable)
    assert problem.condition is NodeCondition.WRONG_NETWORK
    assert "on regtest, not on mainnet" in str(problem)


async def test_a_node_that_does_not_say_who_it_is_is_not_used(node: StandIn) -> None:
    node.answers[Lightning.GetInfo.path] = get_info(identity_pubkey="me")
    problem = await refused(node.options())
    assert isinstance(problem, NodeUnavailable)


async def test_a_node_that_does_not_answer_is_given_up_in_time(node: StandIn) -> None:
    async def hang(_request: object) -> None:
        await asyncio.sleep(30)

    node.answers[Lightning.GetInfo.path] = hang
    async with asyncio.timeout(5):
        problem = await refused(node.options(timeout_s=0.3))
    assert isinstance(problem, NodeUnavailable)


async def test_another_certificate_is_told_and_never_taken_over(node: StandIn, tmp_path: Path) -> None:
    other = tmp_path / "other.cert"
    other.write_bytes(make_certificate(Names.of_this_host(), now_ns=SystemClock().now_ns())[0])
    before = other.read_bytes()
    problem = await refused(node.options(tls_cert=other, transport=TransportChoice.AUTO))
    assert isinstance(problem, NodeUnavailable)
    assert problem.condition is NodeCondition.UNTRUSTED
    assert "another certificate" in str(problem)
    assert other.read_bytes() == before
    assert node.asked == []


async def test_a_name_that_the_certificate_does_not_have_is_explained(node: StandIn) -> None:
    problem = await refused(node.options(grpc_host=f"127.0.0.2:{node.port}"))
    assert "tlsextraip=127.0.0.2" in str(problem)


async def test_an_expired_certificate_is_told_before_anything_is_sent(node: StandIn) -> None:
    clock = VirtualClock(SystemClock().now_ns() + 500 * NS_PER_DAY)
    problem = await refused(node.options(), clock=clock)
    assert "certificate's time is over" in str(problem)


async def test_a_port_without_tls_is_told_and_gets_nothing(node: StandIn) -> None:
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1_000))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        problem = await refused(node.options(grpc_host=f"localhost:{port}", transport=TransportChoice.GRPC))
    assert "does not speak TLS" in str(problem)
    assert not any(b"macaroon" in said for said in heard)


async def test_nothing_listens(node: StandIn) -> None:
    await node.stop()
    problem = await refused(node.options(transport=TransportChoice.GRPC))
    assert isinstance(problem, NodeUnavailable)
    assert f"no connection to localhost:{node.port}" in str(problem)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lnd_dir": Path("/nowhere/at/all")}, "--lnd-dir"),
        ({"grpc_host": "a b:c"}, "--grpc-host"),
        ({"grpc_host": "localhost:99999"}, "--grpc-host"),
        ({"tls_cert": Path(__file__)}, "no certificate in PEM form"),
        ({"transport": TransportChoice.REST}, "gRPC only"),
    ],
)
async def test_what_cannot_be_meant_is_wrong_usage(node: StandIn, changed: dict[str, Any], words: str) -> None:
    problem = await refused(node.options(**changed), Role.PAYMENTS)
    assert isinstance(problem, ConfigError)
    assert words in str(problem)


@pytest.mark.parametrize("network", ["main", "", "../mainnet"])
async def test_an_unknown_network_is_wrong_usage(network: str) -> None:
    with pytest.raises(ConfigError, match="--network"):
        LndOptions(network=network)


async def test_several_networks_must_be_chosen_from(node: StandIn) -> None:
    (node.folder / "data/chain/bitcoin/mainnet").mkdir()
    assert "--network" in str(await refused(node.options(network=None)))


async def test_targets_are_read_with_ports_and_ipv6() -> None:
    assert Target.parse("[::1]:10010", 10009, "x") == Target("::1", 10010)
    assert str(Target.parse("[::1]", 10009, "x")) == "[::1]:10009"
    assert Target.parse("node.local", 10009, "x") == Target("node.local", 10009)
    assert Target("localhost", 1).is_loopback
    assert not Target("10.0.0.1", 1).is_loopback


async def test_money_is_not_sent_by_a_node_that_is_not_synced(node: StandIn) -> None:
    node.answers[Lightning.GetInfo.path] = get_info(synced_to_chain=False)
    node.bake("lens-payments.macaroon", permissions(Role.PAYMENTS))
    async with connected(Role.PAYMENTS, node.options()) as session:
        with pytest.raises(NodeUnavailable, match="nothing was sent") as raised:
            await session.require_synced()
    assert raised.value.condition is NodeCondition.NOT_SYNCED


@pytest.mark.promise("A2.24")
async def test_rest_is_used_where_grpc_cannot_be_reached_and_this_is_said(node: StandIn) -> None:
    info = {
        "identity_pubkey": NODE_ID,
        "alias": "over rest",
        "chains": [{"network": "regtest"}],
        "block_height": 7,
        "best_header_timestamp": "1700000000",
        "a_field_of_a_later_version": {},
    }
    async with rest_proxy({("GET", "/v1/getinfo"): (200, info)}, node.folder) as (port, asked):
        await node.stop()
        set_up_logging(stream=(said := io.StringIO()))
        async with LndReader.at(node.options(rest_host=f"localhost:{port}")) as reader:
            found = await reader.info()
        assert (found.alias, found.transport) == ("over rest", "rest")
        assert "REST is used" in said.getvalue()
        macaroon = (node.chain_folder / "readonly.macaroon").read_bytes().hex()
        assert {headers["grpc-metadata-macaroon"] for _, _, headers, _ in asked} == {macaroon}


async def test_no_secret_is_in_any_log_error_or_text(node: StandIn, tmp_path: Path) -> None:
    """Go through every way to fail with logging at its most talkative, and look for the macaroon in what came out."""
    set_up_logging(level="debug", stream=(said := io.StringIO()))
    logging.getLogger("asyncio").setLevel(logging.DEBUG)
    path = node.bake("lens-monitor.macaroon", permissions(Role.MONITOR))
    raw = path.read_bytes()
    macaroon = Macaroon.from_bytes(raw)
    texts = [repr(macaroon)]

    async def fail(_request: object) -> None:
        raise Failing(Code.UNKNOWN, "permission denied")

    async with connected(Role.MONITOR, node.options()) as session:
        texts += [repr(session), repr(session.credential), str(session.transport)]
        node.answers[Lightning.ListChannels.path] = fail
        for call in (
            session.call(Lightning.ListChannels, lnrpc.ListChannelsRequest()),
            session.call(Lightning.DescribeGraph, lnrpc.ChannelGraphRequest()),
        ):
            with pytest.raises(LensError) as raised:
                await call
            texts += [repr(raised.value), repr(raised.value.__cause__), repr(raised.value.__context__)]
    for cut in (raw[:-3], raw + b"x", raw.hex().encode()[:-1]):
        (broken := tmp_path / "broken.macaroon").write_bytes(cut)
        texts.append(repr(await refused(node.options(macaroon=broken))))
    for role in (Role.FEES, Role.PAYMENTS):
        texts.append(repr(await refused(node.options(macaroon=path), role)))
    await node.stop()
    texts.append(repr(await refused(node.options())))
    everything = said.getvalue() + "".join(texts)
    signature, identifier = macaroon.signature, macaroon.identifier
    for secret in (raw, signature, identifier):
        for shown in (secret.hex(), secret.hex()[8:40], repr(secret)[2:-1][:40]):
            assert shown not in everything


async def test_a_large_answer_is_taken_for_the_graph_only(node: StandIn) -> None:
    node.answers[Lightning.DescribeGraph.path] = lnrpc.ChannelGraph(
        nodes=[lnrpc.LightningNode(pub_key=NODE_ID, alias="x" * (17 << 20))]
    )
    node.answers[Lightning.ClosedChannels.path] = lnrpc.ClosedChannelsResponse(
        channels=[lnrpc.ChannelCloseSummary(chain_hash="x" * (17 << 20))]
    )
    async with LndReader.at(node.options()) as reader:
        assert (await reader.graph()).node_count == 1
        with pytest.raises(NodeRefused, match="larger than"):
            await reader.closed_channels()


async def test_ports_connect_each_with_its_own_role(node: StandIn) -> None:
    node.bake("lens-fees.macaroon", permissions(Role.FEES))
    async with LndFeeSetter.at(node.options()):
        pass
    with pytest.raises(ConfigError, match="lens node bake --role payments"):
        async with LndPayer.at(node.options()):
            pass


async def test_a_certificate_chain_is_the_only_root(node: StandIn) -> None:
    context = ssl.create_default_context(cadata=(node.folder / "tls.cert").read_text())
    assert len(context.get_ca_certs()) == 1
    with contextlib.suppress(NodeUnavailable):
        async with connected(Role.MONITOR, node.options()) as session:
            assert Permission("info", "read") in session.credential.granted
