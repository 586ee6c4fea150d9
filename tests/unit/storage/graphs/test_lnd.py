import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from tests.support.graphs import FIXTURES, differences, mainnet

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.errors import DataError
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Blocks, Msat, Ppm
from lightninglens.storage.files.graphs import GraphFormat, GraphOrigin, read_graph, write_graph

SMALL = FIXTURES / "small.lnd.json"
A, B = "02" + "11" * 32, "02" + "22" * 32


def document() -> Any:
    return json.loads(SMALL.read_text())


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[Any], str]:
    """Write a document and return the text of the error that reading it gives."""

    def read(contents: Any) -> str:
        path = tmp_path / "graph.json"
        path.write_bytes(contents if isinstance(contents, bytes) else orjson.dumps(contents))
        with pytest.raises(DataError) as caught:
            read_graph(path)
        assert str(caught.value).startswith(str(path))
        return str(caught.value).removeprefix(str(path))

    return read


def test_reads_what_lncli_prints() -> None:
    found = read_graph(SMALL)
    graph = found.graph
    assert (found.format, found.dropped, found.adjusted) == (GraphFormat.LND, {}, {})
    assert graph.aliases == ("alice", "böb ⚡", "", "alone")
    assert [str(graph.channel_id(row)) for row in range(2)] == ["800000x1x1", "800001x1x0"]
    assert graph.capacity_sat.tolist() == [1_000_000, 250_000]
    assert graph.policies.get(0) == ChannelPolicy(
        base_fee_msat=Msat(1000),
        fee_rate_ppm=Ppm(1),
        time_lock_delta_blocks=Blocks(80),
        min_htlc_msat=Msat(1000),
        max_htlc_msat=Msat(990_000_000),
        inbound_base_fee_msat=Msat(-50),
        inbound_fee_rate_ppm=Ppm(-120),
    )
    assert graph.usable().tolist() == [True, False, False, False]
    assert graph.policies.known.tolist() == [True, True, False, False]
    assert found.origin.snapshot_s == 1_700_000_900


def test_numbers_may_be_numbers_and_old_versions_lack_fields(tmp_path: Path) -> None:
    before = document()
    edge = before["edges"][0]
    edge["capacity"] = 1_000_000
    edge["channel_id"] = "800000x1x1"
    for key in ("inbound_fee_base_msat", "inbound_fee_rate_milli_msat", "last_update"):
        del edge["node2_policy"][key]
    del edge["node2_policy"]["max_htlc_msat"]
    edge["node1_policy"]["fee_rate_milli_msat"] = 1
    (tmp_path / "g.json").write_text(json.dumps(before))
    found = read_graph(tmp_path / "g.json")
    assert found.graph.policies.max_htlc_msat[1] == 1_000_000_000
    assert found.adjusted == {"directions without max htlc limited by capacity": 1}
    assert differences(found.graph, read_graph(SMALL).graph) == ["policies.max_htlc_msat", "policies.last_update_s"]


