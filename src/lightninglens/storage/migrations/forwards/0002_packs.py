"""Hours, days and a history that are over, packed: what an analysis reads at once.

What is in `sums` and `payments` already stays there until the recorder packs it;
an analysis reads both.
"""

import sqlalchemy as sa
from alembic import op

revision = "forwards_0002"
down_revision = "forwards_0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "packs",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("from_hour", sa.Integer, nullable=False),
        sa.Column("to_hour", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("kind", "from_hour"),
    )
