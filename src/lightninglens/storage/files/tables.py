"""The Parquet tables of a run and of an observed node: columns, types, meaning.

One list of columns per table is the source for writing, for checking what is
read, and for docs/reference/formats.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lightninglens.core.errors import DataError

FORMAT_KEY = "lightninglens.format"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name with the unit in it, its type, what it holds."""

    name: str
    dtype: pl.DataType
    meaning: str
    added_later: bool = False
    """Files of earlier versions have it not: it is null then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A versioned table format."""

    format: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pl.Schema:
        """The polars schema."""
        return pl.Schema({column.name: column.dtype for column in self.columns})


def _columns(*rows: tuple[str, pl.DataType, str], later: Collection[str] = ()) -> tuple[Column, ...]:
    return tuple(
        Column(name=name, dtype=dtype, meaning=meaning, added_later=name in later) for name, dtype, meaning in rows
    )


_INT, _SMALL, _TEXT = pl.Int64(), pl.Int32(), pl.String()
_CHANNEL = pl.UInt64()

PAYMENTS = Table(
    format="lightninglens/run/payments/1",
    meaning="One row per payment, by id. Failed payments are rows like any other.",
    columns=_columns(
        ("payment_id", _INT, "position in the order in which intents were drawn"),
        ("kind", _TEXT, "`payment`, `rebalance` or `probe`"),
        ("start_ns", _INT, "when the sender began, Unix time"),
        ("end_ns", _INT, "when it was over"),
        ("sender", _TEXT, "node id"),
        ("receiver", _TEXT, "node id; the sender's own for a rebalance"),
        ("amount_msat", _INT, "what the receiver was to get"),
        ("description", _TEXT, "what it was for"),
        ("outcome", _TEXT, "name of `HtlcOutcome`"),
        ("attempts", _SMALL, "routes tried"),
        ("hops", _SMALL, "hops of the route that ended last, 0 when there was none"),
        ("fee_msat", _INT, "what the sender paid beyond the amount, 0 when it failed"),
        ("failure_code", _TEXT, "name of `FailureCode` of the attempt that ended last, NONE when it succeeded"),
        ("failure_detail", _TEXT, "name of `FailureDetail` of that attempt"),
        ("failure_channel_id", _CHANNEL, "channel that failed that attempt, 0 when none did"),
        ("sender_before_msat", _INT, "gross balance of the sender's side of its channels at the start"),
        ("sender_after_msat", _INT, "the same at the end"),
        ("receiver_before_msat", _INT, "gross balance of the receiver's side of its channels at the start"),
        ("receiver_after_msat", _INT, "the same at the end"),
        ("first_channel_id", _CHANNEL, "the sender's channel that the last attempt left by, 0 when none"),
        ("first_before_msat", _INT, "gross balance of the sender in it before the last attempt"),
        ("first_after_msat", _INT, "the same at the end"),
        ("parts", _SMALL, "parts that settled, 0 when it failed"),
        later=("parts",),
    ),
)

ATTEMPTS = Table(
    format="lightninglens/run/attempts/1",
    meaning="One row per attempt, by payment and number.",
    columns=_columns(
        ("payment_id", _INT, "the payment"),
        ("number", _SMALL, "1 for its first attempt"),
        ("start_ns", _INT, "when the first HTLC was offered"),
        ("end_ns", _INT, "when the sender knew the result"),
        ("amount_msat", _INT, "what the receiver was to get by it: a part of the payment, or all"),
        ("fee_msat", _INT, "what the route asked for"),
        ("code", _TEXT, "name of `FailureCode`, NONE for success"),
        ("detail", _TEXT, "name of `FailureDetail`, as the failing node's own log would have it"),
        ("failed_index", _SMALL, "position on the route of the node that failed it, -1 for none"),
        ("failed_channel_id", _CHANNEL, "channel it could not forward over, 0 for none"),
        ("route_channel_ids", pl.List(pl.UInt64()), "channels from the sender on"),
        ("route_nodes", pl.List(pl.Int32()), "rows of the graph's nodes: the sender, then who each channel leads to"),
        ("route_amounts_msat", pl.List(pl.Int64()), "sent over each channel, with the fees of the hops after it"),
        later=("route_amounts_msat",),
    ),
)

