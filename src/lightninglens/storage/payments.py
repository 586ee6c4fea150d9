"""The payments of one running world in SQLite, so that they can be searched and paged through.

A scratch file: it is emptied when it is opened, and bounded. What is to last is
in the raw recording.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from lightninglens.core.errors import LensError
from lightninglens.storage.sqlite.store import SqliteStore

PAYMENTS_FILE = "payments.db"
DEFAULT_KEPT = 200_000

_METADATA = sa.MetaData()
_PAYMENTS = sa.Table(
    "payments",
    _METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("payment_id", sa.Integer),
    sa.Column("ended_ms", sa.Integer),
    sa.Column("kind", sa.Text),
    sa.Column("succeeded", sa.Integer),
    sa.Column("outcome", sa.Text),
    sa.Column("channels", sa.Text),
    sa.Column("words", sa.Text),
)
_BODIES = sa.Table(
    "payment_bodies",
    _METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPayment:
    """A payment that ended: what is looked for, and its body, which is only kept."""

    payment_id: int
    ended_ms: int
    kind: str
    succeeded: bool
    outcome: str
    channels: str
    """Ids of all channels that were tried, each with a space before and after it."""
    words: str
    """What a search looks in, casefolded."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentQuery:
    """Which payments are wanted, newest first; None asks for nothing."""

    limit: int
    before: int | None = None
    """Id of the payment that those wanted ended before."""
    search: str | None = None
    """Casefolded."""
    succeeded: bool | None = None
    outcome: str | None = None
    kind: str | None = None
    channel: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPayments:
    """One page of bodies, whether older ones fit as well, and how many fit in all."""

    bodies: Sequence[bytes]
    last_payment_id: int | None
    more: bool
    total: int


class PaymentLog(SqliteStore):
    """Payments in the file at `path`, of which the newest `kept` remain; a file that is there is begun anew."""

    def __init__(self, path: Path, *, kept: int = DEFAULT_KEPT) -> None:
        self._kept = kept
        self._sequence = 0
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        super().__init__(path, schema="payments", durability="normal")

    def append(self, payments: Sequence[LoggedPayment]) -> None:
        """Add payments in the order in which they ended; raises LensError when the disk refuses."""
        rows: list[dict[str, Any]] = []
        for payment in payments:
            self._sequence += 1
            row = {name: getattr(payment, name) for name in payment.__dataclass_fields__}
            rows.append({**row, "sequence": self._sequence, "succeeded": int(payment.succeeded)})
        if not rows:
            return
        oldest = self._sequence - self._kept
        try:
            with self._engine.begin() as connection:
                connection.execute(_PAYMENTS.insert(), [{k: v for k, v in row.items() if k != "body"} for row in rows])
                connection.execute(_BODIES.insert(), [{k: row[k] for k in ("sequence", "body")} for row in rows])
                for table in (_PAYMENTS, _BODIES):
                    connection.execute(table.delete().where(table.c.sequence <= oldest))
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: payments cannot be written any more ({problem.orig})") from None

    def find(self, query: PaymentQuery) -> FoundPayments:
        """Return the payments that fit; raises LensError when the file cannot be read."""
        wanted = _conditions(query)
        page = (
            sa.select(_PAYMENTS.c.payment_id, _BODIES.c.body)
            .join(_BODIES, _BODIES.c.sequence == _PAYMENTS.c.sequence)
            .where(*wanted)
            .order_by(_PAYMENTS.c.sequence.desc())
            .limit(query.limit + 1)
        )
        if query.before is not None:
            last = sa.select(_PAYMENTS.c.sequence).where(_PAYMENTS.c.payment_id == query.before).scalar_subquery()
            page = page.where(_PAYMENTS.c.sequence < last)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(page).all()
                total = connection.execute(sa.select(sa.func.count()).select_from(_PAYMENTS).where(*wanted)).scalar()
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: payments cannot be read ({problem.orig})") from None
        shown = rows[: query.limit]
        return FoundPayments(
            bodies=[row.body for row in shown],
            last_payment_id=shown[-1].payment_id if shown else None,
            more=len(rows) > query.limit,
            total=int(total or 0),
        )


def _conditions(query: PaymentQuery) -> list[sa.ColumnElement[bool]]:
    columns = _PAYMENTS.c
    wanted: list[sa.ColumnElement[bool]] = []
    if query.search:
        wanted.append(sa.func.instr(columns.words, query.search) > 0)
    if query.channel is not None:
        wanted.append(sa.func.instr(columns.channels, f" {query.channel} ") > 0)
    for column, value in ((columns.outcome, query.outcome), (columns.kind, query.kind)):
        if value is not None:
            wanted.append(column == value)
    if query.succeeded is not None:
        wanted.append(columns.succeeded == int(query.succeeded))
    if query.since_ms is not None:
        wanted.append(columns.ended_ms >= query.since_ms)
    if query.until_ms is not None:
        wanted.append(columns.ended_ms <= query.until_ms)
    return wanted
