"""The event engine: one network, many payments, HTLC by HTLC, on a virtual clock.

The same engine runs the five nodes of the lab and the whole mainnet. It is
deterministic: a run is a function of the network, the seed and what is
submitted, in which order.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import (
    ANCHORS_SAT,
    COMMITMENT_WEIGHT,
    HTLC_OUTPUT_WEIGHT,
    ChannelPolicy,
    ChannelState,
)
from lightninglens.core.errors import InvariantError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_MS
from lightninglens.routing.growth import make_room
from lightninglens.routing.pathfinding import BLOCK_PADDING, DEFAULT_CLTV_LIMIT_BLOCKS, DEFAULT_FINAL_CLTV_BLOCKS
from lightninglens.routing.state import BIMODAL, Estimator, write_capacity
from lightninglens.sim import _channels, _events, _heap
from lightninglens.sim._forwarding import BLOCK_NS
from lightninglens.sim._paying import register_part
from lightninglens.sim._plugged import PluggedRouters
from lightninglens.sim.reading import Gossip, channel_state
from lightninglens.sim.routers import NoPlan, PricedPart, Router
from lightninglens.sim.state import (
    DEFAULT_MPP_TIMEOUT_NS,
    DEFAULT_RETRY_DELAY_NS,
    DEFAULT_TIMEOUT_NS,
    MOST_PARTS,
    Count,
    EventKind,
    Parameters,
    SenderKind,
    World,
    copied,
    make_world,
)


class PaymentKind(IntEnum):
    """What a payment is for: `PaymentRequests.kind`."""

    PAYMENT = 0
    REBALANCE = 1


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

FOREVER_NS = 2**62
"""A time after everything: running until then leaves the clock at the last event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How the simulated world behaves, apart from its network and its demand."""

    seed: int = 0
    start_ns: int = 0
    start_height: int = 800_000
    commit_feerate_sat_per_kw: int = 2_500
    """LND's cap for channels with anchors: 10 sat per vbyte."""
    hop_delay_median_ms: float = 250.0
    hop_delay_sigma: float = 0.5
    """One way over one hop: the commitment dance and the network; log-normal."""
    payment_timeout_ns: int = DEFAULT_TIMEOUT_NS
    """After this no new attempt starts (LND's default for SendPaymentV2)."""
    retry_delay_ns: int = DEFAULT_RETRY_DELAY_NS
    """From a result, or from a part that was sent, to the next route."""
    mpp_timeout_ns: int = DEFAULT_MPP_TIMEOUT_NS
    """How long a receiver holds the parts of an incomplete payment."""
    estimator: Estimator = field(default_factory=Estimator)
    bimodal: Estimator = field(default_factory=lambda: Estimator(kind=BIMODAL))
    """What senders of kind LND_BIMODAL estimate with."""


_UNSPLIT = np.zeros(0, np.int32)


class PaymentRequests(NamedTuple):
    """Payments to make, as columns of equal length; nodes and directions are rows, -1 is none."""

    start_ns: NDArray[np.int64]
    sender: NDArray[np.int32]
    receiver: NDArray[np.int32]
    amount_msat: NDArray[np.int64]
    fee_limit_msat: NDArray[np.int64]
    kind: NDArray[np.int8]
    tag: NDArray[np.int32]
    outgoing: NDArray[np.int32]
    last_hop: NDArray[np.int32]
    most_parts: NDArray[np.int32] = _UNSPLIT
    """How many parts each may have in flight at once: LND's default is 16. Empty: 1 each, which is no splitting."""


class FinishedPayments(NamedTuple):
    """Payments that ended, as columns, in the order in which they ended."""

    payment_id: NDArray[np.int64]
    kind: NDArray[np.int8]
    tag: NDArray[np.int32]
    sender: NDArray[np.int32]
    receiver: NDArray[np.int32]
    amount_msat: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    outcome: NDArray[np.int8]
    attempts: NDArray[np.int32]
    parts: NDArray[np.int32]
    """Parts that settled: 0 when the payment failed."""
    fee_msat: NDArray[np.int64]
    hops: NDArray[np.int32]
    failure_code: NDArray[np.int16]
    failure_detail: NDArray[np.int16]
    failure_direction: NDArray[np.int32]
    sender_before_msat: NDArray[np.int64]
    """Gross balances on all the node's channels: with commitment fees and anchors, without HTLCs in flight."""
    sender_after_msat: NDArray[np.int64]
    receiver_before_msat: NDArray[np.int64]
    receiver_after_msat: NDArray[np.int64]
    first_direction: NDArray[np.int32]
    first_before_msat: NDArray[np.int64]
    first_after_msat: NDArray[np.int64]


