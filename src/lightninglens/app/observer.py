"""Turning what the engine's columns say into the records that the service publishes."""

import dataclasses
from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lightninglens.app.events import (
    Attempt,
    Channel,
    Network,
    Node,
    Payment,
    PaymentFailure,
    Policy,
    Stats,
    WorldAdvanced,
)
from lightninglens.app.layout import positions
from lightninglens.app.world import World
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcOutcome
from lightninglens.core.units import NS_PER_MS
from lightninglens.sim.demand.purposes import DESCRIPTIONS
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import FinishedPayments, Harvest, PaymentKind

KEPT_PAYMENTS = 1_000
REBALANCE_DESCRIPTION = "Circular rebalance"


class Observer:
    """Keeps the newest state of the network in the form in which it is shown.

    Its methods that take the engine must be called while that stands still.
    """

    def __init__(self, world: World, *, speed: float) -> None:
        self._world = world
        self._graph = world.graph
        self._speed = speed
        self._node_ids = [str(node_id) for node_id in world.graph.node_ids]
        self._channel_ids = [str(world.graph.channel_id(row)) for row in range(world.graph.channel_count)]
        self._rows = {channel_id: row for row, channel_id in enumerate(self._channel_ids)}
        self._attempts: dict[int, list[Attempt]] = {}
        self._totals = dict.fromkeys(
            ("payments", "succeeded", "volume_msat", "fees_msat", "rebalances", "rebalanced_msat", "cost_msat"), 0
        )
        self._state = _columns(world.engine)
        self._channels = [self._channel(world.engine, row) for row in range(self._graph.channel_count)]
        self.nodes = self._nodes()
        self.payments: deque[Payment] = deque(maxlen=KEPT_PAYMENTS)
        """The newest payments, oldest first."""
        self.stats = self._stats(world.engine.now_ns)

    def network(self) -> Network:
        """Return the network as it was last seen."""
        return Network(name=self._world.name, mode="simulated", nodes=self.nodes, channels=tuple(self._channels))

    def channels(self) -> tuple[Channel, ...]:
        """Return all channels as they were last seen."""
        return tuple(self._channels)

    def channel(self, channel_id: str) -> Channel | None:
        """Return one channel as it was last seen, or None where there is none such."""
        row = self._rows.get(channel_id)
        return None if row is None else self._channels[row]

    def set_speed(self, speed: float) -> None:
        """Say this speed from now on."""
        self._speed = speed
        self.stats = dataclasses.replace(self.stats, speed=speed)

    def absorb(self, harvest: Harvest, engine: Engine) -> WorldAdvanced:
        """Take in what came out of the engine and return what is new."""
        self._follow(engine)
        self._remember_attempts(harvest)
        payments = tuple(self._payment(harvest.payments, row) for row in range(len(harvest.payments.payment_id)))
        self.payments.extend(payments)
        self._count(payments)
        changed = self._changed_channels(engine)
        self.stats = self._stats(engine.now_ns)
        return WorldAdvanced(payments=payments, channels=changed, stats=self.stats)

    def _follow(self, engine: Engine) -> None:
        """Take in channels that have been opened."""
        if engine.graph is self._graph:
            return
        first, self._graph = self._graph.channel_count, engine.graph
        added = range(first, self._graph.channel_count)
        self._channel_ids += [str(self._graph.channel_id(row)) for row in added]
        self._rows |= {self._channel_ids[row]: row for row in added}
        self._state = np.pad(self._state, ((0, 0), (0, len(added))), constant_values=-1)
        self._channels += [self._channel(engine, row) for row in added]

    def _remember_attempts(self, harvest: Harvest) -> None:
        start = 0
        for row in harvest.attempts:
            end = start + int(row["hops"])
            route, amounts_msat = harvest.routes[start:end].tolist(), harvest.route_amounts_msat[start:end].tolist()
            self._attempts.setdefault(int(row["payment_id"]), []).append(self._attempt(row, route, amounts_msat))
            start = end

    def _attempt(self, row: NDArray[np.void], route: list[int], amounts_msat: list[int]) -> Attempt:
        code, failed_direction = FailureCode(int(row["code"])), int(row["failed_direction"])
        return Attempt(
            started_ms=int(row["start_ns"]) // NS_PER_MS,
            ended_ms=int(row["end_ns"]) // NS_PER_MS,
            route_channel_ids=tuple(self._channel_ids[direction // 2] for direction in route),
            route_node_ids=self._nodes_along(route),
            hop_amounts_msat=tuple(amounts_msat),
            settled=code is FailureCode.NONE,
            failed_hop=route.index(failed_direction) if failed_direction in route else None,
            code=code.name,
            detail=FailureDetail(int(row["detail"])).name,
        )

    def _payment(self, payments: FinishedPayments, row: int) -> Payment:
        payment_id = int(payments.payment_id[row])
        sender, receiver = int(payments.sender[row]), int(payments.receiver[row])
        attempts = tuple(self._attempts.pop(payment_id, ()))
        outcome = HtlcOutcome(int(payments.outcome[row]))
        is_rebalance = payments.kind[row] == PaymentKind.REBALANCE
        start_ns = int(payments.start_ns[row])
        return Payment(
            payment_id=payment_id,
            kind="rebalance" if is_rebalance else "payment",
            started_ms=start_ns // NS_PER_MS,
            duration_ms=(int(payments.end_ns[row]) - start_ns) // NS_PER_MS,
            sender_id=self._node_ids[sender],
            receiver_id=self._node_ids[receiver],
            sender_name=self._world.names[sender],
            receiver_name=self._world.names[receiver],
            amount_msat=int(payments.amount_msat[row]),
            fee_msat=int(payments.fee_msat[row]),
            succeeded=outcome is HtlcOutcome.SUCCEEDED,
            outcome=outcome.name,
            failure=self._failure(payments, row, outcome),
            attempts=int(payments.attempts[row]),
            route_channel_ids=attempts[-1].route_channel_ids if attempts else (),
            route_node_ids=attempts[-1].route_node_ids if attempts else (),
            attempt_log=attempts,
            description=REBALANCE_DESCRIPTION if is_rebalance else DESCRIPTIONS[int(payments.tag[row])],
        )

    def _failure(self, payments: FinishedPayments, row: int, outcome: HtlcOutcome) -> PaymentFailure | None:
        code = FailureCode(int(payments.failure_code[row]))
        if outcome is HtlcOutcome.SUCCEEDED or code is FailureCode.NONE:
            return None
        direction = int(payments.failure_direction[row])
        return PaymentFailure(
            code=code.name,
            detail=FailureDetail(int(payments.failure_detail[row])).name,
            channel_id=self._channel_ids[direction // 2] if direction >= 0 else None,
        )

    def _nodes_along(self, route: list[int]) -> tuple[str, ...]:
        if not route:
            return ()
        ends = (self._graph.node1, self._graph.node2)
        rows = [int(ends[route[0] % 2][route[0] // 2])]
        rows += [int(ends[1 - direction % 2][direction // 2]) for direction in route]
        return tuple(self._node_ids[row] for row in rows)

    def _count(self, payments: Iterable[Payment]) -> None:
        totals = self._totals
        for payment in payments:
            if payment.kind == "payment":
                totals["payments"] += 1
                totals["succeeded"] += payment.succeeded
                totals["volume_msat"] += payment.amount_msat if payment.succeeded else 0
                totals["fees_msat"] += payment.fee_msat
            elif payment.succeeded:
                totals["rebalances"] += 1
                totals["rebalanced_msat"] += payment.amount_msat
                totals["cost_msat"] += payment.fee_msat

    def _changed_channels(self, engine: Engine) -> tuple[Channel, ...]:
        state = _columns(engine)
        rows = np.flatnonzero((state != self._state).any(axis=0)).tolist()
        self._state = state
        for row in rows:
            self._channels[row] = self._channel(engine, row)
        return tuple(self._channels[row] for row in rows)

    def _channel(self, engine: Engine, row: int) -> Channel:
        local1, local2, commit_fee_sat, unsettled_msat, pending = self._state[:, row].tolist()
        ends = (self._node_ids[self._graph.node1[row]], self._node_ids[self._graph.node2[row]])
        return Channel(
            channel_id=self._channel_ids[row],
            node1_id=ends[0],
            node2_id=ends[1],
            capacity_sat=int(self._graph.capacity_sat[row]),
            node1_local_msat=local1,
            node2_local_msat=local2,
            commit_fee_sat=commit_fee_sat,
            unsettled_msat=unsettled_msat,
            pending_htlcs=pending,
            opener_id=ends[engine.opener_side(row)],
            node1_policy=Policy.of(engine.policy(2 * row)),
            node2_policy=Policy.of(engine.policy(2 * row + 1)),
        )

    def _nodes(self) -> tuple[Node, ...]:
        graph = self._graph
        ends = np.concatenate([graph.node1, graph.node2])
        capacity = np.zeros(graph.node_count, np.int64)
        np.add.at(capacity, ends, np.concatenate([graph.capacity_sat, graph.capacity_sat]))
        counts = np.bincount(ends, minlength=graph.node_count)
        return tuple(
            Node(
                node_id=self._node_ids[row],
                name=self._world.names[row],
                x=x,
                y=y,
                capacity_sat=int(capacity[row]),
                channel_count=int(counts[row]),
            )
            for row, (x, y) in enumerate(positions(graph, self._world.names))
        )

    def _stats(self, now_ns: int) -> Stats:
        totals = self._totals
        return Stats(
            world_ms=now_ns // NS_PER_MS,
            speed=self._speed,
            payments=totals["payments"],
            succeeded=totals["succeeded"],
            success_rate=totals["succeeded"] / totals["payments"] if totals["payments"] else None,
            volume_msat=totals["volume_msat"],
            fees_msat=totals["fees_msat"],
            rebalances=totals["rebalances"],
            rebalanced_msat=totals["rebalanced_msat"],
            rebalance_cost_msat=totals["cost_msat"],
        )


def _columns(engine: Engine) -> NDArray[np.int64]:
    """Return, per channel, both local balances, the commitment fee, what is in flight, and in how many HTLCs."""
    local = engine.local_msat().reshape(-1, 2)
    pending = engine.pending_msat().reshape(-1, 2).sum(axis=1)
    return np.stack([local[:, 0], local[:, 1], engine.commit_fees_sat(), pending, engine.pending_htlcs()])