HTLC_EVENTS = Table(
    format="lightninglens/events/1",
    meaning="The event log of observed nodes: what LND's SubscribeHtlcEvents would have said, by time.",
    columns=_columns(
        ("node", _TEXT, "id of the observed node"),
        ("timestamp_ns", _INT, "Unix time"),
        ("kind", _TEXT, "name of `HtlcEventKind`"),
        ("event_type", _TEXT, "name of `HtlcEventType`"),
        ("incoming_channel_id", _CHANNEL, "0 for the node's own payments"),
        ("outgoing_channel_id", _CHANNEL, "0 where the node is paid"),
        ("incoming_htlc_id", _INT, "with its channel, names the HTLC"),
        ("outgoing_htlc_id", _INT, "0 when it was never added"),
        ("incoming_amount_msat", _INT, ""),
        ("outgoing_amount_msat", _INT, "incoming less outgoing is the fee"),
        ("incoming_timelock_blocks", _SMALL, "expiry height"),
        ("outgoing_timelock_blocks", _SMALL, "expiry height"),
        ("wire_failure", _TEXT, "name of `FailureCode` of a link failure"),
        ("failure_detail", _TEXT, "name of `FailureDetail` of a link failure"),
    ),
)

NODES = Table(
    format="lightninglens/run/nodes/1",
    meaning="The graph's nodes, by row: who the rows in `route_nodes` are.",
    columns=_columns(
        ("row", _SMALL, "position in the graph"),
        ("node_id", _TEXT, "compressed public key, hex"),
        ("alias", _TEXT, "as announced; chosen by its owner, so show it as text only"),
    ),
)

CHANNEL_STATES = Table(
    format="lightninglens/run/channel-states/1",
    meaning="Snapshots of channels: one row per channel and moment.",
    columns=_columns(
        ("time_ns", _INT, "Unix time of the snapshot"),
        ("channel_id", _CHANNEL, ""),
        ("node1", _TEXT, "id of the node with the lesser key"),
        ("node2", _TEXT, ""),
        ("capacity_sat", _INT, ""),
        ("node1_local_msat", _INT, "as node1 reports it: an opener's without commitment fee and anchors"),
        ("node2_local_msat", _INT, "as node2 reports it"),
        ("node1_in_flight_msat", _INT, "offered by node1 and unresolved"),
        ("node2_in_flight_msat", _INT, "offered by node2 and unresolved"),
        ("commit_fee_sat", _INT, ""),
        ("opener", _SMALL, "1 or 2"),
    ),
)

TABLES = (PAYMENTS, ATTEMPTS, HTLC_EVENTS, CHANNEL_STATES, NODES)


def write_table(table: Table, columns: dict[str, NDArray[np.generic] | pl.Series], path: Path) -> int:
    """Write a table and return its number of rows; the same columns give the same bytes."""
    frame = pl.DataFrame(columns).select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())
    frame.write_parquet(path, compression="zstd", row_group_size=262_144, metadata={FORMAT_KEY: table.format})
    return frame.height


def read_table(table: Table, path: Path, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a table or some of its columns; raises DataError when the file is damaged, or of another format."""
    try:
        found = pl.read_parquet_metadata(path).get(FORMAT_KEY)
        if found != table.format:
            raise DataError(f"this is {found or 'no table of ours'}, and {table.format} is needed", where=str(path))
        wanted = [name for name in table.schema if columns is None or name in columns]
        there = pl.read_parquet_schema(path)
        frame = pl.read_parquet(path, columns=[name for name in wanted if name in there])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"not a readable Parquet file ({str(error).splitlines()[0]})", where=str(path)) from None
    for column in table.columns:
        if column.added_later and column.name not in there:
            there[column.name] = column.dtype
            if column.name in wanted:
                frame = frame.with_columns(pl.lit(None, column.dtype).alias(column.name))
    if dict(there) != dict(table.schema):
        raise DataError("its columns are not those of the format", where=str(path))
    return frame.select(wanted)


def names_of(enum: type, values: NDArray[np.integer]) -> pl.Series:
    """Return the names of integer codes, as text."""
    names = {int(member): member.name for member in enum}  # type: ignore[attr-defined]
    return pl.Series(values).replace_strict(names, return_dtype=pl.String)