def test_a_channel_with_its_greater_node_first_is_turned_round(tmp_path: Path) -> None:
    before = document()
    edge = before["edges"][0]
    edge["node1_pub"], edge["node2_pub"] = edge["node2_pub"], edge["node1_pub"]
    edge["node1_policy"], edge["node2_policy"] = edge["node2_policy"], edge["node1_policy"]
    (tmp_path / "g.json").write_text(json.dumps(before))
    found = read_graph(tmp_path / "g.json")
    assert differences(found.graph, read_graph(SMALL).graph) == []
    assert found.adjusted == {"channels with the greater node id first turned round": 1}


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("capacity", "0", "the capacity is 0"),
        ("capacity", 0, "assumechanvalid"),
        ("capacity", "-1", "-1 is out of range"),
        ("capacity", "2100000000000001", "out of range"),
        ("capacity", "9" * 25, "expected a whole number"),
        ("capacity", "1.5", "expected a whole number, found '1.5'"),
        ("capacity", 1.5, "expected a whole number, found 1.5"),
        ("capacity", "", "expected a whole number"),
        ("capacity", "٣", "expected a whole number"),
        ("capacity", "1_000", "expected a whole number"),
        ("capacity", True, "expected a whole number, found True"),
        ("capacity", None, "expected a whole number, found None"),
        ("capacity", [], "expected a whole number"),
        ("channel_id", "what", "is not a channel id"),
        ("channel_id", "18446744073709551616", "does not fit 64 bits"),
        ("channel_id", -1, "does not fit 64 bits"),
        ("channel_id", 1.0, "expected a channel id"),
        ("channel_id", False, "expected a channel id"),
        ("node1_pub", A[:-1], "is not a node id"),
        ("node2_pub", 5, "expected a node id"),
        ("node1_policy", "x", "expected an object, found 'x'"),
    ],
)
def test_a_wrong_value_in_a_channel_is_named(
    refused: Callable[[Any], str], key: str, value: object, problem: str
) -> None:
    contents = document()
    contents["edges"][1][key] = value
    message = refused(contents)
    assert message.startswith(f", edges[1].{key}: ")
    assert problem in message


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("fee_base_msat", "4294967296", "4294967296 is out of range (0 to 4294967295)"),
        ("fee_rate_milli_msat", "-1", "out of range"),
        ("fee_rate_milli_msat", 1e3, "expected a whole number, found 1000.0"),
        ("time_lock_delta", 65_536, "out of range"),
        ("min_htlc", "NaN", "expected a whole number"),
        ("max_htlc_msat", str(21 * 10**17 + 1), "out of range"),
        ("last_update", 2**32, "out of range"),
        ("inbound_fee_base_msat", -(2**31) - 1, "out of range"),
        ("inbound_fee_rate_milli_msat", 2**63, "out of range"),
        ("disabled", "false", "expected true or false, found 'false'"),
        ("disabled", 0, "expected true or false"),
    ],
)
def test_a_wrong_value_in_a_policy_is_named(
    refused: Callable[[Any], str], key: str, value: object, problem: str
) -> None:
    contents = document()
    contents["edges"][0]["node2_policy"][key] = value
    message = refused(contents)
    assert message.startswith(f", edges[0].node2_policy.{key}: ")
    assert problem in message


@pytest.mark.parametrize("key", ["channel_id", "capacity", "node1_pub"])
def test_a_missing_field_of_a_channel_is_named(refused: Callable[[Any], str], key: str) -> None:
    contents = document()
    del contents["edges"][1][key]
    assert refused(contents) == f", edges[1]: the field {key} is missing"


@pytest.mark.parametrize("key", ["fee_base_msat", "fee_rate_milli_msat", "time_lock_delta", "min_htlc"])
def test_a_missing_fee_is_not_taken_for_free(refused: Callable[[Any], str], key: str) -> None:
    contents = document()
    del contents["edges"][0]["node1_policy"][key]
    assert refused(contents) == f", edges[0].node1_policy: the field {key} is missing"


def test_a_channel_that_is_there_twice_is_named_with_both_places(refused: Callable[[Any], str]) -> None:
    contents = document()
    contents["edges"].append(contents["edges"][0])
    assert refused(contents) == ", edges[2]: channel 800000x1x1 is there twice, first at edges[0]"


def test_a_node_that_is_there_twice_is_named_with_both_places(refused: Callable[[Any], str]) -> None:
    contents = document()
    contents["nodes"].append(contents["nodes"][1])
    assert refused(contents) == f", nodes[4]: node {B} is there twice, first at nodes[1]"


def test_a_channel_of_an_unknown_node_is_named(refused: Callable[[Any], str]) -> None:
    contents = document()
    del contents["nodes"][1]
    message = refused(contents)
    assert message == f", edges[0]: channel 800000x1x1 names node {B}, which is not among the nodes"


def test_a_channel_from_a_node_to_itself_is_refused(refused: Callable[[Any], str]) -> None:
    contents = document()
    contents["edges"][0]["node2_pub"] = A
    assert refused(contents) == f", edges[0]: channel 800000x1x1 joins node {A} to itself"


@pytest.mark.parametrize(
    ("row", "key", "value", "problem"),
    [
        (0, "pub_key", "04" + "11" * 32, "is not a node id"),
        (0, "pub_key", A.upper().replace("1", "A"), "is not a node id"),
        (1, "alias", 7, "expected an alias"),
        (1, "alias", "x" * 129, "an alias of 129 characters"),
        (3, "last_update", "soon", "expected a whole number"),
    ],
)
def test_a_wrong_value_in_a_node_is_named(
    refused: Callable[[Any], str], row: int, key: str, value: object, problem: str
) -> None:
    contents = document()
    contents["nodes"][row][key] = value
    message = refused(contents)
    assert message.startswith(f", nodes[{row}].{key}: ")
    assert problem in message


