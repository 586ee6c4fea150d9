import shutil
from pathlib import Path

import pytest
from tests.support.graphs import FIXTURES

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.storage.files.graphs import GraphFormat, read_graph
from lightninglens.storage.files.graphs.cloth import read_cloth

SMALL = FIXTURES / "cloth"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SMALL, tmp_path / "cloth"))


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


def test_reads_a_network_with_its_balances() -> None:
    network = read_cloth(SMALL)
    graph = network.parsed.graph
    assert (graph.node_count, graph.channel_count) == (4, 4)
    assert graph.capacity_sat.tolist() == [50_000, 80_000, 60_000, 70_000]
    # The second channel names the greater node first and is turned round with its balances and policies.
    assert (graph.node1[1], graph.node2[1]) == (1, 2)
    assert network.balance_msat.tolist()[:4] == [20_000_000, 30_000_000, 70_000_000, 10_000_000]
    assert graph.policies.fee_rate_ppm.tolist()[:4] == [1, 2, 4, 3]
    assert graph.policies.max_htlc_msat[0] == 50_000_000


def test_a_folder_is_a_graph_for_every_command() -> None:
    found = read_graph(SMALL)
    assert found.format is GraphFormat.CLOTH
    assert found.origin.sha256 == found.sha256 == read_cloth(SMALL).sha256


def test_aliases_do_not_fit_numbers() -> None:
    with pytest.raises(ConfigError, match="has numbers"):
        read_graph(SMALL, aliases=SMALL / "nodes_ln.csv")


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "edges_ln.csv",
            "0,0,1,0,1,20000000",
            "0,0,1,0,1,x",
            r"edges_ln.csv, line 2, balance: expected a whole number",
        ),
        ("edges_ln.csv", "0,0,1,0,1,20000000", "0,0,1,0,1,1", r"channels_ln.csv, line 2, capacity: the balances"),
        ("edges_ln.csv", "1,0,0,1,0", "1,0,0,2,0", r"channels_ln.csv, line 2, edge2_id: the edge does not start"),
        ("edges_ln.csv", "0,0,1,0,1,20000000,1000,1", "0,0,1,0,1,20000000,1000,-1", r"line 2, fee_proportional: -1"),
        ("channels_ln.csv", "50000000", "50000001", r"line 2, capacity: the capacity is not whole satoshis"),
        ("channels_ln.csv", "0,0,1,0,1", "0,0,9,0,1", r"line 2, edge2_id: 9 is out of range \(0 to 7\)"),
        ("channels_ln.csv", "id,edge1_id", "id,edge", r"channels_ln.csv, line 1: expected the columns id, edge1_id"),
        ("nodes_ln.csv", "1\n", "7\n", r"nodes_ln.csv, line 3, id: the id is 7: ids count from 0"),
        ("nodes_ln.csv", "1\n", "1,1\n", r"nodes_ln.csv, line 3: 2 columns instead of 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(folder: Path, name: str, old: str, new: str, told: str) -> None:
    change(folder, name, old, new)
    with pytest.raises(DataError, match=told):
        read_graph(folder)


def test_a_folder_without_the_files_says_which_there_must_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a network of CLoTH.s, which has nodes_ln.csv, .*edges_ln.csv"):
        read_graph(tmp_path)


def test_a_file_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "nodes_ln.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a CSV file"):
        read_graph(folder)


def test_a_folder_with_only_some_of_the_files_says_which_is_missing(folder: Path) -> None:
    (folder / "edges_ln.csv").unlink()
    with pytest.raises(DataError, match=r"edges_ln.csv: cannot be read .*a network of CLoTH.s has"):
        read_graph(folder)
