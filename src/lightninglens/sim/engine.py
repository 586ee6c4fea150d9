"""The event engine: one network, many payments, HTLC by HTLC, on a virtual clock.

The same engine runs the five nodes of the lab and the whole mainnet. It is
deterministic: a run is a function of the network, the seed and what is
submitted, in which order.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import InvariantError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.sim import _channels, _events, _gossip, _outages
from lightninglens.sim._parameters import parameters_of
from lightninglens.sim._plugged import PluggedRouters
from lightninglens.sim.engine_payments import EnginePayments
from lightninglens.sim.engine_state import EngineState
from lightninglens.sim.records import EngineConfig
from lightninglens.sim.room import with_events
from lightninglens.sim.routers import NoPlan, Router
from lightninglens.sim.state import Count, EventKind, SenderKind, make_world

FOREVER_NS = _events.FOREVER_NS
"""A time after everything: running until then leaves the clock at the last event."""


class Engine(EnginePayments):
    """A simulated network and the payments under way in it."""

    def __init__(
        self,
        graph: NetworkGraph,
        *,
        balance_msat: NDArray[np.int64],
        opener_side: NDArray[np.int8],
        config: EngineConfig,
    ) -> None:
        """Set up the network; `balance_msat` is gross per direction, the opener's with fee and anchors.

        Raises InvariantError when balances do not add up to capacities.
        """
        world = make_world(graph, balance_msat, opener_side, config.estimator, config.bimodal, parameters_of(config))
        _channels.refresh_all(world.network, world.own, config.commit_feerate_sat_per_kw)
        world = with_events(world, graph.node_count + graph.channel_count)
        self._adopt(
            EngineState(
                graph=graph,
                first_opened=graph.channel_count,
                config=config,
                policies=graph.policies.copy(),
                world=world,
                next_payment_id=0,
                now_ns=config.start_ns,
                plugged=PluggedRouters(graph),
            )
        )
        self._measure_room()
        now_ns = config.start_ns
        _outages.first_outages(world.life, world.parameters, world.heap, world.counters, now_ns)
        if self.conservation_drift_msat():
            raise InvariantError(
                f"the initial balances differ from the capacities by {self.conservation_drift_msat()} msat"
            )

    @classmethod
    def resume(cls, state: EngineState) -> Self:
        """Return an engine that goes on from a state; it owns the state's arrays from then on."""
        engine = cls.__new__(cls)
        engine._adopt(state)  # noqa: SLF001 - its own class
        return engine

    def fork(self) -> "Engine":
        """Return a second engine with the same present and, left alone, the same future; it harvests from here on."""
        return Engine.resume(self.state())

    def observe(self, nodes: NDArray[np.int32] | list[int]) -> None:
        """Let the HTLC events of these nodes come out with the harvest."""
        self._world.network.observed[np.asarray(nodes, np.int64)] = True

    def set_senders(self, nodes: NDArray[np.int32] | list[int], kind: SenderKind) -> None:
        """Let these nodes search their routes with one or the other of LND's estimators.

        Raises InvariantError for PLUGGED: a router comes by `plug`.
        """
        if kind is SenderKind.PLUGGED:
            raise InvariantError("a node becomes PLUGGED by `plug`, which takes its router")
        self._world.sender_kind[np.asarray(nodes, np.int64)] = kind

    def plug(self, nodes: NDArray[np.int32] | list[int], router: Router) -> None:
        """Let a router plan what these nodes pay from now on."""
        self._plugged.plug([int(node) for node in nodes], router)
        self._world.sender_kind[np.asarray(nodes, np.int64)] = SenderKind.PLUGGED

    def run_until(self, time_ns: int, *, most_events: int | None = None) -> bool:
        """Process what happens up to and including `time_ns`; return False if `most_events` stopped it first.

        Raises DataError when a plugged router plans what cannot be sent; the payment is as before, and asked for
        again when the run goes on.
        """
        left = 2**62 if most_events is None else most_events
        while True:
            before = self.events
            status = _events.run(self._world, time_ns, left)
            left -= self.events - before
            if status == _events.NEEDS_ROOM:
                self._make_room()
                continue
            if status == _events.NEEDS_ROUTER:
                self._ask_router()
                continue
            finished = bool(status == _events.FINISHED)
            drained = self.is_over and time_ns >= FOREVER_NS
            reached = time_ns if finished and not drained else int(self._world.counters[Count.NOW_NS])
            self._now_ns = max(self._now_ns, reached)
            return finished

    def _ask_router(self) -> None:
        """Let the router of a payment's sender plan its next parts, and schedule them."""
        row, now_ns = int(self._world.counters[Count.ASKED]), int(self._world.counters[Count.NOW_NS])
        self._collect_results()
        world = self._world
        sender = int(world.payments[row]["sender"])
        _gossip.show_known(world.news, world.gossip, world.network.source, world.parameters, sender, now_ns)
        try:
            plan = self._plugged.ask(world, row, now_ns)
        except BaseException:
            self._schedule(now_ns, EventKind.TRY, row)
            raise
        finally:
            _gossip.show_common(world.news, world.gossip)
        payment = self._world.payments[row]
        if isinstance(plan, NoPlan):
            tried = payment["attempts"] > 0
            payment["failed"] = HtlcOutcome.FAILED_ON_ROUTE if tried else HtlcOutcome.NO_ROUTE
            payment["trying"] = 1
            self._schedule(now_ns, EventKind.TRY, row)
            return
        for part in plan:
            self._write_part(row, part.part.directions, part.amounts_msat, part.expiry_heights, now_ns)
            payment = self._world.payments[row]
            self._plugged.remember(int(payment["payment_id"]), int(payment["attempts"]), sender, part)
        if payment["sent_msat"] < payment["amount_msat"]:
            payment["trying"] = 1
            self._schedule(now_ns + self._world.parameters.retry_delay_ns, EventKind.TRY, row)
