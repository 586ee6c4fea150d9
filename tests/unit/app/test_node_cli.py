"""`lens node` and `lens doctor --node` against a node in this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.lnd_stand_in import NETWORK, NODE_ID, ROOT_KEY, StandIn, beside, get_info

from lightninglens.app.cli.main import main
from lightninglens.app.node_checks import channel_problems, check_info, history_problems, parse_node
from lightninglens.core.channels import ChannelState, Opener
from lightninglens.core.errors import ConfigError
from lightninglens.core.forwards import Forward, ForwardPage
from lightninglens.core.ids import ChannelId, NodeId, derive_node_id
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import Msat, Sat, UnixNs
from lightninglens.nodes.lnd.client import TransportChoice
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.nodes.lnd.macaroon import mint
from lightninglens.nodes.lnd.permissions import Permission

PEER = derive_node_id(1, "peer")
CHANNEL = ChannelId.of(800_000, 1, 0)


def lnd_channel() -> lnrpc.Channel:
    return lnrpc.Channel(
        active=True,
        remote_pubkey=PEER,
        peer_alias="peer",
        chan_id=CHANNEL,
        capacity=1_000_000,
        local_balance=600_000,
        remote_balance=396_530,
        commit_fee=2_810,
        commit_weight=1_124,
        fee_per_kw=2_500,
    )


async def bake(request: Any) -> lnrpc.BakeMacaroonResponse:
    granted = [Permission(each.entity, each.action) for each in request.permissions]
    return lnrpc.BakeMacaroonResponse(macaroon=mint(ROOT_KEY, granted, nonce=bytes(16)).to_hex())


def answers() -> dict[str, Any]:
    policy = lnrpc.RoutingPolicy(fee_rate_milli_msat=1_234, time_lock_delta=80)
    edge = lnrpc.ChannelEdge(
        channel_id=CHANNEL, node1_pub=NODE_ID, node2_pub=PEER, node1_policy=policy, capacity=1_000_000
    )
    return {
        "ListChannels": lnrpc.ListChannelsResponse(channels=[lnd_channel()]),
        "GetChanInfo": edge,
        "DescribeGraph": lnrpc.ChannelGraph(edges=[edge]),
        "ForwardingHistory": lnrpc.ForwardingHistoryResponse(),
        "GetInfo": get_info(num_active_channels=1),
        "BakeMacaroon": bake,
    }


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StandIn]:
    with beside(tmp_path / "lnd", **answers()) as found:
        found.answers[Router.SubscribeHtlcEvents.path] = [routerrpc.HtlcEvent()]
        yield found


def lens(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(each) for each in arguments])
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


def place(node: StandIn) -> list[object]:
    return ["--lnd-dir", node.folder, "--network", NETWORK, "--grpc-host", f"localhost:{node.port}"]


def test_info_says_who_the_node_is(node: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = lens(capsys, "node", "info", *place(node))
    assert (code, err) == (0, "")
    assert NODE_ID in out
    assert "0.20.1-beta" in out
    code, out, _ = lens(capsys, "node", "info", *place(node), "--json")
    assert json.loads(out)["node_id"] == NODE_ID
    node.answers[Lightning.GetInfo.path] = get_info(version="0.17.0-beta", synced_to_chain=False)
    _, out, _ = lens(capsys, "node", "info", *place(node))
    assert "NOT synced" in out
    assert "inbound fees: from LND 0.18.0 on" in out
    node.answers[Lightning.GetInfo.path] = get_info(synced_to_graph=False)
    assert "not to the graph" in lens(capsys, "node", "info", *place(node))[1]


def test_channels_are_a_table_or_json(node: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lens(capsys, "node", "channels", *place(node))
    assert code == 0
    assert out.splitlines()[1].split() == [
        "800000x1x0", "peer", "1,000,000", "600,000", "396,530", "1,234", "0", "0", "-"
    ]  # fmt: skip
    (found,) = json.loads(lens(capsys, "node", "channels", *place(node), "--json")[1])
    assert (found["channel_id"], found["local_msat"]) == ("800000x1x0", 600_000_000)
    node.answers[Lightning.ListChannels.path] = lnrpc.ListChannelsResponse()
    assert lens(capsys, "node", "channels", *place(node))[1] == "no open channels\n"


def test_a_macaroon_is_baked_and_the_command_shown(node: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lens(capsys, "node", "bake", "--role", "fees", *place(node))
    assert code == 0
    assert "lens-fees.macaroon allows the role fees 6 calls and nothing else" in out
    assert "lncli deletemacaroonid 102" in out
    code, _, err = lens(capsys, "node", "bake", "--role", "fees", *place(node))
    assert code == 2
    assert "--replace" in err
    code, out, _ = lens(capsys, "node", "bake", "--role", "monitor", *place(node), "--json")
    assert len(json.loads(out)["permissions"]) == 18
    code, out, _ = lens(capsys, "node", "bake", "--role", "payments", *place(node), "--print")
    assert out.startswith("lncli bakemacaroon --save_to ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["info", "--lnd-dir", "/nowhere"], 2, "--lnd-dir"),
        (["info", "--network", "moon"], 2, "--network"),
        (["info", "--timeout", "0"], 2, "--timeout"),
        (["channels", "--grpc-host", "::::"], 2, "--lnd-dir"),
        (["bake", "--role", "everything"], 2, "everything"),
        (["bake"], 2, "--role"),
    ],
)
def test_wrong_usage_ends_with_2_and_in_words(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    found, _, err = lens(capsys, "node", *arguments)
    assert found == code
    assert words in err
    assert "Traceback" not in err


@pytest.mark.promise("A3.15")
def test_an_administrators_macaroon_ends_with_2_and_the_command_to_bake(
    node: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = node.chain_folder / "admin.macaroon"
    code, _, err = lens(capsys, "node", "info", *place(node), "--macaroon", admin)
    assert code == 2
    assert "lens node bake --role monitor" in err
    code, _, err = lens(capsys, "node", "info", *place(node), "--macaroon", admin, "--allow-broad-macaroon")
    assert code == 0
    assert "broad macaroon" in err


def test_a_node_that_is_away_ends_with_1(node: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = lens(
        capsys, "node", "info", "--lnd-dir", node.folder, "--grpc-host", "localhost:1", "--timeout", "2"
    )
    assert code == 1
    assert "no connection to localhost:1" in err


def test_the_doctor_looks_at_a_node_by_reading_only(node: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"lnd:{node.folder}?network={NETWORK}&grpc-host=localhost:{node.port}"
    _, out, _ = lens(capsys, "doctor", "--node", text, "--json")
    found = {each["check"]: each for each in json.loads(out) if each["check"].startswith("node")}
    assert {name: each["status"] for name, each in found.items()} == {
        "node": "ok",
        "node channels": "ok",
        "node graph": "ok",
        "node history": "ok",
        "node HTLC events": "ok",
    }
    methods = {path.rpartition("/")[2] for path, _ in node.asked}
    assert methods == {
        "GetInfo", "ListChannels", "GetChanInfo", "DescribeGraph", "ForwardingHistory", "SubscribeHtlcEvents"
    }  # fmt: skip
    code, out, _ = lens(capsys, "doctor", "--node", f"lnd:{node.folder}?grpc-host=localhost:1", "--json")
    assert code == 1
    assert "no connection" in json.loads(out)[-1]["detail"]


@pytest.mark.parametrize("text", ["cln:~/.lightning", "lnd", "lnd:x?colour=red", "lnd:x?transport=pigeon"])
def test_what_names_no_node_is_wrong_usage(text: str) -> None:
    with pytest.raises(ConfigError, match="--node"):
        parse_node(text)


def test_a_node_is_named_in_one_line() -> None:
    options = parse_node("lnd:/a/b?network=signet&transport=rest&macaroon=/m&rest-host=h:1")
    assert (options.lnd_dir, options.network, options.macaroon) == (Path("/a/b"), "signet", Path("/m"))
    assert (options.transport, options.rest_host) == (TransportChoice.REST, "h:1")
    assert parse_node("lnd:").lnd_dir is None


def channel(**changed: Any) -> ChannelState:
    given: dict[str, Any] = {
        "channel_id": CHANNEL,
        "peer_id": NodeId(PEER),
        "peer_alias": "",
        "capacity_sat": Sat(1_000_000),
        "local_msat": Msat(600_000_000),
        "remote_msat": Msat(396_000_000),
        "commit_fee_sat": Sat(3_340),
        "unsettled_msat": Msat(0),
        "pending_htlcs": 0,
        "local_reserve_sat": Sat(0),
        "remote_reserve_sat": Sat(0),
        "opener": Opener.LOCAL,
        "active": True,
        "outbound_msat": Msat(0),
        "inbound_msat": Msat(0),
        "local_policy": None,
        "remote_policy": None,
    }
    return ChannelState(**(given | changed))


def test_channels_that_contradict_themselves_are_found() -> None:
    assert channel_problems([channel()]) == []
    assert "differ from its capacity" in channel_problems([channel(capacity_sat=Sat(900_000))])[0]
    assert "more can be sent" in channel_problems([channel(outbound_msat=Msat(600_000_001))])[0]
    assert channel_problems([channel(), channel()]) == ["a channel is listed twice"]


def page(from_ns: int, until_ns: int, *settled_ns: int) -> ForwardPage:
    forwards = tuple(
        Forward(
            settled_ns=UnixNs(each),
            incoming_channel_id=CHANNEL,
            outgoing_channel_id=CHANNEL,
            incoming_amount_msat=Msat(2),
            outgoing_amount_msat=Msat(1),
        )
        for each in settled_ns
    )
    return ForwardPage(forwards=forwards, covered_from_ns=UnixNs(from_ns), covered_until_ns=UnixNs(until_ns))


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ([], "no page"),
        ([page(0, 10, 5, 4)], "oldest first"),
        ([page(0, 10, 5, 5)], "twice"),
        ([page(0, 5, 4), page(6, 10, 7)], "does not begin where"),
        ([page(0, 5, 5)], "outside"),
    ],
)
def test_histories_that_contradict_themselves_are_found(pages: list[ForwardPage], words: str) -> None:
    assert any(words in each for each in history_problems(pages))
    assert history_problems([page(0, 5, 3, 4), page(5, 9)]) == []


def test_a_node_that_is_not_up_to_date_is_told() -> None:
    node = NodeInfo(node_id=NodeId(PEER), alias="", channel_count=0, block_height=1)
    assert check_info(node).status == "ok"
    behind = NodeInfo(node_id=NodeId(PEER), alias="", channel_count=0, block_height=1, synced_to_chain=False)
    assert check_info(behind).status == "fail"
    young = NodeInfo(node_id=NodeId(PEER), alias="", channel_count=0, block_height=1, synced_to_graph=False)
    assert check_info(young).status == "warn"
