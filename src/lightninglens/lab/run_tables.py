"""From rows of the engine to the columns of a run's tables."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.sim.records import FinishedPayments, PaymentKind
from lightninglens.sim.simulation import Snapshot
from lightninglens.storage.files.tables import PAYMENTS, names_of

Columns = dict[str, NDArray[np.generic] | pl.Series]


class Attempts(NamedTuple):
    """Attempts, and their routes one after another: `hops` entries per row."""

    rows: NDArray[np.void]
    routes: NDArray[np.int32]
    amounts_msat: NDArray[np.int64]

    def taken(self, order: NDArray[np.integer]) -> "Attempts":
        """Return these rows, in this order, with their routes."""
        hops = self.rows["hops"].astype(np.int64)
        starts, lengths = (np.cumsum(hops) - hops)[order], hops[order]
        flat = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        return Attempts(self.rows[order], self.routes[flat], self.amounts_msat[flat])


class Naming:
    """From rows of the graph to the ids that tables carry."""

    def __init__(self, graph: NetworkGraph) -> None:
        self.graph = graph
        self.sources, self.targets = graph.sources(), graph.targets()
        self._node_ids = pl.Series(list(graph.node_ids), dtype=pl.String)

    def nodes(self, rows: NDArray[np.integer]) -> pl.Series:
        """Return node ids."""
        return self._node_ids.gather(rows.astype(np.uint32))

    def channels(self, directions: NDArray[np.integer]) -> NDArray[np.uint64]:
        """Return channel ids, 0 where the direction is -1."""
        if not self.graph.channel_count:
            return np.zeros(len(directions), np.uint64)
        rows = np.maximum(directions, 0) // 2
        return np.where(directions >= 0, self.graph.channel_ids[rows], np.uint64(0))


def node_columns(graph: NetworkGraph) -> Columns:
    """Return the columns of every node of the graph."""
    return {
        "row": np.arange(graph.node_count),
        "node_id": pl.Series(list(graph.node_ids), dtype=pl.String),
        "alias": pl.Series(list(graph.aliases), dtype=pl.String),
    }


def payment_columns(naming: Naming, payments: FinishedPayments, descriptions: tuple[str, ...]) -> Columns:
    """Return the columns of payments; a payment's tag indexes `descriptions`."""
    purposes = pl.Series([*descriptions, "Circular rebalance"], dtype=pl.String)
    tags = np.where(payments.kind == PaymentKind.REBALANCE, len(descriptions), payments.tag).astype(np.uint32)
    columns: Columns = {
        column.name: getattr(payments, column.name)
        for column in PAYMENTS.columns
        if column.name in FinishedPayments._fields
    }
    columns.update(
        kind=names_of(PaymentKind, payments.kind).str.to_lowercase(),
        sender=naming.nodes(payments.sender),
        receiver=naming.nodes(payments.receiver),
        description=purposes.gather(tags),
        outcome=names_of(HtlcOutcome, payments.outcome),
        failure_code=names_of(FailureCode, payments.failure_code),
        failure_detail=names_of(FailureDetail, payments.failure_detail),
        failure_channel_id=naming.channels(payments.failure_direction),
        first_channel_id=naming.channels(payments.first_direction),
    )
    return columns


def attempt_columns(naming: Naming, attempts: Attempts) -> Columns:
    """Return the columns of attempts with their routes, by payment and number."""
    rows, routes, amounts_msat = attempts.taken(np.lexsort((attempts.rows["number"], attempts.rows["payment_id"])))
    attempt = np.repeat(np.arange(len(rows)), rows["hops"])
    first = np.concatenate([[0], np.cumsum(rows["hops"])[:-1]]).astype(np.int64)[: len(rows)]
    senders = naming.sources[routes[first]]
    hops = pl.DataFrame(
        {
            "attempt": attempt,
            "channel": naming.channels(routes),
            "node": naming.targets[routes],
            "amount_msat": amounts_msat,
        }
    )
    grouped = hops.group_by("attempt", maintain_order=True).agg("channel", "node", "amount_msat")
    nodes = grouped.select(pl.concat_list(pl.Series("sender", senders), pl.col("node"))).to_series()
    return {
        "payment_id": rows["payment_id"],
        "number": rows["number"],
        "start_ns": rows["start_ns"],
        "end_ns": rows["end_ns"],
        "amount_msat": rows["amount_msat"],
        "fee_msat": rows["fee_msat"],
        "code": names_of(FailureCode, rows["code"]),
        "detail": names_of(FailureDetail, rows["detail"]),
        "failed_index": rows["failed_index"],
        "failed_channel_id": naming.channels(rows["failed_direction"]),
        "route_channel_ids": grouped["channel"],
        "route_nodes": nodes,
        "route_amounts_msat": grouped["amount_msat"],
    }


def htlc_columns(naming: Naming, rows: NDArray[np.void]) -> Columns:
    """Return the columns of HTLC events of observed nodes."""
    same = ("timestamp_ns", "incoming_htlc_id", "outgoing_htlc_id", "incoming_amount_msat", "outgoing_amount_msat")
    return {
        "node": naming.nodes(rows["node"]),
        **{name: rows[name] for name in same},
        "incoming_timelock_blocks": rows["incoming_timelock_blocks"],
        "outgoing_timelock_blocks": rows["outgoing_timelock_blocks"],
        "kind": names_of(HtlcEventKind, rows["kind"]),
        "event_type": names_of(HtlcEventType, rows["event_type"]),
        "incoming_channel_id": naming.channels(rows["incoming_direction"]),
        "outgoing_channel_id": naming.channels(rows["outgoing_direction"]),
        "wire_failure": names_of(FailureCode, rows["code"]),
        "failure_detail": names_of(FailureDetail, rows["detail"]),
    }


def state_columns(naming: Naming, opener_side: NDArray[np.int8], snapshots: Sequence[Snapshot]) -> Columns:
    """Return the columns of snapshots of all channels."""
    graph, count = naming.graph, len(snapshots)
    return {
        "time_ns": np.repeat(np.array([snapshot.time_ns for snapshot in snapshots], np.int64), graph.channel_count),
        "channel_id": np.tile(graph.channel_ids, count),
        "node1": naming.nodes(np.tile(graph.node1, count)),
        "node2": naming.nodes(np.tile(graph.node2, count)),
        "capacity_sat": np.tile(graph.capacity_sat, count),
        "node1_local_msat": np.concatenate([snapshot.local_msat[0::2] for snapshot in snapshots]),
        "node2_local_msat": np.concatenate([snapshot.local_msat[1::2] for snapshot in snapshots]),
        "node1_in_flight_msat": np.concatenate([snapshot.in_flight_msat[0::2] for snapshot in snapshots]),
        "node2_in_flight_msat": np.concatenate([snapshot.in_flight_msat[1::2] for snapshot in snapshots]),
        "commit_fee_sat": np.concatenate([snapshot.commit_fee_sat for snapshot in snapshots]),
        "opener": np.tile(opener_side + 1, count),
    }
