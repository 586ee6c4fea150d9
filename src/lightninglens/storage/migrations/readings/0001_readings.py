"""Readings of series: one row where a value changed, and one now and then where it did not."""

import sqlalchemy as sa
from alembic import op

revision = "readings_0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "lines",
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("series", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.UniqueConstraint("series", "subject"),
    )
    op.create_table(
        "readings",
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.Integer, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("line", "at_ms"),
        sqlite_with_rowid=False,
    )
