"""Nodes of the simulator behind the ports that every world implements.

`SimulatedWorld` owns an engine: whoever paces the world calls `advance`, and
the adapters of its nodes wait for what they submitted to end. The engine runs in
a thread of its own, so that a step of a large network never stops the event
loop; a lock keeps readers out meanwhile.
"""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from lightninglens.core.channels import ChannelPolicy, ChannelState
from lightninglens.core.costs import OnChainCost, SelfPayment
from lightninglens.core.errors import NodeRefused, NodeUnavailable
from lightninglens.core.forwards import ForwardPage, Gap
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.node import ClosedChannel, NodeInfo, PendingChannel
from lightninglens.core.ports import ChannelStatus
from lightninglens.core.records import RebalanceChange, RebalanceOutcome
from lightninglens.nodes.simulated_book import ForwardBook, SelfPaymentBook, closed_channels, reason_to_refuse
from lightninglens.sim.engine import Engine
from lightninglens.sim.reading import htlc_event
from lightninglens.sim.rebalances import circular_payment, rebalance_outcome
from lightninglens.sim.records import Harvest, PaymentKind, PaymentRequests

MAX_UNREAD_EVENTS = 10_000
PAGE_FORWARDS = 10_000
FIRST_PAYMENT_ID = 2**31
"""Payments that are asked for while the world runs are numbered from here, so that they do not shift the draws of the
demand's."""
SIMULATED_NETWORK = "regtest"

_Result = TypeVar("_Result")

HarvestListener = Callable[[Harvest, Engine], None]
"""Called after each step with what came out of it, while the engine stands still."""


