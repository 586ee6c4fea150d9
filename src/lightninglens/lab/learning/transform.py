"""Stage 3: what follows from the rows is added. A thing that is not in the data stays missing."""

from pathlib import Path

import polars as pl

from lightninglens.core.htlc import FailureCode
from lightninglens.core.units import PPM
from lightninglens.lab.learning import frames
from lightninglens.lab.learning.collect import TABLES
from lightninglens.lab.learning.formats import (
    ATTEMPTS,
    TRANSFORMED_STATES,
    TRANSFORMED_TRANSACTIONS,
)
from lightninglens.lab.learning.report import StageReport

STAGE = "transform"
_LIQUIDITY = FailureCode.TEMPORARY_CHANNEL_FAILURE.name.lower()
_US_PER_HOUR = 3_600_000_000
_US_PER_SECOND = 1_000_000
_ADDED = ("ended", "failed_attempts", "failed_for_liquidity", "hour_of_day", "day_of_week")


def transform(source: Path, out: Path) -> StageReport:
    """Read what `collect` wrote to `source` and write it to `out` with derived columns; raises DataError."""
    found = {name: frames.read_stage_csv(table, source / f"{name}.csv") for name, table in TABLES.items()}
    payments = transactions(found["transactions"], found["attempts"])
    states = channel_states(found["channel_states"])
    tables = (
        ("transactions", TRANSFORMED_TRANSACTIONS, payments),
        ("attempts", ATTEMPTS, found["attempts"]),
        ("channel_states", TRANSFORMED_STATES, states),
    )
    rows = sum(frames.write_csv(table, frame, out / f"{name}.csv") for name, table, frame in tables)
    missing = frames.count_missing(TRANSFORMED_TRANSACTIONS, payments)
    return StageReport(
        stage=STAGE,
        rows_in=sum(frame.height for frame in found.values()),
        rows_out=rows,
        paths=tuple(out / f"{name}.csv" for name, _, _ in tables),
        missing={name: count for name, count in missing.items() if name in _ADDED},
    )


def transactions(payments: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """Return the payments with what follows from them and from their attempts."""
    failed = (~pl.col("settled")).sum().cast(pl.Int64)
    empty = (~pl.col("settled") & (pl.col("code") == _LIQUIDITY)).sum().cast(pl.Int64)
    counts = attempts.group_by("world", "payment_id").agg(failed_attempts=failed, failed_for_liquidity=empty)
    joined = payments.join(counts, on=["world", "payment_id"], how="left", maintain_order="left")
    known = pl.col("attempts").is_not_null() & ((pl.col("attempts") == 0) | pl.col("failed_attempts").is_not_null())
    ended = frames.ended()
    since = (ended - ended.shift(1).over("world")).dt.total_microseconds() / _US_PER_SECOND
    return joined.with_columns(
        ended=ended,
        hour_of_day=ended.dt.hour().cast(pl.Int64),
        day_of_week=(ended.dt.weekday() - 1).cast(pl.Int64),
        fee_ppm=pl.when(pl.col("success")).then(pl.col("fee") * PPM / pl.col("amount")),
        failed_attempts=pl.when(known).then(pl.col("failed_attempts").fill_null(0)),
        failed_for_liquidity=pl.when(known).then(pl.col("failed_for_liquidity").fill_null(0)),
        seconds_since_last=since,
    )


def channel_states(states: pl.DataFrame) -> pl.DataFrame:
    """Return the channel states with shares and how fast they change."""
    share = pl.col("node1_balance") / (pl.col("node1_balance") + pl.col("node2_balance"))
    channel = ["world", "channel_id"]
    hours = (pl.col("timestamp") - pl.col("timestamp").shift(1).over(channel)).dt.total_microseconds() / _US_PER_HOUR
    change = pl.col("balance_ratio") - pl.col("balance_ratio").shift(1).over(channel)
    return states.with_columns(balance_ratio=share).with_columns(
        liquidity_stress=pl.max_horizontal("balance_ratio", 1 - pl.col("balance_ratio")),
        balance_velocity=pl.when(hours > 0).then(change / hours),
    )
