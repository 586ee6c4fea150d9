"""A run on disk: a directory with a manifest, five tables and a file of timings; large tables in parts.

Everything but the timings is a function of the scenario: the same scenario and
seed give the same bytes. A directory becomes visible only when it is whole.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.records import STRICT
from lightninglens.sim.counterfactual import AddedLiquidity
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
    changes: tuple[AddedLiquidity, ...] = ()
    """Of a counterfactual: what it has otherwise, and since when."""
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


class RunWriter:
    """A run being written: nothing is seen at `directory` before it is finished.

    A table that is added again goes on in a further file: `payments.parquet`,
    then `payments-0001.parquet`.
    """

    def __init__(self, directory: Path) -> None:
        """Make room beside the directory; raises DataError when it cannot take a run."""
        check_target(directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._temporary = tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent)
        self.folder = Path(self._temporary.name) / "run"
        """Where files stand until the run is finished."""
        self.folder.mkdir()
        self._files: dict[str, FileFacts] = {}
        self.parts: dict[str, int] = {}
        """How many files each table has so far."""

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not finished."""
        self._temporary.cleanup()

    def add(self, data: TableData) -> None:
        """Write a table, or its next part."""
        path = self._next(data.name)
        rows = write_table(data.table, data.columns, path)
        self._files[path.name] = FileFacts(format=data.table.format, rows=rows, sha256=sha256_of(path))

    def keep(self, directory: Path, manifest: Manifest, name: str, parts: int) -> None:
        """Take the first parts of a table over from another run; raises DataError when they were changed."""
        for part in range(parts):
            known = part_name(name, part)
            shutil.copyfile(_checked(directory, manifest, known), self._next(name))
            self._files[known] = manifest.files[known]

    def finish(self, manifest: Manifest, timings: Timings) -> Manifest:
        """Let the run take the place of what stood there, and return its manifest with the files' hashes."""
        whole = replace(manifest, files=dict(sorted(self._files.items())))
        (self.folder / "timings.json").write_bytes(to_json(timings))
        (self.folder / MANIFEST).write_bytes(to_json(whole))
        if self._directory.exists():
            shutil.rmtree(self._directory)
        self.folder.rename(self._directory)
        return whole

    def _next(self, name: str) -> Path:
        part = self.parts.get(name, 0)
        self.parts[name] = part + 1
        return self.folder / part_name(name, part)


def part_name(table: str, part: int) -> str:
    """Return the file that holds a part of a table."""
    return f"{table}-{part:04d}.parquet" if part else f"{table}.parquet"


def read_manifest(directory: Path) -> Manifest:
    """Read a run's manifest; raises DataError when the directory is no run of this version."""
    if not (directory / MANIFEST).is_file():
        raise DataError(f"there is no {MANIFEST} here, so this is no run", where=str(directory))
    return read_record(Manifest, directory / MANIFEST)


def read_timings(directory: Path) -> Timings:
    """Read how long a run took; raises DataError."""
    return read_record(Timings, directory / "timings.json")


def read_run_table(
    directory: Path, manifest: Manifest, name: str, table: Table, *, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Read one table of a run, or some of its columns, and check it against the manifest; raises DataError."""
    parts = [read_table(table, _checked(directory, manifest, part_name(name, 0)), columns=columns)]
    while (further := part_name(name, len(parts))) in manifest.files:
        parts.append(read_table(table, _checked(directory, manifest, further), columns=columns))
    return pl.concat(parts)


def _checked(directory: Path, manifest: Manifest, name: str) -> Path:
    path = directory / name
    facts = manifest.files.get(name)
    if facts is None or not path.is_file():
        raise DataError(f"this run has no {name}", where=str(directory))
    if sha256_of(path) != facts.sha256:
        raise DataError("it was changed after the run: its hash is not the manifest's", where=str(path))
    return path


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
