"""The journal: one row per step of a change, never altered."""

import sqlalchemy as sa
from alembic import op

revision = "journal_0001"
down_revision = None

_REFUSALS = ("UPDATE", "DELETE")


def upgrade() -> None:
    """Create the table, and the triggers that keep it append-only."""
    op.create_table(
        "journal",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("recorded_ns", sa.Integer, nullable=False),
        sa.Column("plan_id", sa.Text, nullable=False),
        sa.Column("change_index", sa.Integer, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("reserved_msat", sa.Integer, nullable=False),
        sa.Column("moved_msat", sa.Integer, nullable=False),
        sa.Column("fee_msat", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('refused', 'planned', 'sent', 'succeeded', 'failed')", name="state_known"),
        sa.CheckConstraint("reserved_msat >= 0 AND moved_msat >= 0 AND fee_msat >= 0", name="money_not_negative"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_plan", "journal", ["plan_id", "change_index", "sequence"])
    for action in _REFUSALS:
        op.execute(
            f"CREATE TRIGGER journal_refuses_{action.lower()} BEFORE {action} ON journal"
            " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )
