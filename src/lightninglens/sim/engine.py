"""The event engine: one network, many payments, HTLC by HTLC, on a virtual clock.

The same engine runs the five nodes of the lab and the whole mainnet. It is
deterministic: a run is a function of the network, the seed and what is
submitted, in which order.
"""

from dataclasses import dataclass
from typing import Self

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
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.routing.growth import make_room
from lightninglens.routing.state import write_capacity
from lightninglens.sim import _channels, _events, _gossip, _heap, _life, _outages
from lightninglens.sim._forwarding import BLOCK_NS
from lightninglens.sim._parameters import parameters_of
from lightninglens.sim._paying import register_part
from lightninglens.sim._plugged import PluggedRouters
from lightninglens.sim.life import Down, Stage, Watch
from lightninglens.sim.opening import (
    NewChannel,
    extend_graph,
    extend_policies,
    extend_world,
    problem_of_new,
    rows_of,
)
from lightninglens.sim.reading import Gossip, channel_state
from lightninglens.sim.records import EngineConfig, FinishedPayments, Harvest, PaymentRequests
from lightninglens.sim.room import with_events, with_more_attempts, with_news, with_payments
from lightninglens.sim.routers import NoPlan, PricedPart, Router
from lightninglens.sim.state import (
    MOST_PARTS,
    Count,
    EventKind,
    SenderKind,
    World,
    copied,
    make_world,
)

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

ANNOUNCED_AFTER_BLOCKS = 6
"""How deep a channel must be before it may be announced (BOLT 7)."""

ON_CHAIN_BLOCKS = 144
"""How long it takes until an HTLC of a forced channel has timed out on the chain."""

