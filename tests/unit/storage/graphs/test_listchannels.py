import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.graphs import FIXTURES, differences

from lightninglens.core.errors import DataError
from lightninglens.core.units import MAX_MONEY_MSAT
from lightninglens.storage.files.graphs import GraphFormat, read_graph

SMALL = FIXTURES / "small.listchannels.json"
NODES = FIXTURES / "small.listnodes.json"
A, B, C = "02" + "11" * 32, "02" + "22" * 32, "03" + "33" * 32


def document() -> Any:
    return json.loads(SMALL.read_text())


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[Any], str]:
    """Write a document and return the text of the error that reading it gives."""

    def read(contents: Any) -> str:
        path = tmp_path / "channels.json"
        path.write_text(json.dumps(contents))
        with pytest.raises(DataError) as caught:
            read_graph(path)
        return str(caught.value).removeprefix(str(path))

    return read


def test_reads_what_lightning_cli_prints() -> None:
    found = read_graph(SMALL)
    graph = found.graph
    assert found.format is GraphFormat.LISTCHANNELS
    assert graph.node_ids == (A, B, C)
    assert [str(graph.channel_id(row)) for row in range(2)] == ["116x1x1", "118x1x0"]
    assert graph.capacity_sat.tolist() == [1_000_000, 250_000]
    policies = graph.policies
    assert policies.known.tolist() == [True, True, False, True]
    assert graph.usable().tolist() == [True, False, False, True]
    assert policies.fee_rate_ppm.tolist() == [10, 20, 0, 500]
    assert policies.base_fee_msat.tolist() == [1, 2, 0, 0]
    assert policies.time_lock_delta_blocks.tolist() == [6, 7, 0, 34]
    assert policies.min_htlc_msat.tolist() == [0, 1, 0, 1000]
    assert policies.max_htlc_msat.tolist() == [990_000_000, 980_000_000, 0, MAX_MONEY_MSAT]
    assert found.dropped == {"private channel directions": 1}
    assert found.adjusted == {"htlc limits above 21 million btc lowered": 1}
    assert found.origin.snapshot_s == 1_738_000_005


def test_listnodes_gives_the_names_in_either_way(tmp_path: Path) -> None:
    beside = read_graph(SMALL, aliases=NODES)
    assert beside.graph.aliases == ("SLEEPYGATE", "", "")
    (tmp_path / "both.json").write_text(json.dumps(document() | json.loads(NODES.read_text())))
    assert differences(read_graph(tmp_path / "both.json").graph, beside.graph) == []


def test_aliases_that_are_not_listnodes_are_refused() -> None:
    with pytest.raises(DataError, match=r"small\.listchannels\.json: expected the JSON of `lightning-cli listnodes`"):
        read_graph(SMALL, aliases=SMALL)


def test_without_a_greatest_htlc_the_capacity_counts(tmp_path: Path) -> None:
    contents = document()
    del contents["channels"][0]["htlc_maximum_msat"]
    (tmp_path / "g.json").write_text(json.dumps(contents))
    assert read_graph(tmp_path / "g.json").graph.policies.max_htlc_msat[0] == 1_000_000_000


@pytest.mark.parametrize(
    ("row", "key", "value", "message"),
    [
        (1, "direction", 0, ".direction: direction is 0, but the source is the greater of the two ids"),
        (1, "direction", 2, ".direction: 2 is out of range (0 to 1)"),
        (
            0,
            "amount_msat",
            1_000_000_001,
            ".amount_msat: the capacity 1000000001 msat is not whole satoshis",
        ),
        (0, "amount_msat", 0, ".amount_msat: 0 is out of range (1 to 2100000000000000)"),
        (
            1,
            "amount_msat",
            5000,
            ".amount_msat: channel 116x1x1 has another capacity here than at channels[0]",
        ),
        (0, "active", 1, ".active: expected true or false, found 1"),
        (3, "public", "no", ".public: expected true or false, found 'no'"),
        (2, "fee_per_millionth", 0.5, ".fee_per_millionth: expected a whole number, found 0.5"),
        (
            2,
            "htlc_minimum_msat",
            "-5msat",
            ".htlc_minimum_msat: -5 is out of range (0 to 9223372036854775807)",
        ),
        (2, "short_channel_id", "118x1", ".short_channel_id: '118x1' is not a channel id"),
        (2, "source", A[:-1], ".source: "),
        (1, "destination", C, ""),
        (2, "destination", C, ".direction: direction is 1"),
    ],
)
def test_a_wrong_value_is_named(refused: Callable[[Any], str], row: int, key: str, value: object, message: str) -> None:
    contents = document()
    contents["channels"][row][key] = value
    assert refused(contents).startswith(f", channels[{row}]{message}")


def test_a_direction_that_is_there_twice_is_named_with_both_places(refused: Callable[[Any], str]) -> None:
    contents = document()
    contents["channels"].append(contents["channels"][1])
    assert refused(contents) == ", channels[4]: channel 116x1x1 is there twice in direction 1, first at channels[1]"


def test_one_channel_has_one_pair_of_nodes(refused: Callable[[Any], str]) -> None:
    contents = document()
    contents["channels"][2]["short_channel_id"] = "116x1x1"
    contents["channels"][1]["short_channel_id"] = "117x1x1"
    message = refused(contents)
    assert message == ", channels[2]: channel 116x1x1 joins other nodes here than at channels[0]"


def test_channels_must_be_a_list_of_objects(refused: Callable[[Any], str]) -> None:
    assert refused({"channels": [document()["channels"][0], 5]}) == ", channels[1]: expected an object, found 5"
    assert refused({"channels": "none"}) == ", channels: expected a list, found 'none'"