@pytest.mark.parametrize(("key", "value"), [("nodes", {}), ("edges", None), ("nodes", [1]), ("edges", [[]])])
def test_lists_must_be_lists_of_objects(refused: Callable[[Any], str], key: str, value: object) -> None:
    assert refused(document() | {key: value}).startswith(f", {key}")


def test_a_number_beyond_64_bits_is_no_whole_number(refused: Callable[[Any], str]) -> None:
    contents = orjson.dumps(document()).replace(b'"1000000"', b"18446744073709551616")
    assert refused(contents) == ", edges[0].capacity: expected a whole number, found 1.8446744073709552e+19"


def test_a_node_id_off_the_curve_is_accepted(tmp_path: Path) -> None:
    contents = document()
    contents["nodes"].append({"pub_key": "02" + "ff" * 32, "alias": "nowhere on the curve"})
    (tmp_path / "g.json").write_text(json.dumps(contents))
    assert read_graph(tmp_path / "g.json").graph.node_count == 5


def test_an_empty_network_is_a_network(tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text('{"nodes": [], "edges": []}')
    graph = read_graph(tmp_path / "g.json").graph
    assert (graph.node_count, graph.channel_count) == (0, 0)
    for format_ in (GraphFormat.LND, GraphFormat.PARQUET):
        write_graph(graph, tmp_path / "out", format_)
        assert differences(read_graph(tmp_path / "out").graph, graph) == []


def test_too_many_nodes_or_channels_are_refused(refused: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch) -> None:
    from lightninglens.storage.files.graphs import columns

    monkeypatch.setattr(columns, "MAX_CHANNELS", 1)
    assert refused(document()) == ": 2 channels are too many (at most 1)"
    monkeypatch.setattr(columns, "MAX_NODES", 3)
    assert refused(document()) == ": 4 nodes are too many (at most 3)"


def test_what_is_written_has_the_form_that_lncli_prints(tmp_path: Path) -> None:
    graph = read_graph(SMALL).graph
    write_graph(graph, tmp_path / "out.json", GraphFormat.LND, origin=GraphOrigin(format="lnd", snapshot_s=17))
    written, original = json.loads((tmp_path / "out.json").read_text()), document()
    for edge, before in zip(written["edges"], original["edges"], strict=True):
        chan_point = edge.pop("chan_point")
        assert len(chan_point.split(":")[0]) == 64
        assert chan_point.split(":")[1] == before.pop("chan_point").split(":")[1]
        assert edge == before
    for node in written["nodes"]:
        assert set(node) == set(original["nodes"][0])
    assert differences(read_graph(tmp_path / "out.json").graph, graph) == []


def test_the_real_network_is_read_as_it_is() -> None:
    found = read_graph(mainnet())
    graph = found.graph
    assert (graph.node_count, graph.channel_count) == (17_324, 50_808)
    assert int(graph.capacity_sat.sum()) == 536_168_010_515
    assert int(graph.usable().sum()) == 65_809
    assert (found.dropped, found.adjusted) == ({}, {})
    assert "ACINQ" in graph.aliases
    raw = orjson.loads(gzip.decompress(mainnet().read_bytes()))
    assert [str(int(id_)) for id_ in graph.channel_ids] == [edge["channel_id"] for edge in raw["edges"]]
    for row in np.linspace(0, graph.channel_count - 1, 500).astype(int):
        edge = raw["edges"][row]
        assert graph.channel_id(row) == ChannelId(int(edge["channel_id"]))
        assert graph.node_ids[graph.node1[row]] == edge["node1_pub"]
        for side in (0, 1):
            policy, before = graph.policies.get(2 * row + side), edge[f"node{side + 1}_policy"]
            assert (policy is None) == (before is None)
            if policy is not None:
                assert policy.fee_rate_ppm == int(before["fee_rate_milli_msat"])
                assert policy.max_htlc_msat == int(before["max_htlc_msat"])


def test_the_real_network_survives_both_forms(tmp_path: Path) -> None:
    found = read_graph(mainnet())
    for name, format_ in (("g.parquet", GraphFormat.PARQUET), ("g.json.zst", GraphFormat.LND)):
        write_graph(found.graph, tmp_path / name, format_, origin=found.origin)
        again = read_graph(tmp_path / name)
        assert differences(again.graph, found.graph) == []
        assert again.origin.snapshot_s == found.origin.snapshot_s