FOREVER_NS = _events.FOREVER_NS
"""A time after everything: running until then leaves the clock at the last event."""


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
    def is_over(self) -> bool:
        """Whether nothing happens any more, but for outages without payments."""
        parameters = self._world.parameters
        outages = parameters.node_up_ns > 0 or parameters.channel_up_ns > 0
        return self.next_event_ns is None or (outages and int(self._world.counters[Count.PENDING]) == 0)

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
        self._world.payments["failure_direction"][slots] = -1
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
        """Enforce a new policy now and announce it after `spread_ns`.

        What is announced then is the policy of that moment, as when LND sends
        out the newest of several updates that waited together. Senders hear of
        it after `gossip_delay_median_ms`, each after a delay of its own.

        Raises InvariantError when the channel is closed.
        """
        if self.is_closed(direction // 2):
            raise InvariantError(f"channel {self.graph.channel_id(direction // 2)} is closed")
        self._policies.put(direction, policy)
        self._enforce(direction)
        self._announce(direction, self._now_ns + spread_ns)

    def _enforce(self, direction: int) -> None:
        enforced, life = self._world.enforced, self._world.life
        for name in enforced._fields:
            getattr(enforced, name)[direction] = getattr(self._policies, name)[direction]
        life.asked_disabled[direction] = enforced.disabled[direction]
        enforced.disabled[direction] |= life.watch[direction] == Watch.DISABLED

    def _announce(self, direction: int, announced_ns: int) -> None:
        """Let what a direction enforces now be announced."""
        parameters = self._world.parameters
        announced_ns = max(announced_ns, int(self._world.life.announced_ns[direction // 2]))
        if parameters.gossip_delay_median_ns > 0:
            self._world = with_news(self._world, _events.NEWS_ROOM)
            world = self._world
            announced_ns = int(
                _gossip.announce(world.news, world.gossip, world.enforced, direction, announced_ns, self._now_ns)
            )
            announced_ns += parameters.gossip_spread_ns
        self._schedule(announced_ns, EventKind.GOSSIP, direction)

    def set_active(self, channel: int, *, active: bool) -> None:
        """Take a channel down or bring it up: new HTLCs only, those in flight still resolve."""
        _life.set_down(self._world.life, self._world.own, channel, int(Down.ASKED), not active)

    def take_offline(self, node: int, until_ns: int) -> None:
        """Take a node off the network until a time: its channels carry nothing new, and keep what they carry."""
        self._world = with_events(self._world, int(self._world.life.room[0]) + _events.ROOM)
        world = self._world
        _outages.drop_node(world.own, world.life, world.heap, world.counters, node, until_ns, self._now_ns)

    def disconnect(self, channel: int, until_ns: int) -> None:
        """Take one channel off the network until a time, as when its ends lose each other."""
        self._world = with_events(self._world, _events.ROOM)
        world = self._world
        _outages.drop_channel(world.own, world.life, world.heap, world.counters, channel, until_ns, self._now_ns)

    def _measure_room(self) -> None:
        self._world.life.room[0] = 2 * int(np.diff(self._world.own.first_out).max(initial=0))

    def open_channel(self, channel: NewChannel, *, announced_after_blocks: int = ANNOUNCED_AFTER_BLOCKS) -> int:
        """Open a channel that can be used now, and announce it some blocks later; return its row.

        Before others hear of it, only its ends send over it. Rows and
        directions that there were stay.

        Raises InvariantError when its money does not fit it, its ends are one node, or its id is taken.
        """
        problem = problem_of_new(self.graph, channel)
        if problem:
            raise InvariantError(problem)
        rows = rows_of(self.graph, channel)
        first = 2 * self.graph.channel_count
        opener, peer = (first + int(rows.opener_side[0]), first + 1 - int(rows.opener_side[0]))
        policies = PolicyColumns.unknown(2)
        policies.put(opener - first, channel.opener_policy)
        policies.put(peer - first, channel.peer_policy)
        self.graph = extend_graph(self.graph, rows, policies)
        self._policies = extend_policies(self._policies, policies)
        self._world = extend_world(self._world, self.graph, rows)
        self._plugged.on(self.graph)
        self._world.life.ledger_msat[0] += channel.capacity_sat * MSAT_PER_SAT
        self._world.network.capacity_msat[-1] = channel.capacity_sat * MSAT_PER_SAT
        for direction, sat in ((opener, channel.capacity_sat - channel.push_sat), (peer, channel.push_sat)):
            self._world.network.balance_msat[direction] = sat * MSAT_PER_SAT
            self._world.network.node_msat[self._world.network.source[direction]] += sat * MSAT_PER_SAT
        feerate = self.config.commit_feerate_sat_per_kw
        _channels.refresh(self._world.network, self._world.own, feerate, first // 2)
        self._measure_room()
        for end, bit in ((int(rows.node1[0]), Down.NODE1), (int(rows.node2[0]), Down.NODE2)):
            if self._world.life.node_back_ns[end] > self._now_ns:
                _life.set_down(self._world.life, self._world.own, first // 2, bit=int(bit), down=True)
        self._world.life.announced_ns[-1] = self._now_ns + announced_after_blocks * BLOCK_NS
        for direction in (first, first + 1):
            self._enforce(direction)
            self._announce(direction, self._now_ns)
        return first // 2

    def close_channel(self, channel: int, *, force: bool = False, on_chain_blocks: int = ON_CHAIN_BLOCKS) -> None:
        """Close a channel: it takes no new HTLC, and is gone when the last one in flight is.

        By force, what is in flight can still be settled, and what is not goes
        back with PERMANENT_CHANNEL_FAILURE when it has timed out on the chain,
        which is taken to be after `on_chain_blocks` for all of it.

        Raises InvariantError when the channel is being closed already.
        """
        world = self._world
        if world.life.stage[channel] != Stage.OPEN and not (force and world.life.stage[channel] == Stage.CLOSING):
            raise InvariantError(f"channel {self.graph.channel_id(channel)} is being closed already")
        _life.begin_close(
            world.network,
            world.own,
            world.gossip,
            world.enforced,
            world.news,
            world.life,
            channel,
            int(Stage.FORCED if force else Stage.CLOSING),
            self._now_ns + on_chain_blocks * BLOCK_NS,
        )

    def is_closed(self, channel: int) -> bool:
        """Say whether a channel has ceased to be."""
        return bool(self._world.life.stage[channel] == Stage.CLOSED)

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
        self._world.life.ledger_msat[0] += amount_msat
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
        return int(_channels.conservation_drift_msat(self._world.network, self._world.life.ledger_msat))

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
        """Return each channel's commitment fee now; 0 for a closed one."""
        weight = COMMITMENT_WEIGHT + HTLC_OUTPUT_WEIGHT * self._world.network.htlcs_with_weight.astype(np.int64)
        fees_sat = self.config.commit_feerate_sat_per_kw * weight // 1000
        return np.asarray(np.where(self._world.life.stage == Stage.CLOSED, 0, fees_sat), np.int64)

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
        """Return the directions that start at a node, but for those of closed channels."""
        first, end = self._world.own.first_out[node], self._world.own.first_out[node + 1]
        directions = self._world.own.out_direction[first:end]
        there = self._world.life.stage[directions // 2] != Stage.CLOSED
        return [int(direction) for direction in directions[there]]

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
