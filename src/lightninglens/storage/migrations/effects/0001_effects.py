"""The ledger of effects: what was done and, later, what came of it; never altered."""

import sqlalchemy as sa
from alembic import op

revision = "effects_0001"
down_revision = None

_REFUSALS = ("UPDATE", "DELETE")


def upgrade() -> None:
    """Create the tables, and the triggers that keep them append-only."""
    for table in ("effects", "effects_known"):
        op.create_table(
            table,
            sa.Column("sequence", sa.Integer, primary_key=True),
            sa.Column("plan_id", sa.Text, nullable=False),
            sa.Column("change_index", sa.Integer, nullable=False),
            sa.Column("body", sa.Text, nullable=False),
            sa.UniqueConstraint("plan_id", "change_index"),
            sqlite_autoincrement=True,
        )
        for action in _REFUSALS:
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{action.lower()} BEFORE {action} ON {table}"
                " BEGIN SELECT RAISE(ABORT, 'the ledger of effects is append-only'); END"
            )
