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
from lightninglens.sim import _channels, _events, _gossip, _heap, _outages
from lightninglens.sim._parameters import parameters_of
from lightninglens.sim._paying import register_part
from lightninglens.sim._plugged import PluggedRouters
from lightninglens.sim.answers import Answer
from lightninglens.sim.engine_receivers import EngineReceivers
from lightninglens.sim.engine_state import EngineState
from lightninglens.sim.records import EngineConfig, PaymentRequests
from lightninglens.sim.room import with_events, with_more_attempts, with_payments
from lightninglens.sim.routers import NoPlan, PricedPart, Router
from lightninglens.sim.state import MOST_PARTS, Count, EventKind, SenderKind, make_world

_ZERO_AT_START = (
    "attempts",
    "parts",
    "parts_in_flight",
    "sent_msat",
    "sent_fee_msat",
    "held_msat",
    "fee_msat",
    "hops",
    "failure_code",
    "failure_detail",
    "outcome",
    "failed",
    "trying",
)
"""Columns of a payment's slot that an earlier payment may have left."""

FOREVER_NS = _events.FOREVER_NS
"""A time after everything: running until then leaves the clock at the last event."""


class Engine(EngineReceivers):
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

    def submit(self, requests: PaymentRequests, *, first_id: int | None = None) -> int:
        """Schedule payments and return the id of the first; the rest follow it.

        Ids address the payments' draws (delays, links). Whoever submits at
        different moments in worlds that are to be compared numbers them with
        `first_id`, below 2**32 and each once; otherwise they are counted.

        Raises InvariantError when one would start in the past, or names what is not in the graph.
        """
        count = len(requests.start_ns)
        requests = requests.filled()
        self._check(requests)
        self._empty_logs()
        self._world = with_payments(with_events(self._world, count), count)
        first = self._next_payment_id if first_id is None else first_id
        free = self._world.counters[Count.FREE_PAYMENTS]
        slots = self._world.free_payments[free - count : free][::-1].copy()
        self._world.counters[Count.FREE_PAYMENTS] = free - count
        for name in PaymentRequests._fields:
            self._world.payments[name][slots] = getattr(requests, name)
        self._world.payments["payment_id"][slots] = np.arange(first, first + count)
        for name in _ZERO_AT_START:
            self._world.payments[name][slots] = 0
        for name in ("failure_direction", "first_held"):
            self._world.payments[name][slots] = -1
        start_ns = np.ascontiguousarray(requests.start_ns)
        self._world.counters[Count.PENDING] += count
        _heap.schedule_starts(self._world.heap, self._world.counters, start_ns, slots)
        if first_id is None:
            self._next_payment_id = first + count
        return first

    def _check(self, requests: PaymentRequests) -> None:
        if np.any(requests.start_ns < self._now_ns):
            raise InvariantError("a payment cannot start in the past")
        nodes = self.graph.node_count
        wrong = (requests.amount_msat < 1) | (requests.fee_limit_msat < 0)
        wrong |= (requests.most_parts < 1) | (requests.most_parts > MOST_PARTS)
        wrong |= (requests.answer < Answer.SETTLE) | (requests.answer > Answer.HOLD) | (requests.hold_ns < 0)
        for column, least in ((requests.sender, 0), (requests.receiver, 0), (requests.last_hop, -1)):
            wrong |= (column < least) | (column >= nodes)
        wrong |= (requests.outgoing < -1) | (requests.outgoing >= len(self._world.network.source))
        if not wrong.any():
            chosen = requests.outgoing >= 0
            wrong[chosen] = self._world.network.source[requests.outgoing[chosen]] != requests.sender[chosen]
        if wrong.any():
            row = int(np.argmax(wrong))
            payment = {name: int(getattr(requests, name)[row]) for name in requests._fields}
            raise InvariantError(f"payment {row} of those submitted does not fit this network: {payment}")

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
            self._send(row, part, now_ns)
        if payment["sent_msat"] < payment["amount_msat"]:
            payment["trying"] = 1
            self._schedule(now_ns + self._world.parameters.retry_delay_ns, EventKind.TRY, row)

    def _send(self, row: int, part: PricedPart, now_ns: int) -> None:
        """Write a planned part into a free slot and schedule its departure."""
        if self._world.counters[Count.FREE_ATTEMPTS] == 0:
            self._world = with_more_attempts(self._world)
        world, hops = self._world, len(part.amounts_msat)
        world.counters[Count.FREE_ATTEMPTS] -= 1
        slot = int(world.free_attempts[world.counters[Count.FREE_ATTEMPTS]])
        world.routes.hops[slot] = hops
        world.routes.direction[slot, :hops] = part.part.directions
        world.routes.amount_msat[slot, :hops] = part.amounts_msat
        world.routes.cltv_blocks[slot, :hops] = part.expiry_heights
        register_part(world.payments, world.attempts, world.routes, row, slot, part.amounts_msat[-1], now_ns)
        payment = world.payments[row]
        self._plugged.remember(int(payment["payment_id"]), int(payment["attempts"]), int(payment["sender"]), part)
        self._schedule(now_ns, EventKind.SEND, slot)
