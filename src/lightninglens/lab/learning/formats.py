"""The CSV files between the stages: columns, types, meaning; and the names that others give to the same things.

An empty cell is a thing that the source does not tell. Times are ISO 8601 in UTC.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from lightninglens.storage.files.tables import Column, Table

_INT, _REAL, _TEXT, _TRUTH = pl.Int64(), pl.Float64(), pl.String(), pl.Boolean()
TIME: Final = pl.Datetime("us")


def _columns(*rows: tuple[str, pl.DataType, str]) -> tuple[Column, ...]:
    return tuple(Column(name=name, dtype=dtype, meaning=meaning) for name, dtype, meaning in rows)


TRANSACTIONS = Table(
    format="lightninglens/csv/transactions/1",
    meaning="Stage 2, `collected/transactions.csv`: one row per payment or rebalance that ended.",
    columns=_columns(
        ("world", _TEXT, "which recording or run; times and ids of two worlds have nothing to do with one another"),
        ("payment_id", _TEXT, "unique in its world"),
        ("timestamp", TIME, "when it began; where no duration is known, the one time that is"),
        ("duration_ms", _REAL, "until it ended"),
        ("type", _TEXT, "`payment` or `rebalance`"),
        ("sender", _TEXT, "name, as the source has it"),
        ("receiver", _TEXT, "name; the sender's own for a rebalance"),
        ("sender_id", _TEXT, "node id"),
        ("receiver_id", _TEXT, "node id"),
        ("amount", _REAL, "what the receiver was to get, sat"),
        ("fee", _REAL, "what the sender paid beyond that, sat"),
        ("route_length", _INT, "hops of the last route"),
        ("success", _TRUTH, "whether it arrived"),
        ("attempts", _INT, "routes that were tried"),
        ("failure_reason", _TEXT, "of the last attempt"),
        ("description", _TEXT, "what it was for"),
    ),
)

ATTEMPTS = Table(
    format="lightninglens/csv/attempts/1",
    meaning="Stage 2, `collected/attempts.csv`: one row per attempt. Lists are separated by spaces.",
    columns=_columns(
        ("world", _TEXT, "as in transactions"),
        ("payment_id", _TEXT, "the payment"),
        ("number", _INT, "1 for its first attempt"),
        ("timestamp", TIME, "when it began"),
        ("duration_ms", _REAL, "until the sender knew the result"),
        ("channel_ids", _TEXT, "channels from the sender on"),
        ("node_ids", _TEXT, "the sender, then who each channel leads to"),
        ("hop_amounts_msat", _TEXT, "sent over each channel, with the fees of the hops after it"),
        ("settled", _TRUTH, "whether it arrived"),
        ("failed_hop", _INT, "position of the channel that could not carry it, from 0; empty when none failed"),
        ("code", _TEXT, "LND's name of the failure, lower case; `none` for success"),
    ),
)

CHANNEL_STATES = Table(
    format="lightninglens/csv/channel-states/1",
    meaning="Stage 2, `collected/channel_states.csv`: one row per channel and moment at which it had changed.",
    columns=_columns(
        ("world", _TEXT, "as in transactions"),
        ("timestamp", TIME, ""),
        ("channel_id", _TEXT, "`800000x1x0`"),
        ("node1", _TEXT, "name of one end"),
        ("node2", _TEXT, "name of the other"),
        ("node1_id", _TEXT, "node id"),
        ("node2_id", _TEXT, "node id"),
        ("capacity", _INT, "sat"),
        ("node1_balance", _REAL, "what node1 reports to hold, sat"),
        ("node2_balance", _REAL, "what node2 reports to hold, sat"),
    ),
)

TRANSFORMED_TRANSACTIONS = Table(
    format="lightninglens/csv/transformed-transactions/1",
    meaning="Stage 3, `transformed/transactions.csv`: the same rows and columns, and what follows from them.",
    columns=TRANSACTIONS.columns
    + _columns(
        ("ended", TIME, "timestamp and duration"),
        ("hour_of_day", _INT, "of the end, UTC"),
        ("day_of_week", _INT, "Monday 0"),
        ("fee_ppm", _REAL, "fee in ppm of the amount, of payments that arrived"),
        ("failed_attempts", _INT, "attempts that did not arrive"),
        ("failed_for_liquidity", _INT, "attempts that found a channel too empty"),
        ("seconds_since_last", _REAL, "since the payment before ended in this world"),
    ),
)

TRANSFORMED_STATES = Table(
    format="lightninglens/csv/transformed-channel-states/1",
    meaning="Stage 3, `transformed/channel_states.csv`: the same rows and columns, and what follows from them.",
    columns=CHANNEL_STATES.columns
    + _columns(
        ("balance_ratio", _REAL, "node1's share of what both hold"),
        ("liquidity_stress", _REAL, "the greater of both shares"),
        ("balance_velocity", _REAL, "change of balance_ratio per hour since the row before of this channel"),
    ),
)

PREDICTIONS = Table(
    format="lightninglens/csv/predictions/1",
    meaning=(
        "Stage 6, `predictions.csv`: per side of a channel, at the end of the data. The first eleven columns are "
        "those of the source documents."
    ),
    columns=_columns(
        ("timestamp", TIME, "when the prediction was made: the end of the data"),
        ("channel_id", _TEXT, ""),
        ("capacity", _INT, "sat"),
        ("local_balance", _REAL, "sat"),
        ("remote_balance", _REAL, "sat"),
        ("balance_ratio", _REAL, "local share of what both hold"),
        ("tx_count", _INT, "payments in the data that used this channel, or found it too empty, in either direction"),
        ("success_rate", _REAL, "share of them that it could carry"),
        ("avg_amount", _REAL, "mean amount of them, sat"),
        ("optimal_ratio", _REAL, "the share that the model holds to fail the least volume over the horizon"),
        ("adjustment_needed", _REAL, "optimal_ratio less balance_ratio: above 0, the side should be filled"),
        ("low_ratio", _REAL, "lower bound of the 80 % interval of optimal_ratio"),
        ("high_ratio", _REAL, "upper bound"),
        ("world", _TEXT, "as in transactions"),
        ("node", _TEXT, "whose side it is: name, or id where there is no name"),
        ("peer", _TEXT, "the other end"),
        ("model", _TEXT, "version of the model"),
    ),
)

CSV_TABLES: Final = (
    TRANSACTIONS,
    ATTEMPTS,
    CHANNEL_STATES,
    TRANSFORMED_TRANSACTIONS,
    TRANSFORMED_STATES,
    PREDICTIONS,
)

OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "timestamp": ("time", "date", "datetime", "created_at", "start", "started"),
        "payment_id": ("payment_hash", "id", "hash", "tx_id"),
        "type": ("kind", "event_type"),
        "sender": ("from", "from_node", "source", "payer"),
        "receiver": ("to", "to_node", "destination", "dest", "payee"),
        "sender_id": ("from_pubkey", "sender_pubkey"),
        "receiver_id": ("to_pubkey", "receiver_pubkey"),
        "amount": ("amount_sat", "amount_sats", "value", "value_sat", "sats"),
        "amount_msat": ("amount_msats", "value_msat"),
        "fee": ("fee_sat", "fee_sats", "fees"),
        "fee_msat": ("fee_msats", "fees_msat"),
        "route_length": ("hops", "hop_count"),
        "success": ("succeeded", "successful", "settled", "status", "outcome"),
        "duration_ms": ("duration", "latency_ms"),
        "failure_reason": ("failure", "error", "reason"),
        "description": ("memo", "note", "label"),
        "channel_before": ("channel",),
    }
)
"""What a column of a user's CSV may be called besides our name. Case, spaces and hyphens do not matter."""