class SimulatedWorld:
    """An engine and those who wait for something in it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._waiting: dict[int, asyncio.Future[RebalanceOutcome]] = {}
        self._listeners: dict[int, set[asyncio.Queue[HtlcEvent | None]]] = {}
        self._book = ForwardBook(engine.now_ns)
        self._self_payments = SelfPaymentBook()
        self._harvest_listeners: list[HarvestListener] = []
        self._end_listeners: list[Callable[[], None]] = []
        self._next_payment_id = FIRST_PAYMENT_ID
        self._open = True
        self.submitted = asyncio.Event()
        """Set when an adapter has submitted something, so that whoever paces the world looks again."""

    @property
    def graph(self) -> NetworkGraph:
        """The network; it does not change."""
        return self._engine.graph

    def node(self, row: int) -> "SimulatedNode":
        """Return the adapter of the node in this row."""
        return SimulatedNode(self, row)

    async def use(self, question: Callable[[Engine], _Result]) -> _Result:
        """Return the answer to a quick question about the engine, asked while it stands still."""
        async with self._lock:
            self._require_open()
            return question(self._engine)

    async def advance(self, time_ns: int, *, most_events: int | None = None) -> Harvest:
        """Let happen what happens up to `time_ns`, tell those who wait, and return what came out."""
        async with self._lock:
            self._require_open()
            loop = asyncio.get_running_loop()
            harvest = await loop.run_in_executor(self._thread, self._step, time_ns, most_events)
            for listener in self._harvest_listeners:
                listener(harvest, self._engine)
        self._tell(harvest)
        return harvest

    def follow(self, listener: HarvestListener) -> None:
        """Call `listener` after each step from now on."""
        self._harvest_listeners.append(listener)

    def at_end(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the world ends."""
        self._end_listeners.append(listener)

    def next_payment_id(self) -> int:
        """Return a number for a payment of given routes."""
        self._next_payment_id += 1
        return self._next_payment_id - 1

    async def act(self, action: Callable[[Engine], _Result]) -> _Result:
        """Do something to the engine while it stands still, and let it go on at once."""
        result = await self.use(action)
        self.submitted.set()
        return result

    async def submit(self, requests: PaymentRequests) -> int:
        """Schedule payments and return the id of the first."""
        return await self.use(lambda engine: engine.submit(requests))

    async def rebalance(self, node: int, outgoing: int, last_hop: int, change: RebalanceChange) -> RebalanceOutcome:
        """Pay from a node to itself, out over one direction and back by one peer, and wait for the end."""

        def start(engine: Engine) -> asyncio.Future[RebalanceOutcome]:
            payment_id = engine.submit(circular_payment(engine.now_ns, node, outgoing, last_hop, change))
            future: asyncio.Future[RebalanceOutcome] = asyncio.get_running_loop().create_future()
            self._waiting[payment_id] = future
            return future

        return await (await self.act(start))

    async def keep_forwards(self, node: int) -> ForwardBook:
        """Observe a node from now on, and return the book in which its forwards are written."""

        def observe(engine: Engine) -> ForwardBook:
            engine.observe([node])
            self._book.begin(node, engine.now_ns)
            return self._book

        return await self.use(observe)

    async def self_payments(self, node: int, since_ns: int) -> tuple[SelfPayment, ...]:
        """Return what a node has paid itself since a time, oldest first."""
        return await self.use(lambda _engine: self._self_payments.since(node, since_ns))

    async def listen(self, node: int) -> AsyncGenerator[HtlcEvent | Gap, None]:
        """Yield a node's HTLC events from now on; raises NodeUnavailable when the reader falls far behind."""
        queue: asyncio.Queue[HtlcEvent | None] = asyncio.Queue(MAX_UNREAD_EVENTS)
        await self.keep_forwards(node)
        self._listeners.setdefault(node, set()).add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
                if queue not in self._listeners[node] and queue.empty():
                    raise NodeUnavailable(f"more than {MAX_UNREAD_EVENTS} HTLC events were left unread")
        finally:
            self._listeners[node].discard(queue)

    def close(self) -> None:
        """End the world: nobody waits any longer."""
        self._open = False
        self._thread.shutdown(wait=False)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(NodeUnavailable("the simulated world has ended; what was under way is unknown"))
        self._waiting.clear()
        for listener in self._end_listeners:
            listener()
        for queues in self._listeners.values():
            for queue in queues:
                if not queue.full():
                    queue.put_nowait(None)

    def _require_open(self) -> None:
        if not self._open:
            raise NodeUnavailable("the simulated world has ended")

    def _step(self, time_ns: int, most_events: int | None) -> Harvest:
        self._engine.run_until(time_ns, most_events=most_events)
        return self._engine.harvest()

    def _tell(self, harvest: Harvest) -> None:
        payments = harvest.payments
        for row in np.flatnonzero(payments.kind == PaymentKind.REBALANCE).tolist():
            future = self._waiting.pop(int(payments.payment_id[row]), None)
            if future is not None and not future.done():
                future.set_result(rebalance_outcome(harvest.payments, row))
        self._book.write(self.graph, harvest.htlc_events)
        self._self_payments.write(self.graph, harvest)
        for event in harvest.htlc_events:
            for queue in list(self._listeners.get(int(event["node"]), ())):
                if queue.full():
                    self._listeners[int(event["node"])].discard(queue)
                else:
                    queue.put_nowait(htlc_event(self.graph, event))


