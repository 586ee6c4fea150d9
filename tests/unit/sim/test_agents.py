"""Nodes that decide for themselves: when they are asked, what they see, what becomes of what they decide."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from lightninglens.core.errors import LensError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcEventType
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.records import PolicyChange, RebalanceChange
from lightninglens.core.units import NS_PER_SECOND, Msat, Ppm, UnixNs
from lightninglens.lab.worlds import open_world
from lightninglens.sim.agents import Agents, AgentView, Decision, Seat, find_dishonesty, scrambled
from lightninglens.sim.demand.model import LAB_DEMAND
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import Harvest
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.simulation import Simulation

WORLD = open_world("lab", seed=3)
SCENARIO = Scenario(
    name="agents", seed=3, graph=WORLD.source, payments=300, demand=replace(LAB_DEMAND, amount_scale=4.0)
)
NODE = WORLD.graph.node_ids[0]


@dataclass
class Recorder:
    """Decides what it was told to, once, and keeps what it saw."""

    decision: Decision = field(default_factory=Decision)
    seen: list[tuple[AgentView, UnixNs]] = field(default_factory=list)

    def decide(self, view: AgentView, now: UnixNs) -> Decision:
        self.seen.append((view, now))
        decision, self.decision = self.decision, Decision()
        return decision


def run(*seats: Seat) -> tuple[Simulation, list[Harvest]]:
    simulation = Simulation(SCENARIO, WORLD.graph, opener_side=WORLD.opener_side, seats=seats)
    return simulation, [step.harvest for step in simulation.steps()]


def test_an_agent_is_asked_at_its_pace_and_told_everything_once() -> None:
    agent = Recorder()
    simulation, harvests = run(Seat(node_id=NODE, agent=agent, every_s=300, first_s=60))
    times_s = [(now - simulation.start_ns) / NS_PER_SECOND for _, now in agent.seen]
    assert times_s[:3] == [60.0, 360.0, 660.0]
    assert len(times_s) > 10
    events = [event for view, _ in agent.seen for event in view.htlc_events]
    rows = np.concatenate([harvest.htlc_events for harvest in harvests])
    told_until = agent.seen[-1][1]
    assert len(events) == np.count_nonzero(rows["timestamp_ns"] <= told_until) > 100
    assert {event.event_type for event in events} == set(HtlcEventType) - {HtlcEventType.UNKNOWN}
    assert all(view.channels and view.node_id == NODE for view, _ in agent.seen)


def test_a_seat_that_does_not_watch_is_told_of_no_htlc() -> None:
    agent = Recorder()
    _, harvests = run(Seat(node_id=NODE, agent=agent, every_s=300, watches=False))
    assert all(not view.htlc_events for view, _ in agent.seen)
    assert all(not len(harvest.htlc_events) for harvest in harvests)


def test_agents_that_do_nothing_change_nothing() -> None:
    """However many sit there: the payments are those of a world without them."""
    seats = [Seat(node_id=node, agent=Recorder(), every_s=7 + row) for row, node in enumerate(WORLD.graph.node_ids)]
    _, watched = run(*seats)
    _, alone = run()
    for name in watched[0].payments._fields:
        one, other = (np.concatenate([getattr(h.payments, name) for h in harvests]) for harvests in (watched, alone))
        assert np.array_equal(one, other), name


def change_of(view_channel: int = 0, **values: object) -> PolicyChange:
    engine = Simulation(SCENARIO, WORLD.graph, opener_side=WORLD.opener_side).engine
    channel = engine.channel_states(0)[view_channel]
    assert channel.local_policy is not None
    policy = replace(channel.local_policy, fee_rate_ppm=Ppm(4_321))
    change = PolicyChange(
        node_id=NODE, channel_id=channel.channel_id, policy=policy, previous_policy=channel.local_policy, reason="test"
    )
    return replace(change, **values)  # type: ignore[arg-type]


def test_a_new_policy_is_enforced_at_once_and_heard_after_the_delay() -> None:
    change, other = change_of(), Recorder()
    peer = WORLD.graph.node_ids[1]
    seats = (
        Seat(node_id=NODE, agent=Recorder(Decision(policies=(change,))), gossip_delay_s=500, first_s=100, every_s=1e9),
        Seat(node_id=peer, agent=other, first_s=200, every_s=200),
    )
    run(*seats)
    heard = []
    for view, now in other.seen:
        policy = view.gossip.policy(change.channel_id, NODE)
        assert policy is not None
        heard.append((now, policy.fee_rate_ppm))
    assert heard[-1][1] == 4_321
    simulation, _ = run(replace(seats[0], agent=Recorder(Decision(policies=(change,)))))
    enforced = {state.channel_id: state.local_policy for state in simulation.engine.channel_states(0)}
    assert enforced[change.channel_id] == change.policy


def circle() -> RebalanceChange:
    """Return a circle of the first node over two of its channels that can carry it."""
    engine = Simulation(SCENARIO, WORLD.graph, opener_side=WORLD.opener_side).engine
    states = engine.channel_states(0)
    outgoing = max(states, key=lambda state: state.outbound_msat)
    incoming = max((state for state in states if state is not outgoing), key=lambda state: state.inbound_msat)
    return RebalanceChange(
        node_id=NODE,
        outgoing_channel_id=outgoing.channel_id,
        incoming_channel_id=incoming.channel_id,
        amount_msat=Msat(20_000_000),
        max_fee_msat=Msat(1_000_000),
        previous_local_msat=outgoing.local_msat,
        reason="test",
    )


def test_an_agent_hears_how_its_rebalance_ended() -> None:
    agent = Recorder(Decision(rebalances=(circle(),)))
    _, harvests = run(Seat(node_id=NODE, agent=agent, every_s=120))
    ended = [pair for view, _ in agent.seen for pair in view.rebalances]
    assert [change for change, _ in ended] == [circle()]
    ids = np.concatenate([harvest.payments.payment_id for harvest in harvests])
    assert sorted(ids.tolist()) == [*range(300), 2**31]


@pytest.mark.parametrize(
    ("decision", "problem"),
    [
        (Decision(policies=(change_of(channel_id=ChannelId(99)),)), "not its own"),
        (Decision(rebalances=(replace(circle(), incoming_channel_id=ChannelId(5)),)), "not its own"),
        ("sell everything", "returned a str, not a Decision"),
    ],
)
def test_what_an_agent_cannot_do_is_told_with_its_node(decision: Decision, problem: str) -> None:
    with pytest.raises(LensError, match=problem) as refused:
        run(Seat(node_id=NODE, agent=Recorder(decision)))
    assert NODE[:12] in str(refused.value)


def test_an_agent_that_fails_is_named() -> None:
    class Broken:
        def decide(self, view: AgentView, now: UnixNs) -> Decision:
            raise ZeroDivisionError(f"at {now} of {len(view.channels)}")

    class Careful:
        def decide(self, view: AgentView, now: UnixNs) -> Decision:
            raise LensError(f"no model for {view.node_id} at {now}")

    with pytest.raises(LensError, match="failed: ZeroDivisionError"):
        run(Seat(node_id=NODE, agent=Broken()))
    with pytest.raises(LensError, match="no model for"):
        run(Seat(node_id=NODE, agent=Careful()))


@pytest.mark.parametrize("wrong", [{"every_s": 0.0}, {"first_s": -1.0}, {"node_id": NodeId("02" * 33)}])
def test_an_impossible_seat_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(LensError, match=r"cannot look every|not a node of this graph"):
        run(replace(Seat(node_id=NODE, agent=Recorder()), **wrong))  # type: ignore[arg-type]


class Modest:
    """Raises the fee of what is drained: from its own channels and the gossip."""

    def decide(self, view: AgentView, now: UnixNs) -> Decision:
        assert now
        changes = []
        for channel in view.channels:
            heard = view.gossip.policy(channel.channel_id, channel.peer_id)
            if channel.local_policy and heard and channel.local_msat < channel.remote_msat:
                policy = replace(channel.local_policy, fee_rate_ppm=Ppm(heard.fee_rate_ppm + 100))
                changes.append(
                    PolicyChange(
                        node_id=view.node_id,
                        channel_id=channel.channel_id,
                        policy=policy,
                        previous_policy=channel.local_policy,
                        reason="drained",
                    )
                )
        return Decision(policies=tuple(changes))


class Spy(Modest):
    """Raises fees only while some channel that is not its own is nearly empty."""

    def __init__(self, world: Engine) -> None:
        self.world = world

    def decide(self, view: AgentView, now: UnixNs) -> Decision:
        decision = super().decide(view, now)
        return Decision(policies=decision.policies[: int(self.world.balances_msat().min()) % 2])


def test_looking_at_what_is_hidden_is_found_out() -> None:
    """The one agent decides on its view alone; the other has a way to the world."""
    world = run()[0].engine
    seats = [Seat(node_id=node, agent=Recorder()) for node in WORLD.graph.node_ids]
    views = [Agents(world, seats).view(world, place) for place in range(len(seats))]
    view = next(view for view in views if Modest().decide(view, UnixNs(1)).policies)
    assert all(find_dishonesty(lambda _: Modest(), world, view.node_id, seed=seed) is None for seed in range(4))
    found = [find_dishonesty(Spy, world, view.node_id, seed=seed) for seed in range(12)]
    assert any(what and "only hidden balances had changed" in what for what in found)


def test_a_scrambled_world_keeps_what_the_node_sees_and_all_money() -> None:
    simulation, _ = run()
    engine = simulation.engine
    other = scrambled(engine, NODE, seed=4)
    assert other.channel_states(0) == engine.channel_states(0)
    assert other.conservation_drift_msat() == 0
    assert np.count_nonzero(other.balances_msat() != engine.balances_msat()) >= 4
    assert other.balances_msat().sum() == engine.balances_msat().sum()


def test_gossip_answers_for_what_is_announced() -> None:
    simulation, _ = run()
    graph: NetworkGraph = WORLD.graph
    gossip = simulation.engine.gossip()
    for channel_id, peer_id in gossip.channels_of(NODE):
        assert gossip.capacity_sat(channel_id) > 0
        assert gossip.policy(channel_id, peer_id) == simulation.engine.policy(
            next(
                d
                for d in simulation.engine.directions_of(graph.node_index(peer_id))
                if graph.channel_id(d // 2) == channel_id
            )
        )
    with pytest.raises(KeyError):
        gossip.policy(ChannelId(5), NODE)
    stranger = next(n for n in graph.node_ids if n != NODE and n not in {p for _, p in gossip.channels_of(NODE)})
    with pytest.raises(KeyError):
        gossip.policy(next(iter(gossip.channels_of(NODE)))[0], stranger)
