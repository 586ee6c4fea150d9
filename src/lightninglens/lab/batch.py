"""A scenario run to the end, or to where it was stopped, with its tables and its report."""

import hashlib
import os
import platform
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

import lightninglens
from lightninglens.analytics.payments import Depletion, PaymentSummary, depletion, summarise_payments
from lightninglens.core.clock import Stopwatch
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.sim.demand import DESCRIPTIONS
from lightninglens.sim.engine import FinishedPayments, Harvest, PaymentKind
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.simulation import Simulation, Snapshot
from lightninglens.storage.files import runs
from lightninglens.storage.files.tables import (
    ATTEMPTS,
    CHANNEL_STATES,
    HTLC_EVENTS,
    NODES,
    PAYMENTS,
    names_of,
)

Progress = Callable[[int, int], None]
"""Called with payments ended and payments in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A finished run: what it wrote and what it found."""

    manifest: runs.Manifest
    summary: PaymentSummary
    depletion: tuple[Depletion, ...]
    timings: runs.Timings
    conservation_drift_msat: int
    events: int


@dataclass(slots=True)
class _Collected:
    harvests: list[Harvest]
    snapshots: list[Snapshot]


def run_scenario(
    scenario: Scenario,
    graph: NetworkGraph,
    directory: Path,
    *,
    opener_side: NDArray[np.int8] | None = None,
    progress: Progress = lambda _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run a scenario and write the run to `directory`.

    `stopped` is asked between steps; when it says so, what has ended by then is
    written and the manifest says that the run is not complete.

    Raises DataError when the directory cannot take a run, InvariantError when
    money was lost or made.
    """
    runs.check_target(directory)
    watch = Stopwatch()
    simulation = Simulation(scenario, graph, opener_side=opener_side)
    collected, complete = _run(simulation, progress, stopped)
    payments = _payments(collected.harvests)
    summary = _summary(payments)
    levels = tuple(_depletion(simulation, snapshot) for snapshot in collected.snapshots)
    manifest = runs.Manifest(
        scenario=scenario,
        complete=complete,
        graph=runs.GraphFacts(
            nodes=graph.node_count, channels=graph.channel_count, content_sha256=graph_fingerprint(graph)
        ),
        versions=_versions(),
    )
    timings = runs.Timings(
        wall_s=round(watch.wall_s(), 3),
        cpu_s=round(watch.cpu_s(), 3),
        peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
    )
    written = runs.write_run(directory, manifest, _tables(simulation, payments, collected), timings)
    return RunResult(
        manifest=written,
        summary=summary,
        depletion=levels,
        timings=timings,
        conservation_drift_msat=simulation.engine.conservation_drift_msat(),
        events=simulation.engine.events,
    )


def _run(simulation: Simulation, progress: Progress, stopped: Callable[[], bool]) -> tuple[_Collected, bool]:
    collected = _Collected([], [])
    done = 0
    for step in simulation.steps():
        collected.harvests.append(step.harvest)
        collected.snapshots.extend(step.snapshots)
        done += len(step.harvest.payments.payment_id)
        progress(done, simulation.payments_total)
        if stopped():
            return collected, done == simulation.payments_total
    return collected, True


def graph_fingerprint(graph: NetworkGraph) -> str:
    """Return a hash over nodes, channels and policies, whatever file they came from."""
    digest = hashlib.sha256("".join(graph.node_ids).encode())
    policies = graph.policies
    for column in (graph.channel_ids, graph.node1, graph.node2, graph.capacity_sat):
        digest.update(np.ascontiguousarray(column).tobytes())
    for name in policies.__slots__:
        digest.update(np.ascontiguousarray(getattr(policies, name)).tobytes())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    return {
        "lightninglens": lightninglens.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "polars": pl.__version__,
    }


def _payments(harvests: list[Harvest]) -> FinishedPayments:
    """Join the harvests' payments, by id."""
    joined = FinishedPayments._make(
        np.concatenate([getattr(harvest.payments, name) for harvest in harvests]) for name in FinishedPayments._fields
    )
    order = np.argsort(joined.payment_id, kind="stable")
    return FinishedPayments._make(column[order] for column in joined)


def _summary(payments: FinishedPayments) -> PaymentSummary:
    return summarise_payments(
        amount_msat=payments.amount_msat,
        outcome=payments.outcome,
        attempts=payments.attempts,
        hops=payments.hops,
        fee_msat=payments.fee_msat,
        duration_ns=payments.end_ns - payments.start_ns,
    )


def _depletion(simulation: Simulation, snapshot: Snapshot) -> Depletion:
    usable = simulation.graph.usable()
    return depletion(snapshot.time_ns, snapshot.local_msat, usable[0::2] & usable[1::2])


def _tables(simulation: Simulation, payments: FinishedPayments, collected: _Collected) -> list[runs.TableData]:
    naming = _Naming(simulation.graph)
    return [
        runs.TableData(name="nodes", table=NODES, columns=_node_columns(simulation.graph)),
        runs.TableData(name="payments", table=PAYMENTS, columns=_payment_columns(naming, payments)),
        runs.TableData(name="attempts", table=ATTEMPTS, columns=_attempt_columns(naming, collected.harvests)),
        runs.TableData(name="htlc_events", table=HTLC_EVENTS, columns=_htlc_columns(naming, collected.harvests)),
        runs.TableData(
            name="channel_states",
            table=CHANNEL_STATES,
            columns=_state_columns(naming, simulation.opener_side, collected.snapshots),
        ),
    ]


class _Naming:
    """From rows of the graph to the ids that tables carry."""

    def __init__(self, graph: NetworkGraph) -> None:
        self.graph = graph
        self.sources, self.targets = graph.sources(), graph.targets()
        self._node_ids = pl.Series(list(graph.node_ids), dtype=pl.String)

    def nodes(self, rows: NDArray[np.integer]) -> pl.Series:
        return self._node_ids.gather(rows.astype(np.uint32))

    def channels(self, directions: NDArray[np.integer]) -> NDArray[np.uint64]:
        """Return channel ids, 0 where the direction is -1."""
        if not self.graph.channel_count:
            return np.zeros(len(directions), np.uint64)
        rows = np.maximum(directions, 0) // 2
        return np.where(directions >= 0, self.graph.channel_ids[rows], np.uint64(0))


def _node_columns(graph: NetworkGraph) -> dict[str, NDArray[np.generic] | pl.Series]:
    return {
        "row": np.arange(graph.node_count),
        "node_id": pl.Series(list(graph.node_ids), dtype=pl.String),
        "alias": pl.Series(list(graph.aliases), dtype=pl.String),
    }


def _payment_columns(naming: _Naming, payments: FinishedPayments) -> dict[str, NDArray[np.generic] | pl.Series]:
    purposes = pl.Series([*DESCRIPTIONS, "Circular rebalance"], dtype=pl.String)
    tags = np.where(payments.kind == PaymentKind.REBALANCE, len(DESCRIPTIONS), payments.tag).astype(np.uint32)
    columns: dict[str, NDArray[np.generic] | pl.Series] = {
        column.name: getattr(payments, column.name)
        for column in PAYMENTS.columns
        if column.name in FinishedPayments._fields
    }
    columns.update(
        kind=pl.Series(np.where(payments.kind == PaymentKind.REBALANCE, "rebalance", "payment"), dtype=pl.String),
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


def _attempt_columns(naming: _Naming, harvests: list[Harvest]) -> dict[str, NDArray[np.generic] | pl.Series]:
    rows = np.concatenate([harvest.attempts for harvest in harvests])
    routes = np.concatenate([harvest.routes for harvest in harvests])
    amounts_msat = np.concatenate([harvest.route_amounts_msat for harvest in harvests])
    ends = np.cumsum(rows["hops"])
    order = np.lexsort((rows["number"], rows["payment_id"]))
    flat = np.concatenate(
        [np.arange(ends[row] - rows["hops"][row], ends[row]) for row in order] or [np.zeros(0, np.int64)]
    )
    flat = flat.astype(np.int64)
    routes, amounts_msat, rows = routes[flat], amounts_msat[flat], rows[order]
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


def _htlc_columns(naming: _Naming, harvests: list[Harvest]) -> dict[str, NDArray[np.generic] | pl.Series]:
    rows = np.concatenate([harvest.htlc_events for harvest in harvests])
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


def _state_columns(
    naming: _Naming, opener_side: NDArray[np.int8], snapshots: list[Snapshot]
) -> dict[str, NDArray[np.generic] | pl.Series]:
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