class Harvest(NamedTuple):
    """What came out of the engine since the last harvest."""

    payments: FinishedPayments
    attempts: NDArray[np.void]
    """Rows of ATTEMPT_ROW; their routes follow one another in `routes`."""
    routes: NDArray[np.int32]
    """Directions, `hops` of them per attempt."""
    route_amounts_msat: NDArray[np.int64]
    """What was sent over each of these, with the fees of the hops after it."""
    htlc_events: NDArray[np.void]
    """Rows of HTLC_ROW, of observed nodes only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """Everything that an engine's future depends on."""

    graph: NetworkGraph
    config: EngineConfig
    policies: PolicyColumns
    """As nodes enforce them now."""
    world: World
    next_payment_id: int
    now_ns: int
    plugged: PluggedRouters


class Engine:
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
        world = make_world(graph, balance_msat, opener_side, config.estimator, config.bimodal, _parameters(config))
        _channels.refresh_all(world.network, world.own, config.commit_feerate_sat_per_kw)
        self._adopt(
            EngineState(
                graph=graph,
                config=config,
                policies=graph.policies.copy(),
                world=world,
                next_payment_id=0,
                now_ns=config.start_ns,
                plugged=PluggedRouters(graph),
            )
        )
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

    def _adopt(self, state: EngineState) -> None:
        self.graph = state.graph
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
            config=self.config,
            policies=self._policies.copy(),
            world=copied(self._world),
            next_payment_id=self._next_payment_id,
            now_ns=self._now_ns,
            plugged=self._plugged.copy(),
        )

    def fork(self) -> "Engine":
        """Return a second engine with the same present and, left alone, the same future; it harvests from here on."""
        return Engine.resume(self.state())

    @property
    def now_ns(self) -> int:
        """The time up to which everything has happened."""
        return self._now_ns

    @property
    def events(self) -> int:
        """How many events have been processed."""
        return int(self._world.counters[Count.EVENTS])

    @property
    def in_flight(self) -> int:
        """How many payments have started and not ended."""
        return int(self._world.counters[Count.IN_FLIGHT])

    @property
    def next_event_ns(self) -> int | None:
        """When the next event is due, or None when nothing is scheduled."""
        return int(self._world.heap["time_ns"][0]) if self._world.counters[Count.HEAP] else None

    @property
    def block_height(self) -> int:
        """The simulated chain's height now."""
        return int(self.config.start_height + (self._now_ns - self.config.start_ns) // BLOCK_NS)

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
        if not len(requests.most_parts):
            requests = requests._replace(most_parts=np.ones(count, np.int32))
        self._check(requests)
        self._reserve_payments(count)
        first = self._next_payment_id if first_id is None else first_id
        free = self._world.counters[Count.FREE_PAYMENTS]
        slots = self._world.free_payments[free - count : free][::-1].copy()
        self._world.counters[Count.FREE_PAYMENTS] = free - count
        for name in PaymentRequests._fields:
            self._world.payments[name][slots] = getattr(requests, name)
        self._world.payments["payment_id"][slots] = np.arange(first, first + count)
        for name in _ZERO_AT_START:
            self._world.payments[name][slots] = 0
        self._world.payments["failure_direction"][slots] = -1
        start_ns = np.ascontiguousarray(requests.start_ns)
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
            drained = self.next_event_ns is None and time_ns >= FOREVER_NS
            reached = time_ns if finished and not drained else int(self._world.counters[Count.NOW_NS])
            self._now_ns = max(self._now_ns, reached)
            return finished

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

    def set_policy(self, direction: int, policy: ChannelPolicy, *, spread_ns: int = 0) -> None:
        """Enforce a new policy now and let senders hear of it after `spread_ns`.

        What they hear then is the policy of that moment, as when LND sends out
        the newest of several updates that waited together.
        """
        self._policies.put(direction, policy)
        for name in self._world.enforced._fields:
            getattr(self._world.enforced, name)[direction] = getattr(self._policies, name)[direction]
        self._schedule(self._now_ns + spread_ns, EventKind.GOSSIP, direction)

    def set_active(self, channel: int, *, active: bool) -> None:
        """Take a channel down or bring it up: new HTLCs only, those in flight still resolve."""
        self._world.own.active[channel] = active

    def add_liquidity(self, direction: int, amount_msat: int) -> None:
        """Let the owner of a direction have more in it, or less: a counterfactual, which the network is not told.

        The channel's true capacity changes by as much; the announced one, by
        which senders judge it, stays (see `announce_capacity`).

        Raises InvariantError when less than nothing would be left.
        """
        network, channel = self._world.network, direction // 2
        if network.balance_msat[direction] + amount_msat < 0:
            raise InvariantError(
                f"{-amount_msat} msat cannot be taken from a balance of {network.balance_msat[direction]} msat"
            )
        network.balance_msat[direction] += amount_msat
        network.capacity_msat[channel] += amount_msat
        network.node_msat[network.source[direction]] += amount_msat
        _channels.refresh(network, self._world.own, self.config.commit_feerate_sat_per_kw, channel)

    def move_liquidity(self, direction: int, amount_msat: int) -> None:
        """Give some of a side's balance to the other side: a counterfactual, which the network is not told.

        Raises InvariantError when there is not as much.
        """
        network = self._world.network
        if not 0 <= amount_msat <= network.balance_msat[direction]:
            raise InvariantError(f"{amount_msat} msat cannot be moved out of {network.balance_msat[direction]} msat")
        for side, change_msat in ((direction, -amount_msat), (direction ^ 1, amount_msat)):
            network.balance_msat[side] += change_msat
            network.node_msat[network.source[side]] += change_msat
        _channels.refresh(network, self._world.own, self.config.commit_feerate_sat_per_kw, direction // 2)

    def announce_capacity(self, channel: int) -> None:
        """Tell all senders a channel's true capacity, as after a splice."""
        write_capacity(self._world.gossip, channel, int(self._world.network.capacity_msat[channel]))

    def conservation_drift_msat(self) -> int:
        """Return by how much balances plus HTLCs in flight differ from capacities: 0, or it is our bug."""
        return int(_channels.conservation_drift_msat(self._world.network))

    def balances_msat(self) -> NDArray[np.int64]:
        """Return a copy of the gross balance per direction."""
        return self._world.network.balance_msat.copy()

    def pending_msat(self) -> NDArray[np.int64]:
        """Return a copy of what is in flight per direction."""
        return self._world.network.pending_msat.copy()

    def pending_htlcs(self) -> NDArray[np.int64]:
        """Return how many HTLCs are in flight per channel."""
        return np.asarray(self._world.own.pending_htlcs.reshape(-1, 2).sum(axis=1), np.int64)

    def spendable_msat(self) -> NDArray[np.int64]:
        """Return a copy of what each direction's owner can send now."""
        return self._world.own.spendable_msat.copy()

    def commit_fees_sat(self) -> NDArray[np.int64]:
        """Return each channel's commitment fee now."""
        weight = COMMITMENT_WEIGHT + HTLC_OUTPUT_WEIGHT * self._world.network.htlcs_with_weight.astype(np.int64)
        return np.asarray(self.config.commit_feerate_sat_per_kw * weight // 1000, np.int64)

    def local_msat(self) -> NDArray[np.int64]:
        """Return each side's balance as its node reports it: the opener's without fee and anchors, never below 0."""
        local = self._world.network.balance_msat.copy()
        opener = 2 * np.arange(self.graph.channel_count) + self._world.network.opener_side
        local[opener] -= (self.commit_fees_sat() + ANCHORS_SAT) * MSAT_PER_SAT
        return np.maximum(local, 0)

    def policy(self, direction: int) -> ChannelPolicy | None:
        """Return the policy that is enforced in a direction now."""
        return self._policies.get(direction)

    def directions_of(self, node: int) -> list[int]:
        """Return the directions that start at a node."""
        first, end = self._world.own.first_out[node], self._world.own.first_out[node + 1]
        return [int(direction) for direction in self._world.own.out_direction[first:end]]

    def channel_states(self, node: int) -> list[ChannelState]:
        """Return a node's channels as the node itself reports them."""
        feerate = self.config.commit_feerate_sat_per_kw
        return [
            channel_state(self.graph, self._world, self._policies, feerate, direction)
            for direction in self.directions_of(node)
        ]

    def gossip(self) -> Gossip:
        """Return what everybody has heard of the network by now."""
        return Gossip(self.graph, self._world.gossip)

    def _ask_router(self) -> None:
        """Let the router of a payment's sender plan its next parts, and schedule them."""
        row, now_ns = int(self._world.counters[Count.ASKED]), int(self._world.counters[Count.NOW_NS])
        self._collect_results()
        try:
            plan = self._plugged.ask(self._world, row, now_ns)
        except BaseException:
            self._schedule(now_ns, EventKind.TRY, row)
            raise
        payment = self._world.payments[row]
        if isinstance(plan, NoPlan):
            tried = payment["attempts"] > 0
            payment["failed"] = HtlcOutcome.FAILED_ON_ROUTE if tried else HtlcOutcome.NO_ROUTE
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
            self._grow_attempts()
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

    def _schedule(self, time_ns: int, kind: EventKind, slot: int) -> None:
        self._reserve_heap(1)
        _heap.schedule(self._world.heap, self._world.counters, time_ns, int(kind), slot, 0)

    def _collect_results(self) -> None:
        """Take what came back of the routers' parts from the attempt log."""
        end = int(self._world.counters[Count.ATTEMPT_LOG])
        self._plugged.collect(self._world.attempt_log[self._collected : end])
        self._collected = end

    def _make_room(self) -> None:
        self._empty_logs()
        if self._world.counters[Count.FREE_ATTEMPTS] == 0:
            self._grow_attempts()
        self._reserve_heap(_events.ROOM)
        self._world = self._world._replace(memory=make_room(self._world.memory))

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

    def _reserve_heap(self, count: int) -> None:
        used, rows = int(self._world.counters[Count.HEAP]), len(self._world.heap)
        if used + count + 8 >= rows:
            self._world = self._world._replace(heap=_grown(self._world.heap, max(2 * rows, used + count + 8)))

    def _reserve_payments(self, count: int) -> None:
        self._reserve_heap(count)
        self._empty_logs()
        world = self._world
        free, slots = int(world.counters[Count.FREE_PAYMENTS]), len(world.payments)
        if free >= count:
            return
        size = max(2 * slots, slots + count - free)
        self._world = world._replace(
            payments=_grown(world.payments, size),
            free_payments=_with_free(world.free_payments, world.counters, Count.FREE_PAYMENTS, slots, size),
        )

    def _grow_attempts(self) -> None:
        world = self._world
        slots = len(world.attempts)
        self._world = world._replace(
            attempts=_grown(world.attempts, 2 * slots),
            routes=type(world.routes)._make(_grown(column, 2 * slots) for column in world.routes),
            htlc_id=_grown(world.htlc_id, 2 * slots),
            free_attempts=_with_free(world.free_attempts, world.counters, Count.FREE_ATTEMPTS, slots, 2 * slots),
        )


def _parameters(config: EngineConfig) -> Parameters:
    return Parameters(
        seed=np.uint64(config.seed),
        start_ns=config.start_ns,
        start_height=config.start_height,
        commit_feerate_sat_per_kw=config.commit_feerate_sat_per_kw,
        hop_delay_median_ns=config.hop_delay_median_ms * NS_PER_MS,
        hop_delay_sigma=config.hop_delay_sigma,
        timeout_ns=config.payment_timeout_ns,
        retry_delay_ns=config.retry_delay_ns,
        mpp_timeout_ns=config.mpp_timeout_ns,
        final_delta_blocks=DEFAULT_FINAL_CLTV_BLOCKS + BLOCK_PADDING,
        cltv_limit_blocks=DEFAULT_CLTV_LIMIT_BLOCKS,
    )


def _grown(rows: NDArray[Any], size: int) -> NDArray[Any]:
    grown = np.zeros((size, *rows.shape[1:]), rows.dtype)
    grown[: len(rows)] = rows
    return grown


def _with_free(
    free_slots: NDArray[np.int32], counters: NDArray[np.int64], count: Count, slots: int, size: int
) -> NDArray[np.int32]:
    """Return the list of free slots after a pool has grown from `slots` to `size`, the new ones first."""
    left, added = int(counters[count]), size - slots
    grown = np.zeros(size, np.int32)
    grown[:added] = np.arange(size - 1, slots - 1, -1)
    grown[added : added + left] = free_slots[:left]
    counters[count] = left + added
    return grown
