"""What a run writes while it goes on: tables in parts, so that a million payments need little memory.

Parts are cut by payment id, by number of events and by number of channel
states, never by when something came out: the same scenario gives the same
bytes, whether it was stopped in between or not.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.lab.run_tables import (
    Attempts,
    Columns,
    Naming,
    attempt_columns,
    htlc_columns,
    node_columns,
    payment_columns,
    state_columns,
)
from lightninglens.sim.records import FinishedPayments
from lightninglens.sim.simulation import Simulation, Snapshot, Step
from lightninglens.storage.files.runs import RunWriter, TableData
from lightninglens.storage.files.tables import ATTEMPTS, CHANNEL_STATES, HTLC_EVENTS, NODES, PAYMENTS, Table

PART_PAYMENTS = 16_384
PART_EVENTS = 1_048_576
PART_STATES = 262_144

Arrays = dict[str, NDArray[Any]]


class RunOutput:
    """Takes the steps of a run and writes what is complete."""

    def __init__(self, writer: RunWriter, simulation: Simulation) -> None:
        self._writer = writer
        graph = simulation.whole_graph
        self._naming = Naming(graph)
        self._opener_side = simulation.whole_opener_side
        self._descriptions = simulation.demand.descriptions
        self._next_id = 0
        self._payments: list[FinishedPayments] = []
        self._attempts: list[Attempts] = []
        self._events: list[NDArray[np.void]] = []
        self._snapshots: list[Snapshot] = []
        self._snapshots_per_part = max(1, PART_STATES // max(graph.channel_count, 1))
        self._waiting = 0
        self.ended = 0
        """Payments that have ended."""

    def begin(self) -> None:
        """Write what is known before the run."""
        self._add("nodes", NODES, node_columns(self._naming.graph))

    def take(self, step: Step) -> None:
        """Take what a step brought, and write the parts that are complete with it."""
        harvest = step.harvest
        count = len(harvest.payments.payment_id)
        self._payments.append(harvest.payments)
        self._attempts.append(Attempts(harvest.attempts, harvest.routes, harvest.route_amounts_msat))
        self._events.append(harvest.htlc_events)
        self._snapshots.extend(step.snapshots)
        self.ended += count
        self._waiting += count
        while self._waiting >= PART_PAYMENTS and self._is_part_complete():
            self._write_payments(self._next_id + PART_PAYMENTS)
        self._write_whole_parts_of_events()
        while len(self._snapshots) >= self._snapshots_per_part:
            self._write_states()

    def finish(self) -> None:
        """Write everything that is left, whole part or not."""
        if self._waiting or "payments" not in self._writer.parts:
            self._write_payments(2**62)
        events = np.concatenate(self._events)
        if len(events) or "htlc_events" not in self._writer.parts:
            self._add("htlc_events", HTLC_EVENTS, htlc_columns(self._naming, events))
        if self._snapshots:
            self._write_states()

    def pending(self) -> Arrays:
        """Return what has come out and is not in a complete part yet, for a checkpoint."""
        payments, attempts = _joined_payments(self._payments), _joined_attempts(self._attempts)
        arrays: Arrays = {f"output.payments.{name}": getattr(payments, name) for name in payments._fields}
        arrays |= {f"output.attempts.{name}": getattr(attempts, name) for name in attempts._fields}
        arrays["output.events"] = np.concatenate(self._events)
        for name in Snapshot.__slots__:
            arrays[f"output.snapshots.{name}"] = np.array([getattr(snapshot, name) for snapshot in self._snapshots])
        arrays["output.numbers"] = np.array([self._next_id, self.ended], np.int64)
        for name, parts in self._writer.parts.items():
            arrays[f"output.parts.{name}"] = np.array(parts)
        return arrays

    def restore(self, arrays: Arrays) -> None:
        """Go on from what was pending."""
        payments = FinishedPayments._make(arrays[f"output.payments.{name}"] for name in FinishedPayments._fields)
        self._payments = [payments]
        self._attempts = [Attempts._make(arrays[f"output.attempts.{name}"] for name in Attempts._fields)]
        self._events = [arrays["output.events"]]
        columns = [arrays[f"output.snapshots.{name}"] for name in Snapshot.__slots__]
        self._snapshots = [
            Snapshot(time_ns=int(time_ns), local_msat=local, in_flight_msat=in_flight, commit_fee_sat=fee)
            for time_ns, local, in_flight, fee in zip(*columns, strict=True)
        ]
        self._next_id, self.ended = (int(number) for number in arrays["output.numbers"])
        self._waiting = len(payments.payment_id)

    def _is_part_complete(self) -> bool:
        self._payments = [_joined_payments(self._payments)]
        ids = self._payments[0].payment_id
        inside = np.count_nonzero((ids >= self._next_id) & (ids < self._next_id + PART_PAYMENTS))
        return bool(inside == PART_PAYMENTS)

    def _write_payments(self, end_id: int) -> None:
        payments, attempts = _joined_payments(self._payments), _joined_attempts(self._attempts)
        order = np.argsort(payments.payment_id, kind="stable")
        inside = payments.payment_id[order] < end_id
        part = FinishedPayments._make(column[order[inside]] for column in payments)
        self._add("payments", PAYMENTS, payment_columns(self._naming, part, self._descriptions))
        # Attempts of payments that have not ended stay: they belong to a part to come.
        ended = np.isin(attempts.rows["payment_id"], part.payment_id)
        self._add("attempts", ATTEMPTS, attempt_columns(self._naming, attempts.taken(np.flatnonzero(ended))))
        self._payments = [FinishedPayments._make(column[order[~inside]] for column in payments)]
        self._attempts = [attempts.taken(np.flatnonzero(~ended))]
        self._waiting = len(self._payments[0].payment_id)
        self._next_id = end_id

    def _write_whole_parts_of_events(self) -> None:
        if sum(map(len, self._events)) < PART_EVENTS:
            return
        events = np.concatenate(self._events)
        while len(events) >= PART_EVENTS:
            self._add("htlc_events", HTLC_EVENTS, htlc_columns(self._naming, events[:PART_EVENTS]))
            events = events[PART_EVENTS:]
        self._events = [events]

    def _write_states(self) -> None:
        part = self._snapshots[: self._snapshots_per_part]
        self._snapshots = self._snapshots[self._snapshots_per_part :]
        self._add("channel_states", CHANNEL_STATES, state_columns(self._naming, self._opener_side, part))

    def _add(self, name: str, table: Table, columns: Columns) -> None:
        self._writer.add(TableData(name=name, table=table, columns=columns))


def _joined_payments(chunks: list[FinishedPayments]) -> FinishedPayments:
    return FinishedPayments._make(
        np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in FinishedPayments._fields
    )


def _joined_attempts(chunks: list[Attempts]) -> Attempts:
    return Attempts._make(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in Attempts._fields)
