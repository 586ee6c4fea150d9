"""The payments of the running world, to be searched; their bodies apart, so that a search reads little."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "payments",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("payment_id", sa.Integer, nullable=False, unique=True),
        sa.Column("ended_ms", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("succeeded", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("channels", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_index("ix_payments_ended", "payments", ["ended_ms"])
    op.create_table(
        "payment_bodies",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
