"""What a node's own books say: forwards by the hour, payments to itself, costs on the chain, closed channels."""

import sqlalchemy as sa
from alembic import op

revision = "forwards_0003"
down_revision = "forwards_0002"


def _whole(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "self_payments",
        *_text("payment_hash"),
        *_whole("part", "settled_ns", "outgoing_channel_id", "incoming_channel_id", "amount_msat", "fee_msat"),
        sa.PrimaryKeyConstraint("payment_hash", "part"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_self_payments_settled", "self_payments", ["settled_ns"])
    op.create_table(
        "on_chain_costs",
        *_text("channel_point", "kind"),
        *_whole("channel_id"),
        *_text("peer_id", "transaction_id"),
        *_whole("at_ns"),
        sa.Column("fee_msat", sa.Integer),
        *_text("unknown"),
        sa.PrimaryKeyConstraint("channel_point", "kind"),
        sqlite_with_rowid=False,
    )
    op.create_table("closed_channels", sa.Column("channel_id", sa.Integer, primary_key=True), *_text("body"))
    op.create_table(
        "settled_hours",
        *_whole("hour", "incoming_channel_id", "outgoing_channel_id", "forwards", "amount_msat", "fee_msat"),
        sa.PrimaryKeyConstraint("hour", "incoming_channel_id", "outgoing_channel_id"),
        sqlite_with_rowid=False,
    )
