"""A run on disk: a directory with a manifest, four tables and a file of timings.

Everything but the timings is a function of the scenario: the same scenario and
seed give the same bytes. A directory becomes visible only when it is whole.
"""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.records import STRICT
from lightninglens.sim.scenario import Scenario
from lightninglens.storage.files.codec import read_record, to_json
from lightninglens.storage.files.tables import Table, read_table, write_table

RUN_FORMAT = "lightninglens/run/1"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFacts:
    """Which graph a run was made on."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    nodes: int
    channels: int
    content_sha256: str
    """Over the columns, so that the same graph in two file formats is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One file of a run."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a run is, and the hashes that prove it unchanged."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = RUN_FORMAT
    scenario: Scenario
    complete: bool
    """False when the run was interrupted: the tables then hold what had ended until then."""
    graph: GraphFacts
    versions: dict[str, str]
    files: dict[str, FileFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long a run took and on what; the only part that differs from run to run."""

    format: str = "lightninglens/run/timings/1"
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableData:
    """A table to be written."""

    name: str
    table: Table
    columns: dict[str, NDArray[np.generic] | pl.Series]


def check_target(directory: Path) -> None:
    """Raise DataError when a run cannot be written there: it exists and is no run, or is not empty."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise DataError("this is a file; name a new directory for the run", where=str(directory))
    if any(directory.iterdir()) and not (directory / MANIFEST).exists():
        raise DataError("this directory holds other things; name a new one for the run", where=str(directory))


def write_run(directory: Path, manifest: Manifest, tables: list[TableData], timings: Timings) -> Manifest:
    """Write a run, replacing an earlier one there, and return its manifest with the files' hashes."""
    check_target(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as name:
        made = Path(name) / "run"
        made.mkdir()
        files = {}
        for data in tables:
            path = made / f"{data.name}.parquet"
            rows = write_table(data.table, data.columns, path)
            files[path.name] = FileFacts(format=data.table.format, rows=rows, sha256=sha256_of(path))
        whole = Manifest(
            scenario=manifest.scenario,
            complete=manifest.complete,
            graph=manifest.graph,
            versions=manifest.versions,
            files=files,
        )
        (made / "timings.json").write_bytes(to_json(timings))
        (made / MANIFEST).write_bytes(to_json(whole))
        if directory.exists():
            shutil.rmtree(directory)
        made.rename(directory)
    return whole


def read_manifest(directory: Path) -> Manifest:
    """Read a run's manifest; raises DataError when the directory is no run of this version."""
    if not (directory / MANIFEST).is_file():
        raise DataError(f"there is no {MANIFEST} here, so this is no run", where=str(directory))
    return read_record(Manifest, directory / MANIFEST)


def read_timings(directory: Path) -> Timings:
    """Read how long a run took; raises DataError."""
    return read_record(Timings, directory / "timings.json")


def read_run_table(directory: Path, manifest: Manifest, name: str, table: Table) -> pl.DataFrame:
    """Read one table of a run and check it against the manifest; raises DataError."""
    path = directory / f"{name}.parquet"
    facts = manifest.files.get(path.name)
    if facts is None or not path.is_file():
        raise DataError(f"this run has no {path.name}", where=str(directory))
    if sha256_of(path) != facts.sha256:
        raise DataError("it was changed after the run: its hash is not the manifest's", where=str(path))
    return read_table(table, path)


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
