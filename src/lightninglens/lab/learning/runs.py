"""A run of `lens sim run` as transactions, attempts and channel states."""

from collections import Counter
from pathlib import Path

import polars as pl

from lightninglens.core.graph import unique_names
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_MS
from lightninglens.lab.learning.collected import Collected
from lightninglens.lab.learning.formats import ATTEMPTS as CSV_ATTEMPTS
from lightninglens.lab.learning.formats import CHANNEL_STATES as CSV_STATES
from lightninglens.lab.learning.formats import TRANSACTIONS
from lightninglens.storage.files import runs
from lightninglens.storage.files.tables import ATTEMPTS, CHANNEL_STATES, NODES, PAYMENTS

_NS_PER_US = 1_000


def is_run(directory: Path) -> bool:
    """Tell whether a directory holds a run."""
    return (directory / runs.MANIFEST).is_file() and (directory / "payments.parquet").is_file()


def read_run(directory: Path) -> Collected:
    """Return what a run tells; raises DataError when it is damaged."""
    manifest = runs.read_manifest(directory)
    nodes = runs.read_run_table(directory, manifest, "nodes", NODES)
    payments = runs.read_run_table(directory, manifest, "payments", PAYMENTS)
    attempts = runs.read_run_table(directory, manifest, "attempts", ATTEMPTS)
    states = runs.read_run_table(directory, manifest, "channel_states", CHANNEL_STATES)
    world = directory.resolve().name
    node_ids = nodes["node_id"].to_list()
    unique = unique_names([NodeId(node) for node in node_ids], nodes["alias"].to_list())
    names = dict(zip(node_ids, unique, strict=True))
    notes = [] if manifest.complete else [f"{directory}: the run was interrupted; what had ended until then is used"]
    if attempts["route_amounts_msat"].null_count():
        notes.append(f"{directory}: its attempts are without amounts per hop (an older version wrote it): not used")
        attempts = attempts.clear()
        payments = payments.with_columns(attempts=pl.lit(None, pl.Int32))
    return Collected(
        transactions=_transactions(world, payments, names),
        attempts=_attempts(world, attempts, node_ids),
        channel_states=_states(world, states, names),
        rows_in=payments.height + attempts.height + states.height,
        dropped=Counter(),
        notes=notes,
    )


def _transactions(world: str, payments: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    succeeded = pl.col("outcome") == HtlcOutcome.SUCCEEDED.name
    reason = pl.when(pl.col("failure_code") == "NONE").then("outcome").otherwise("failure_code").str.to_lowercase()
    return payments.select(
        world=pl.lit(world),
        payment_id=pl.col("payment_id").cast(pl.String),
        timestamp=_time("start_ns"),
        duration_ms=(pl.col("end_ns") - pl.col("start_ns")) / NS_PER_MS,
        type=pl.col("kind"),
        sender=pl.col("sender").replace_strict(names, return_dtype=pl.String),
        receiver=pl.col("receiver").replace_strict(names, return_dtype=pl.String),
        sender_id=pl.col("sender"),
        receiver_id=pl.col("receiver"),
        amount=pl.col("amount_msat") / MSAT_PER_SAT,
        fee=pl.when(succeeded).then(pl.col("fee_msat") / MSAT_PER_SAT),
        route_length=pl.col("hops"),
        success=succeeded,
        attempts=pl.col("attempts"),
        failure_reason=pl.when(~succeeded).then(reason),
        description=pl.col("description"),
    ).cast(dict(TRANSACTIONS.schema))  # type: ignore[arg-type]  # polars' own mapping of names to types


def _attempts(world: str, attempts: pl.DataFrame, node_ids: list[str]) -> pl.DataFrame:
    used = attempts["route_channel_ids"].explode().unique().drop_nulls()
    channels = {packed: str(ChannelId(packed)) for packed in used}
    rows = dict(enumerate(node_ids))
    name = pl.element().replace_strict(channels, return_dtype=pl.String)
    hop = pl.struct("route_channel_ids", "failed_channel_id").map_elements(
        lambda pair: _position(pair["route_channel_ids"], pair["failed_channel_id"]), return_dtype=pl.Int64
    )
    return attempts.select(
        world=pl.lit(world),
        payment_id=pl.col("payment_id").cast(pl.String),
        number=pl.col("number"),
        timestamp=_time("start_ns"),
        duration_ms=(pl.col("end_ns") - pl.col("start_ns")) / NS_PER_MS,
        channel_ids=pl.col("route_channel_ids").list.eval(name).list.join(" "),
        node_ids=pl.col("route_nodes")
        .list.eval(pl.element().replace_strict(rows, return_dtype=pl.String))
        .list.join(" "),
        hop_amounts_msat=pl.col("route_amounts_msat").cast(pl.List(pl.String)).list.join(" "),
        settled=pl.col("code") == "NONE",
        failed_hop=hop,
        code=pl.col("code").str.to_lowercase(),
    ).cast(dict(CSV_ATTEMPTS.schema))  # type: ignore[arg-type]  # as above


def _position(route: list[int], channel_id: int) -> int | None:
    return route.index(channel_id) if channel_id in route else None


def _states(world: str, states: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    channels = {packed: str(ChannelId(packed)) for packed in states["channel_id"].unique()}
    return states.select(
        world=pl.lit(world),
        timestamp=_time("time_ns"),
        channel_id=pl.col("channel_id").replace_strict(channels, return_dtype=pl.String),
        node1=pl.col("node1").replace_strict(names, return_dtype=pl.String),
        node2=pl.col("node2").replace_strict(names, return_dtype=pl.String),
        node1_id=pl.col("node1"),
        node2_id=pl.col("node2"),
        capacity=pl.col("capacity_sat"),
        node1_balance=pl.col("node1_local_msat") / MSAT_PER_SAT,
        node2_balance=pl.col("node2_local_msat") / MSAT_PER_SAT,
    ).cast(dict(CSV_STATES.schema))  # type: ignore[arg-type]  # as above


def _time(name: str) -> pl.Expr:
    return (pl.col(name) // _NS_PER_US).cast(pl.Datetime("us"))
