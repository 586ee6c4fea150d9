"""What a node was asked to forward: attempts, payments, hourly sums, channels, and what was not seen.

Of payments those are kept that are open, or that our node refused at least once.

Ids of channels are signed here: SQLite's integers are, and an id of 64 bits may not fit otherwise.
"""

import sqlalchemy as sa
from alembic import op

revision = "forwards_0001"
down_revision = None

_KEY = ("hour", "incoming_channel_id", "outgoing_channel_id", "bucket", "distance", "state", "cause")
_SUMS = ("attempts", "amount_msat", "fee_msat", "payments", "payment_amount_msat", "payment_fee_msat", "held_ns")


def _whole(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _perhaps(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer) for name in names]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "attempts",
        sa.Column("sequence", sa.Integer, primary_key=True),
        *_whole("incoming_channel_id", "incoming_htlc_id", "outgoing_channel_id", "outgoing_htlc_id", "began_ns"),
        *_perhaps("ended_ns"),
        *_whole("state", "cause", "incoming_amount_msat", "outgoing_amount_msat"),
        *_perhaps("outgoing_spendable_msat", "incoming_spendable_msat", "remaining_blocks"),
        *_whole("payment"),
        sa.UniqueConstraint("incoming_channel_id", "incoming_htlc_id"),
    )
    op.create_index(
        "ix_attempts_refused",
        "attempts",
        ["outgoing_channel_id", "began_ns"],
        sqlite_where=sa.text("state = 3"),
    )
    op.create_table(
        "payments",
        sa.Column("number", sa.Integer, primary_key=True),
        *_whole("incoming_channel_id", "outgoing_channel_id", "began_ns", "latest_ns", "attempts"),
        *_whole("amount_msat", "fee_msat", "settled_msat", "settled_fee_msat", "state", "cause"),
        *_whole("refused_here", "failed_downstream"),
        *_perhaps("outgoing_spendable_msat", "incoming_spendable_msat", "remaining_blocks"),
        *_whole("elsewhere_fee_msat", "probing", "closed"),
    )
    op.create_index("ix_payments_began", "payments", ["began_ns"])
    op.create_table("sums", *_whole(*_KEY), *_whole(*_SUMS), sa.PrimaryKeyConstraint(*_KEY), sqlite_with_rowid=False)
    op.create_table(
        "covered", sa.Column("from_ns", sa.Integer, primary_key=True), *_whole("to_ns"), sqlite_with_rowid=False
    )
    op.create_table(
        "gaps",
        sa.Column("sequence", sa.Integer, primary_key=True),
        *_whole("from_ns", "to_ns"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        *_perhaps("lost", "forwards"),
    )
    op.create_table(
        "channels",
        sa.Column("channel_id", sa.Integer, primary_key=True),
        *_whole("seen_ns"),
        sa.Column("peer_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "balances",
        *_whole("hour", "channel_id", "local_msat", "remote_msat", "outbound_msat", "inbound_msat", "active"),
        sa.PrimaryKeyConstraint("hour", "channel_id"),
        sqlite_with_rowid=False,
    )
    op.create_table("numbers", sa.Column("name", sa.Text, primary_key=True), *_whole("value"))
