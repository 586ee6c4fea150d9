"""Readings of a node's series in SQLite, so that rules over them can be tried on the past."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from lightninglens.core.errors import DataError, LensError
from lightninglens.storage.sqlite.engine import READ_ONLY
from lightninglens.storage.sqlite.store import SqliteStore

READINGS_FILE = "readings.db"


class StoredReading(NamedTuple):
    """One value of a series; the subject is empty where it is the node itself."""

    series: str
    subject: str
    at_ms: int
    value: float


class ReadingStore(SqliteStore):
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, schema="readings", durability="normal")
        self._lines: dict[tuple[str, str], int] = {}

    @property
    def folder(self) -> Path:
        """Where the file is."""
        return self._path.parent

    def append(self, readings: Iterable[StoredReading]) -> None:
        """Write readings, all or none; raises LensError when the disk refuses."""
        rows = list(readings)
        try:
            with self._engine.begin() as connection:
                known = dict(self._lines)
                for each in rows:
                    if (each.series, each.subject) not in known:
                        known[each.series, each.subject] = _line(connection, each.series, each.subject)
                values = [(known[each.series, each.subject], each.at_ms, each.value) for each in rows]
                if values:
                    connection.exec_driver_sql("INSERT OR REPLACE INTO readings VALUES (?, ?, ?)", values)
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: readings cannot be written ({problem.orig})") from None
        self._lines = known

    def of_series(self, series: str, *, since_ms: int, until_ms: int) -> Sequence[StoredReading]:
        """Return the readings of a series, oldest first; raises DataError."""
        query = (
            "SELECT subject, at_ms, value FROM readings JOIN lines USING (line)"
            " WHERE series = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, subject"
        )
        try:
            with self._engine.connect().execution_options(**READ_ONLY) as connection:
                rows = connection.exec_driver_sql(query, (series, since_ms, until_ms)).fetchall()
        except sa.exc.DatabaseError as problem:
            raise DataError(f"readings cannot be read ({problem.orig})", where=str(self._path)) from None
        return [StoredReading(series, *row) for row in rows]

    def forget(self, *, before_ms: int) -> int:
        """Delete what was read before a time; returns how many."""
        try:
            with self._engine.begin() as connection:
                return int(connection.exec_driver_sql("DELETE FROM readings WHERE at_ms < ?", (before_ms,)).rowcount)
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: old readings cannot be deleted ({problem.orig})") from None


def _line(connection: sa.Connection, series: str, subject: str) -> int:
    connection.exec_driver_sql("INSERT OR IGNORE INTO lines (series, subject) VALUES (?, ?)", (series, subject))
    found = connection.exec_driver_sql("SELECT line FROM lines WHERE series = ? AND subject = ?", (series, subject))
    return int(found.scalar_one())
