"""Remedies that were taken; what they brought is worked out from what was forwarded."""

import sqlalchemy as sa
from alembic import op

revision = "remedies_0001"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "remedies",
        sa.Column("at_ns", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("at_ns", "channel", "kind"),
        sqlite_with_rowid=False,
    )
