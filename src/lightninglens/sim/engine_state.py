"""What an engine's future depends on, and what comes out of it on the way: the ground that an `Engine` stands on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.routing.growth import make_room
from lightninglens.sim import _events, _heap
from lightninglens.sim._plugged import PluggedRouters
from lightninglens.sim.records import EngineConfig, FinishedPayments, Harvest
from lightninglens.sim.room import with_events, with_more_attempts, with_news
from lightninglens.sim.state import Count, EventKind, World, copied


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """Everything that an engine's future depends on."""

    graph: NetworkGraph
    first_opened: int
    """The row from which on channels have been opened during the run."""
    config: EngineConfig
    policies: PolicyColumns
    """As nodes enforce them now."""
    world: World
    next_payment_id: int
    now_ns: int
    plugged: PluggedRouters


class EngineBase:
    """The state of an engine, its schedule, and its logs."""

    def _adopt(self, state: EngineState) -> None:
        self.graph = state.graph
        self._first_opened = state.first_opened
        self.config = state.config
        self._policies = state.policies
        self._world = state.world
        self._next_payment_id = state.next_payment_id
        self._now_ns = state.now_ns
        self._plugged = state.plugged
        self._collected = 0
        """Rows of the attempt log that the routers' results have been taken from."""
        self._payment_chunks: list[FinishedPayments] = []
        self._attempt_chunks: list[NDArray[np.void]] = []
        self._route_chunks: list[NDArray[np.int32]] = []
        self._route_amount_chunks: list[NDArray[np.int64]] = []
        self._htlc_chunks: list[NDArray[np.void]] = []

    def state(self) -> EngineState:
        """Return a copy of everything that the future depends on; what has come out stays for the harvest."""
        self._empty_logs()
        return EngineState(
            graph=self.graph,
            first_opened=self._first_opened,
            config=self.config,
            policies=self._policies.copy(),
            world=copied(self._world),
            next_payment_id=self._next_payment_id,
            now_ns=self._now_ns,
            plugged=self._plugged.copy(),
        )

    def harvest(self) -> Harvest:
        """Take what has come out since the last call."""
        self._empty_logs()
        payments = FinishedPayments._make(
            np.concatenate([getattr(chunk, name) for chunk in self._payment_chunks])
            for name in FinishedPayments._fields
        )
        harvest = Harvest(
            payments,
            np.concatenate(self._attempt_chunks),
            np.concatenate(self._route_chunks),
            np.concatenate(self._route_amount_chunks),
            np.concatenate(self._htlc_chunks),
        )
        self._payment_chunks.clear()
        self._attempt_chunks.clear()
        self._route_chunks.clear()
        self._route_amount_chunks.clear()
        self._htlc_chunks.clear()
        return harvest

    def _schedule(self, time_ns: int, kind: EventKind, slot: int) -> None:
        self._world = with_events(self._world, 1)
        _heap.schedule(self._world.heap, self._world.counters, time_ns, int(kind), slot, 0)

    def _collect_results(self) -> None:
        """Take what came back of the routers' parts from the attempt log."""
        end = int(self._world.counters[Count.ATTEMPT_LOG])
        self._plugged.collect(self._world.attempt_log[self._collected : end])
        self._collected = end

    def _make_room(self) -> None:
        self._empty_logs()
        world = self._world
        if world.counters[Count.FREE_ATTEMPTS] == 0:
            world = with_more_attempts(world)
        world = with_events(world, _events.ROOM + int(world.life.room[0]))
        world = with_news(world, _events.NEWS_ROOM)
        self._world = world._replace(memory=make_room(world.memory))

    def _empty_logs(self) -> None:
        self._collect_results()
        self._collected = 0
        world, counters = self._world, self._world.counters
        finished = world.finished[: counters[Count.FINISHED]]
        self._payment_chunks.append(
            FinishedPayments._make(world.payments[name][finished] for name in FinishedPayments._fields)
        )
        free = counters[Count.FREE_PAYMENTS]
        world.free_payments[free : free + len(finished)] = finished
        counters[Count.FREE_PAYMENTS] = free + len(finished)
        self._attempt_chunks.append(world.attempt_log[: counters[Count.ATTEMPT_LOG]].copy())
        self._route_chunks.append(world.route_log[: counters[Count.ROUTE_LOG]].copy())
        self._route_amount_chunks.append(world.route_amount_log[: counters[Count.ROUTE_LOG]].copy())
        self._htlc_chunks.append(world.htlc_log[: counters[Count.HTLC_LOG]].copy())
        for count in (Count.FINISHED, Count.ATTEMPT_LOG, Count.ROUTE_LOG, Count.HTLC_LOG):
            counters[count] = 0
