"""The journal of what was done with money, in a SQLite database of its own (implements `core.ports.Journal`)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from lightninglens.core.errors import DataError, LensError
from lightninglens.core.records import JOURNAL_FORMAT, JournalRecord, JournalState, RebalanceChange
from lightninglens.core.units import Msat, UnixNs
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.sqlite.store import SqliteStore

JOURNAL_FILE = "journal.db"

_TABLE = sa.Table(
    "journal",
    sa.MetaData(),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("format", sa.Text),
    sa.Column("recorded_ns", sa.Integer),
    sa.Column("plan_id", sa.Text),
    sa.Column("change_index", sa.Integer),
    sa.Column("author", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("change", sa.Text),
    sa.Column("reserved_msat", sa.Integer),
    sa.Column("moved_msat", sa.Integer),
    sa.Column("fee_msat", sa.Integer),
    sa.Column("detail", sa.Text),
)


class SqliteJournal(SqliteStore):
    """A journal in the file at `path`; `append` returns when the record is on disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, schema="journal", durability="full")

    def append(self, record: JournalRecord) -> JournalRecord:
        """Write one record and return it with its sequence number; raises LensError when the disk refuses."""
        row = {
            "format": record.format,
            "recorded_ns": record.recorded_ns,
            "plan_id": record.plan_id,
            "change_index": record.change_index,
            "author": record.author,
            "state": record.state.value,
            "change": to_json(record.change).decode(),
            "reserved_msat": record.reserved_msat,
            "moved_msat": record.moved_msat,
            "fee_msat": record.fee_msat,
            "detail": record.detail,
        }
        try:
            with self._engine.begin() as connection:
                sequence = connection.execute(_TABLE.insert().values(row)).lastrowid
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: the journal cannot be written ({problem.orig}); nothing was done") from None
        return replace(record, sequence=int(sequence))

    def records(self, *, since_sequence: int = 0) -> Sequence[JournalRecord]:
        """Return the records after `since_sequence`, oldest first; raises DataError when one cannot be read."""
        query = sa.select(_TABLE).where(_TABLE.c.sequence > since_sequence).order_by(_TABLE.c.sequence)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).mappings().all()
        except sa.exc.DatabaseError as problem:
            raise DataError(f"the journal cannot be read ({problem.orig})", where=str(self._path)) from None
        return [self._decode(dict(row)) for row in rows]

    def _decode(self, row: dict[str, Any]) -> JournalRecord:
        where = f"{self._path}, record {row['sequence']}"
        if row["format"] != JOURNAL_FORMAT:
            raise DataError(f"unknown format {row['format']!r}", where=where)
        return JournalRecord(
            format=row["format"],
            sequence=row["sequence"],
            recorded_ns=UnixNs(row["recorded_ns"]),
            plan_id=row["plan_id"],
            change_index=row["change_index"],
            author=row["author"],
            state=JournalState(row["state"]),
            change=from_json(RebalanceChange, row["change"].encode(), where=where),
            reserved_msat=Msat(row["reserved_msat"]),
            moved_msat=Msat(row["moved_msat"]),
            fee_msat=Msat(row["fee_msat"]),
            detail=row["detail"],
        )
