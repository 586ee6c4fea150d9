"""Nodes that decide for themselves inside a simulation: fees and rebalances, from what they could know.

An agent is anything with `decide(view, now) -> Decision`. It is asked at its own
pace; the event loop does not know that it exists, so nodes without an agent cost
nothing. What it may see is its `AgentView`: its own channels, its own HTLC
events since it last looked, how its own rebalances ended, and the gossip.
`find_dishonesty` shows whether an agent looks at anything else.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import ChannelState
from lightninglens.core.errors import LensError
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.records import Interval, PolicyChange, RebalanceChange, RebalanceOutcome
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import NS_PER_SECOND, UnixNs
from lightninglens.sim.engine import Engine
from lightninglens.sim.reading import Gossip, htlc_event
from lightninglens.sim.rebalances import circular_payment, rebalance_outcome
from lightninglens.sim.records import Harvest
from lightninglens.sim.remembering import Arrays, below, distinct, packed, restore_to, state_of, under, unpacked

FIRST_AGENT_PAYMENT_ID = 2**31
"""Payments of agents are numbered from here on, so that they never shift the draws of everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """What a node could know at one moment."""

    node_id: NodeId
    channels: tuple[ChannelState, ...]
    htlc_events: tuple[HtlcEvent, ...]
    """Its own, since it last looked; empty for a seat that does not watch."""
    rebalances: tuple[tuple[RebalanceChange, RebalanceOutcome], ...]
    """Its own that ended since it last looked."""
    gossip: Gossip


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a node does now."""

    policies: tuple[PolicyChange, ...] = ()
    rebalances: tuple[RebalanceChange, ...] = ()


class Agent(Protocol):
    """Decides for one node. One whose run is to be stopped and resumed is `Remembering` as well."""

    def decide(self, view: AgentView, now: UnixNs) -> Decision:
        """Return what the node does now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A node, who decides for it, and how often."""

    node_id: NodeId
    agent: Agent
    every_s: float = 600.0
    first_s: float = 0.0
    """When it looks first, from the start of the world."""
    watches: bool = True
    """Whether it is given its HTLC events; a node that needs none is cheaper without."""
    gossip_delay_s: float = 0.0
    """Until the network hears of its new policies."""


class Agents:
    """All agents of a simulation: asks those whose time has come, and does what they decide."""

    def __init__(self, engine: Engine, seats: Sequence[Seat]) -> None:
        """Seat the agents; raises LensError for an unknown node or a pace that is none."""
        self._seats = list(seats)
        self._rows = [_row_of(engine, seat) for seat in seats]
        self._wakes = [(engine.now_ns + round(seat.first_s * NS_PER_SECOND), place) for place, seat in enumerate(seats)]
        heapq.heapify(self._wakes)
        self._events: dict[int, list[NDArray[np.void]]] = {
            row: [] for row, seat in zip(self._rows, seats, strict=True) if seat.watches
        }
        engine.observe(list(self._events))
        self._sent: dict[int, tuple[int, RebalanceChange]] = {}
        self._ended: list[list[tuple[RebalanceChange, RebalanceOutcome]]] = [[] for _ in seats]
        self._next_payment_id = FIRST_AGENT_PAYMENT_ID

    @property
    def next_ns(self) -> int | None:
        """When somebody looks next; None when there is nobody."""
        return self._wakes[0][0] if self._wakes else None

    def take(self, harvest: Harvest) -> None:
        """Keep what a harvest tells the agents' nodes."""
        rows = harvest.htlc_events
        if self._events and len(rows):
            for node in np.unique(rows["node"]).tolist():
                if node in self._events:
                    self._events[node].append(rows[rows["node"] == node])
        payments = harvest.payments
        for row in np.flatnonzero(payments.payment_id >= FIRST_AGENT_PAYMENT_ID).tolist():
            place, change = self._sent.pop(int(payments.payment_id[row]))
            self._ended[place].append((change, rebalance_outcome(payments, row)))

    def wake(self, engine: Engine) -> None:
        """Ask everybody whose time has come, all on the same present, and then do what they decided."""
        decided = []
        while self._wakes and self._wakes[0][0] <= engine.now_ns:
            due_ns, place = heapq.heappop(self._wakes)
            seat = self._seats[place]
            decided.append((place, self._ask(engine, place)))
            heapq.heappush(self._wakes, (due_ns + round(seat.every_s * NS_PER_SECOND), place))
        for place, decision in decided:
            self._carry_out(engine, place, decision)

    def view(self, engine: Engine, place: int) -> AgentView:
        """Return what the node in this seat knows now; what has happened since the last look is told once."""
        row, graph = self._rows[place], engine.graph
        chunks = self._events.get(row, [])
        events = tuple(htlc_event(graph, event) for chunk in chunks for event in chunk)
        chunks.clear()
        ended, self._ended[place] = tuple(self._ended[place]), []
        return AgentView(
            node_id=self._seats[place].node_id,
            channels=tuple(engine.channel_states(row)),
            htlc_events=events,
            rebalances=ended,
            gossip=engine.gossip(),
        )

    def state(self) -> Arrays:
        """Return what agents and their seats need to go on; raises LensError for an agent that keeps its memory."""
        told = {f"events of {row}": np.concatenate(chunks) for row, chunks in self._events.items() if chunks}
        seats = {
            "wakes": np.array(self._wakes, np.int64).reshape(-1, 2),
            "next_payment_id": self._next_payment_id,
            "sent": [[payment, place, asdict(change)] for payment, (place, change) in self._sent.items()],
            "ended": [[[asdict(change), asdict(outcome)] for change, outcome in each] for each in self._ended],
        }
        arrays = under("seats.", packed(seats | told, "the seats of agents"))
        for number, agent in enumerate(distinct(seat.agent for seat in self._seats)):
            arrays |= under(f"{number}.", state_of(agent, f"agent {number}"))
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from such a state; raises ValueError when the seats are others, LensError as `state` does."""
        seats = unpacked(below(arrays, "seats."))
        if len(seats["wakes"]) != len(self._seats):
            raise ValueError(f"it has {len(seats['wakes'])} agents, and {len(self._seats)} are seated")
        self._wakes = [(int(due_ns), int(place)) for due_ns, place in seats["wakes"]]
        self._next_payment_id = int(seats["next_payment_id"])
        self._sent = {payment: (place, _change_of(change)) for payment, place, change in seats["sent"]}
        self._ended = [
            [(_change_of(change), RebalanceOutcome(**outcome)) for change, outcome in each] for each in seats["ended"]
        ]
        for row, chunks in self._events.items():
            chunks[:] = [seats[name] for name in (f"events of {row}",) if name in seats]
        for number, agent in enumerate(distinct(seat.agent for seat in self._seats)):
            restore_to(agent, below(arrays, f"{number}."), f"agent {number}")

    def _ask(self, engine: Engine, place: int) -> Decision:
        seat = self._seats[place]
        try:
            decision = seat.agent.decide(self.view(engine, place), UnixNs(engine.now_ns))
        except LensError:
            raise
        except Exception as problem:
            raise LensError(
                f"the agent of node {seat.node_id[:12]} failed: {type(problem).__name__}: {problem}"
            ) from problem
        if not isinstance(decision, Decision):
            raise LensError(
                f"the agent of node {seat.node_id[:12]} returned a {type(decision).__name__}, not a Decision"
            )
        return decision

    def _carry_out(self, engine: Engine, place: int, decision: Decision) -> None:
        seat = self._seats[place]
        spread_ns = round(seat.gossip_delay_s * NS_PER_SECOND)
        for policy in decision.policies:
            engine.set_policy(self._direction(engine, place, policy.channel_id), policy.policy, spread_ns=spread_ns)
        targets = engine.graph.targets() if decision.rebalances else None
        for change in decision.rebalances:
            outgoing, incoming = (
                self._direction(engine, place, channel_id)
                for channel_id in (change.outgoing_channel_id, change.incoming_channel_id)
            )
            last_hop = int(targets[incoming])  # type: ignore[index]
            payment = circular_payment(engine.now_ns, self._rows[place], outgoing, last_hop, change)
            engine.submit(payment, first_id=self._next_payment_id)
            self._sent[self._next_payment_id] = (place, change)
            self._next_payment_id += 1

    def _direction(self, engine: Engine, place: int, channel_id: ChannelId) -> int:
        for direction in engine.directions_of(self._rows[place]):
            if engine.graph.channel_id(direction // 2) == channel_id:
                return direction
        raise LensError(
            f"the agent of node {self._seats[place].node_id[:12]} would act on channel {channel_id},"
            " which is not its own"
        )


def _change_of(written: dict[str, Any]) -> RebalanceChange:
    gain = written["expected_gain"]
    ids = {name: ChannelId(written[name]) for name in ("outgoing_channel_id", "incoming_channel_id")}
    return RebalanceChange(**written | ids | {"expected_gain": None if gain is None else Interval(**gain)})


def _row_of(engine: Engine, seat: Seat) -> int:
    if not seat.every_s > 0 or not seat.first_s >= 0:
        raise LensError(f"an agent cannot look every {seat.every_s} s, first after {seat.first_s} s")
    try:
        return engine.graph.node_index(seat.node_id)
    except KeyError:
        raise LensError(f"{seat.node_id} is not a node of this graph, so nobody can decide for it") from None


def find_dishonesty(make: Callable[[Engine], Agent], engine: Engine, node_id: NodeId, *, seed: int = 0) -> str | None:
    """Return how an agent's decision changed with what its node cannot know; None when it did not.

    `make` returns a fresh agent for a world. One is asked in this world and one
    in a world in which every balance that the node does not see is another.
    """
    decisions = []
    for world in (engine.fork(), scrambled(engine, node_id, seed=seed)):
        agent = make(world)
        view = Agents(world, [Seat(node_id=node_id, agent=agent)]).view(world, 0)
        decisions.append(agent.decide(view, UnixNs(world.now_ns)))
    if decisions[0] == decisions[1]:
        return None
    return f"it decided {decisions[0]}, and {decisions[1]} when only hidden balances had changed"


def scrambled(engine: Engine, node_id: NodeId, *, seed: int = 0) -> Engine:
    """Return a fork in which all that a node cannot see is otherwise: the balances of channels that are not its own."""
    fork = engine.fork()
    row = fork.graph.node_index(node_id)
    balance_msat = fork.balances_msat()
    hidden = np.flatnonzero((fork.graph.node1 != row) & (fork.graph.node2 != row))
    shares = uniforms(seed, 0, Stream.SCRAMBLE, len(hidden))
    for channel, share in zip(hidden.tolist(), shares.tolist(), strict=True):
        direction = 2 * channel + (seed + channel) % 2
        fork.move_liquidity(direction, int(balance_msat[direction] * share))
    return fork
