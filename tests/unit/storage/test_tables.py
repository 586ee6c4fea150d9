"""Tables and runs that are not what they should be are refused in words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lightninglens.core.errors import DataError
from lightninglens.sim.scenario import Scenario
from lightninglens.storage.files import runs
from lightninglens.storage.files.codec import MAX_JSON_BYTES, from_json, read_record
from lightninglens.storage.files.tables import ATTEMPTS, NODES, TABLES, Table, read_table, write_table

Columns = dict[str, np.ndarray | pl.Series]


def nodes_table(path: Path) -> Path:
    names = pl.Series(["a", "b"])
    write_table(NODES, {"row": np.arange(2), "node_id": names, "alias": names}, path)
    return path


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    frame = read_table(NODES, nodes_table(tmp_path / "nodes.parquet"))
    assert frame["alias"].to_list() == ["a", "b"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.format)
def test_an_empty_table_has_its_columns(table: Table, tmp_path: Path) -> None:
    columns: Columns = {column.name: pl.Series([], dtype=column.dtype) for column in table.columns}
    assert write_table(table, columns, tmp_path / "empty.parquet") == 0
    assert read_table(table, tmp_path / "empty.parquet").schema == table.schema


def test_another_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lightninglens/run/nodes/1"):
        read_table(ATTEMPTS, nodes_table(tmp_path / "nodes.parquet"))


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="no table of ours"):
        read_table(NODES, tmp_path / "x.parquet")


def test_other_columns_are_refused(tmp_path: Path) -> None:
    wrong = replace(NODES, columns=NODES.columns[:2])
    write_table(wrong, {"row": np.arange(1), "node_id": pl.Series(["a"])}, tmp_path / "x.parquet")
    with pytest.raises(DataError, match="columns"):
        read_table(NODES, tmp_path / "x.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.parquet"):
        read_table(NODES, tmp_path / "x.parquet")


def test_a_run_needs_a_directory_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="this is a file"):
        runs.check_target(tmp_path / "file")
    runs.check_target(tmp_path / "new")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    facts = runs.FileFacts(format=NODES.format, rows=0, sha256="")
    scenario = read_record_of_a_scenario()
    graph = runs.GraphFacts(nodes=0, channels=0, content_sha256="")
    manifest = runs.Manifest(scenario=scenario, complete=True, graph=graph, versions={}, files={"nodes.parquet": facts})
    with pytest.raises(DataError, match=r"no nodes\.parquet"):
        runs.read_run_table(tmp_path, manifest, "nodes", NODES)


def read_record_of_a_scenario() -> Scenario:
    data = b'{"format": "lightninglens/scenario/1", "name": "x", "seed": 1, "payments": 1, "graph": {"kind": "lab"}}'
    return from_json(Scenario, data, where="x")


def test_a_record_longer_than_any_is_refused() -> None:
    with pytest.raises(DataError, match="more than this format"):
        from_json(runs.Manifest, b" " * (MAX_JSON_BYTES + 1), where="x")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.json"):
        read_record(runs.Manifest, tmp_path / "manifest.json")
