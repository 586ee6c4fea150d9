"""The ledger of effects in SQLite: append-only, each record on disk when `append` returns."""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from lightninglens.core.effects import Effect, EffectKnown
from lightninglens.core.errors import DataError, LensError
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.sqlite.store import SqliteStore

EFFECTS_FILE = "effects.db"

_METADATA = sa.MetaData()


def _table(name: str) -> sa.Table:
    return sa.Table(
        name,
        _METADATA,
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("plan_id", sa.Text),
        sa.Column("change_index", sa.Integer),
        sa.Column("body", sa.Text),
    )


_EFFECTS = _table("effects")
_KNOWN = _table("effects_known")


class SqliteEffects(SqliteStore):
    """The ledger in the file at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, schema="effects", durability="full")

    def append(self, record: Effect | EffectKnown) -> None:
        """Write a record; one that is there already stays as it is. Raises LensError when the disk refuses."""
        table = _EFFECTS if isinstance(record, Effect) else _KNOWN
        row = {
            "plan_id": record.plan_id,
            "change_index": record.change_index,
            "body": to_json(record).decode(),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(table.insert().prefix_with("OR IGNORE").values(row))
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: the ledger of effects cannot be written ({problem.orig})") from None

    def newest(self, limit: int) -> Sequence[tuple[Effect, EffectKnown | None]]:
        """Return the newest effects with what is known of them, newest first; raises DataError."""
        same = sa.and_(_KNOWN.c.plan_id == _EFFECTS.c.plan_id, _KNOWN.c.change_index == _EFFECTS.c.change_index)
        query = (
            sa.select(_EFFECTS.c.sequence, _EFFECTS.c.body, _KNOWN.c.body.label("known"))
            .join(_KNOWN, same, isouter=True)
            .order_by(_EFFECTS.c.sequence.desc())
            .limit(limit)
        )
        found = []
        for row in self._rows(query):
            where = f"{self._path}, record {row.sequence}"
            known = from_json(EffectKnown, row.known.encode(), where=where) if row.known is not None else None
            found.append((from_json(Effect, row.body.encode(), where=where), known))
        return found

    def keys(self) -> set[tuple[str, int]]:
        """Return plan and index of every change in the ledger; raises DataError."""
        return {(row.plan_id, row.change_index) for row in self._rows(sa.select(_EFFECTS))}

    def _rows(self, query: sa.Select[tuple[object, ...]]) -> Sequence[sa.Row[tuple[object, ...]]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except sa.exc.DatabaseError as problem:
            raise DataError(f"the ledger of effects cannot be read ({problem.orig})", where=str(self._path)) from None
