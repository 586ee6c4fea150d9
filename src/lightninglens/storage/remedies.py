"""Remedies that were taken, in SQLite: append-only, each on disk when `append` returns."""

from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

from lightninglens.core.errors import DataError, LensError
from lightninglens.core.remedies import Remedy
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.sqlite.engine import READ_ONLY
from lightninglens.storage.sqlite.store import SqliteStore

REMEDIES_FILE = "remedies.db"


class RemedyStore(SqliteStore):
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, schema="remedies", durability="full")

    def append(self, remedies: Iterable[Remedy]) -> None:
        """Write remedies; one that is there stays as it is. Raises LensError when the disk refuses."""
        rows = [(each.at_ns, str(each.channel_id), each.kind.value, to_json(each).decode()) for each in remedies]
        if not rows:
            return
        try:
            with self._engine.begin() as connection:
                connection.exec_driver_sql("INSERT OR IGNORE INTO remedies VALUES (?, ?, ?, ?)", rows)
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: a remedy cannot be written ({problem.orig})") from None

    def remedies(self, *, since_ns: int, limit: int) -> list[Remedy]:
        """Return the newest remedies of a time, newest first; raises DataError."""
        query = "SELECT body FROM remedies WHERE at_ns >= ? ORDER BY at_ns DESC, channel, kind LIMIT ?"
        try:
            with self._engine.connect().execution_options(**READ_ONLY) as connection:
                rows = connection.exec_driver_sql(query, (since_ns, limit)).fetchall()
        except sa.exc.DatabaseError as problem:
            raise DataError(f"remedies cannot be read ({problem.orig})", where=str(self._path)) from None
        return [from_json(Remedy, row[0].encode(), where=str(self._path)) for row in rows]