class SimulatedNode:
    """One simulated node: implements `core.ports.NodeReader`, `FeeSetter` and `Rebalancer`."""

    def __init__(self, world: SimulatedWorld, row: int) -> None:
        self._world = world
        self._row = row
        self.node_id: NodeId = world.graph.node_ids[row]

    async def info(self) -> NodeInfo:
        """Return who the node is; raises NodeUnavailable once the world has ended."""
        count, height = await self._world.use(
            lambda engine: (len(engine.directions_of(self._row)), engine.block_height)
        )
        alias = self._world.graph.aliases[self._row]
        return NodeInfo(
            node_id=self.node_id, alias=alias, channel_count=count, block_height=height, network=SIMULATED_NETWORK
        )

    async def channels(self) -> Sequence[ChannelState]:
        """Return the node's channels as it sees them; raises NodeUnavailable once the world has ended."""
        return await self._world.use(lambda engine: engine.channel_states(self._row))

    async def closed_channels(self) -> Sequence[ClosedChannel]:
        """Return the node's channels that were closed; the simulator does not keep when and how."""
        return await self._world.use(lambda engine: closed_channels(engine, self._row))

    async def pending_channels(self) -> Sequence[PendingChannel]:
        """Return nothing: simulated channels open and close at once."""
        return await self._world.use(lambda _engine: ())

    async def graph(self) -> NetworkGraph:
        """Return the public network."""
        return await self._world.use(lambda engine: engine.graph)

    async def forwarding_history(
        self, *, since_ns: int = 0, until_ns: int | None = None
    ) -> AsyncGenerator[ForwardPage, None]:
        """Yield the settled forwards since the node is observed, which it is from the first question on."""
        book = await self._world.keep_forwards(self._row)
        end_ns = await self._world.use(lambda engine: engine.now_ns) if until_ns is None else until_ns
        for page in book.pages(self._row, since_ns, end_ns, PAGE_FORWARDS):
            yield page

    async def self_payments(self, *, since_ns: int = 0) -> AsyncGenerator[tuple[SelfPayment, ...], None]:
        """Yield what the node has paid itself and what settled since a time, in one page."""
        yield await self._world.self_payments(self._row, since_ns)

    async def on_chain_costs(self, *, since_height: int = 0) -> Sequence[OnChainCost]:  # noqa: ARG002 - the port's
        """Return nothing: the simulator has no chain, and its channels open and close for free."""
        return await self._world.use(lambda _engine: ())

    def htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
        """Yield the node's HTLC events from now on; raises NodeUnavailable when the reader falls far behind."""
        return self._world.listen(self._row)

    async def policy(self, channel_id: ChannelId) -> ChannelPolicy:
        """Return what the node asks for in its direction; raises NodeRefused when it has no such channel."""

        def read(engine: Engine) -> ChannelPolicy | None:
            return engine.policy(self._find(engine.directions_of(self._row), channel_id))

        policy = await self._world.use(read)
        if policy is None:
            raise NodeRefused(f"nothing was ever asked for in our direction of {channel_id}")
        return policy

    async def set_policy(self, channel_id: ChannelId, policy: ChannelPolicy) -> ChannelPolicy:
        """Ask for this from now on; raises NodeRefused for what LND would refuse."""

        def change(engine: Engine) -> ChannelPolicy:
            direction = self._find(engine.directions_of(self._row), channel_id)
            capacity_sat = int(engine.graph.capacity_sat[direction // 2])
            if problem := reason_to_refuse(policy, capacity_sat):
                raise NodeRefused(f"{channel_id}: {problem}")
            before = engine.policy(direction)
            asked = dataclasses.replace(policy, disabled=before is not None and before.disabled)
            engine.set_policy(direction, asked)
            return asked

        return await self._world.use(change)

    async def set_status(self, channel_id: ChannelId, status: ChannelStatus) -> None:
        """Announce the node's direction of a channel as usable or not."""

        def change(engine: Engine) -> None:
            direction = self._find(engine.directions_of(self._row), channel_id)
            before = engine.policy(direction)
            if before is None:
                raise NodeRefused(f"nothing was ever asked for in our direction of {channel_id}")
            engine.set_policy(direction, dataclasses.replace(before, disabled=status is ChannelStatus.DISABLED))

        await self._world.use(change)

    async def rebalance(self, change: RebalanceChange) -> RebalanceOutcome:
        """Carry out one circular self-payment and return when it is final.

        As with LND, the way back is chosen by its last peer: of several channels
        with that peer any may carry it.

        Raises:
            NodeRefused: the change is not of this node, or not a circle over two of its channels.
            NodeUnavailable: the world ended before the payment did.
        """
        if change.node_id != self.node_id:
            raise NodeRefused(f"the change is for node {change.node_id[:12]}, not for {self.node_id[:12]}")
        if change.amount_msat <= 0:
            raise NodeRefused(f"{change.amount_msat} msat is no amount to move")
        directions = await self._world.use(lambda engine: engine.directions_of(self._row))
        outgoing = self._find(directions, change.outgoing_channel_id)
        incoming = self._find(directions, change.incoming_channel_id)
        targets = self._world.graph.targets()
        last_hop = int(targets[incoming])
        if int(targets[outgoing]) == last_hop:
            raise NodeRefused("out and back over channels with the same peer moves nothing")
        return await self._world.rebalance(self._row, outgoing, last_hop, change)

    def _find(self, directions: list[int], channel_id: ChannelId) -> int:
        for direction in directions:
            if self._world.graph.channel_id(direction // 2) == channel_id:
                return direction
        raise NodeRefused(f"the node has no channel {channel_id}")
