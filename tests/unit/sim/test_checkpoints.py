"""A run that is stopped goes on to the same bytes, with agents and routers that remember; others are refused."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.reference.networks import plain_policy
from tests.support.routers import CheapestRouter

from lightninglens.core.errors import LensError
from lightninglens.core.ids import ChannelId
from lightninglens.core.records import Interval, PolicyChange, RebalanceChange
from lightninglens.core.units import Msat, Ppm, UnixNs
from lightninglens.lab.worlds import open_world
from lightninglens.sim.agents import AgentView, Decision, Seat
from lightninglens.sim.checkpoint import from_arrays, to_arrays
from lightninglens.sim.demand.model import LAB_DEMAND
from lightninglens.sim.demand.receivers import ReceiverSettings
from lightninglens.sim.flow_router import FlowRouter
from lightninglens.sim.opening import NewChannel
from lightninglens.sim.records import Harvest
from lightninglens.sim.remembering import packed, unpacked
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.sender_groups import SenderGroup, SenderName
from lightninglens.sim.simulation import Simulation

WORLD = open_world("lab", seed=3)
NODES = WORLD.graph.node_ids
SCENARIO = Scenario(
    name="stopped",
    seed=3,
    graph=WORLD.source,
    payments=400,
    demand=replace(LAB_DEMAND, amount_scale=6.0),
    senders=(SenderGroup(kind=SenderName.FLOW, share=0.5), SenderGroup(kind=SenderName.LND_BIMODAL, share=0.3)),
    receivers=ReceiverSettings(hold_share=0.3, hold_median_s=200.0, hold_cancelled_share=0.3, probe_share=0.1),
)
MINUTE_NS = 60 * 10**9


@dataclass
class Busy:
    """Circles now and then and raises fees where it heard of failures; all of it depends on what it has seen before."""

    seen: int = 0
    ended: list[str] = field(default_factory=list)
    weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))

    def state(self) -> dict[str, Any]:
        """Return counts and weights."""
        return {"seen": self.seen, "ended": self.ended, "weights": self.weights}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take them up."""
        self.seen, self.ended, self.weights = state["seen"], list(state["ended"]), state["weights"]

    def decide(self, view: AgentView, now: UnixNs) -> Decision:
        """Decide by how much it has seen."""
        assert now
        self.seen += len(view.htlc_events)
        self.ended += [f"{change.amount_msat} {outcome.detail}" for change, outcome in view.rebalances]
        self.weights[self.seen % 4] += 1.0
        if self.weights.sum() > 30:
            return Decision()  # a run ends when nobody does anything any more
        states = sorted(view.channels, key=lambda state: state.outbound_msat)
        fee = int(self.weights.sum()) * 10 + len("".join(self.ended))
        channel = states[self.seen % len(states)]
        assert channel.local_policy is not None
        policy = PolicyChange(
            node_id=view.node_id,
            channel_id=channel.channel_id,
            policy=replace(channel.local_policy, fee_rate_ppm=Ppm(fee)),
            previous_policy=channel.local_policy,
            reason="busy",
        )
        circle = RebalanceChange(
            node_id=view.node_id,
            outgoing_channel_id=states[-1].channel_id,
            incoming_channel_id=states[0].channel_id,
            amount_msat=Msat(1_000_000 + self.seen),
            max_fee_msat=Msat(500_000),
            previous_local_msat=states[-1].local_msat,
            reason="busy",
            expected_gain=Interval(low_msat=0, expected_msat=1, high_msat=2) if self.seen % 2 else None,
        )
        return Decision(policies=(policy,), rebalances=(circle,))


def seats() -> list[Seat]:
    """Return two agents, of which one decides for two nodes."""
    shared = Busy()
    return [
        Seat(node_id=NODES[0], agent=Busy(), every_s=97.0, gossip_delay_s=20.0),
        Seat(node_id=NODES[1], agent=shared, every_s=210.0, first_s=11.0),
        Seat(node_id=NODES[4], agent=shared, every_s=300.0, watches=False),
    ]


def simulation(seated: Sequence[Seat] = ()) -> Simulation:
    """Return a run before its first event."""
    return Simulation(SCENARIO, WORLD.graph, opener_side=WORLD.opener_side, seats=seated)


def digest(harvests: list[Harvest], made: Simulation) -> str:
    """Return a hash of all that came out, and of the balances at the end."""
    hashed = hashlib.sha256()
    for columns in zip(*(harvest.payments for harvest in harvests), strict=True):
        hashed.update(np.concatenate(columns).tobytes())
    for name in ("attempts", "htlc_events"):
        rows = np.concatenate([getattr(harvest, name) for harvest in harvests])
        for column in rows.dtype.names or ():
            hashed.update(np.ascontiguousarray(rows[column]).tobytes())
    hashed.update(np.concatenate([harvest.routes for harvest in harvests]).tobytes())
    hashed.update(made.engine.balances_msat().tobytes())
    return hashed.hexdigest()


def carried(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays after a way through bytes, in which nothing may be pickled."""
    back = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        back[name] = np.load(io.BytesIO(buffer.getvalue()), allow_pickle=False)
    return back


@pytest.mark.parametrize("minutes", [1, 9, 25, 61])
def test_a_resumed_run_is_the_one_that_was_never_stopped(minutes: int) -> None:
    """Agents with circles under way, routers with parts under way, sets that are held: to the byte."""
    whole = simulation(seats())
    expected = digest([step.harvest for step in whole.steps()], whole)
    first = simulation(seats())
    harvests = [step.harvest for step in first.steps(until_ns=first.start_ns + minutes * MINUTE_NS)]
    arrays = carried(to_arrays(first.state()))
    second = simulation(seats())
    second.resume(from_arrays(second.state(), arrays))
    harvests += [step.harvest for step in second.steps()]
    assert digest(harvests, second) == expected


def test_it_matters_what_they_remember() -> None:
    """A run whose agents forget, or whose router does, goes on otherwise: the test above shows something."""
    first = simulation(seats())
    for _ in first.steps(until_ns=first.start_ns + 20 * MINUTE_NS):
        pass
    arrays = to_arrays(first.state())
    ended = set()
    for forgetful in (None, "agents.0.", "plugged.0."):
        second = simulation(seats())
        kept = arrays
        if forgetful:
            fresh = {name: array for name, array in to_arrays(second.state()).items() if name.startswith(forgetful)}
            kept = {name: array for name, array in arrays.items() if not name.startswith(forgetful)} | fresh
        second.resume(from_arrays(second.state(), kept))
        ended.add(digest([step.harvest for step in second.steps()], second))
    assert len(ended) == 3


def test_an_agent_that_cannot_say_what_it_remembers_is_refused() -> None:
    """In words, when the checkpoint is made."""

    class Silent:
        def decide(self, view: AgentView, now: UnixNs) -> Decision:
            raise AssertionError((view, now))

    made = simulation([Seat(node_id=NODES[0], agent=Silent())])
    with pytest.raises(LensError, match=r"cannot keep agent 0, a Silent: give it the methods state\(\)"):
        made.state()


def test_a_router_that_cannot_say_what_it_remembers_is_refused() -> None:
    """As an agent is; so is one that takes nothing up."""
    made = simulation()
    made.engine.plug([2], CheapestRouter())
    with pytest.raises(LensError, match="cannot keep router 1, a CheapestRouter"):
        to_arrays(made.state())
    arrays = to_arrays(simulation().state())
    other = simulation()
    other.engine.plug(sorted(other.engine._plugged._routers), CheapestRouter())
    with pytest.raises(LensError, match=r"a CheapestRouter has no method restore"):
        from_arrays(other.state(), arrays)


@pytest.mark.parametrize("state", [{"x": object()}, {"x": {1, 2}}, {"x": np.array([object()])}])
def test_a_memory_that_is_no_data_is_refused(state: dict[str, Any]) -> None:
    """Neither JSON nor an array of numbers or text."""
    with pytest.raises(LensError, match="a checkpoint cannot keep Bob"):
        packed(state, "Bob")


def test_memories_come_back_as_they_were() -> None:
    """Whatever the names are; arrays keep their types."""
    memory = {"a/b": np.arange(3, dtype=np.int8), "": [1, {"x": None}], "text": np.array(["ab"]), "array0": 5}
    back = unpacked(packed(memory, "Bob"))
    assert set(back) == set(memory)
    assert back["a/b"].dtype == np.int8
    assert back["text"].tolist() == ["ab"]
    assert (back[""], back["array0"]) == ([1, {"x": None}], 5)


def test_arrays_that_are_no_memory_are_refused() -> None:
    """A missing text, or an array too many."""
    arrays = packed({"x": np.zeros(2)}, "Bob")
    with pytest.raises(ValueError, match="a memory is missing"):
        unpacked({})
    with pytest.raises(ValueError, match="has 2 arrays, and 1 are named"):
        unpacked({**arrays, "array9": np.zeros(1)})


def test_others_than_those_who_were_stopped_are_refused() -> None:
    """Fewer agents, or a router for other nodes."""
    arrays = to_arrays(simulation(seats()).state())
    fewer = simulation(seats()[:2])
    with pytest.raises(ValueError, match="it has 3 agents, and 2 are seated"):
        fewer.resume(from_arrays(fewer.state(), arrays))
    other = simulation(seats())
    other.engine.plug([row for row in range(5) if row not in other.engine._plugged._routers], FlowRouter())
    with pytest.raises(ValueError, match="other routers are plugged"):
        from_arrays(other.state(), arrays)


class Remembers(CheapestRouter):
    """A router of a user's own whose memory is kept."""

    def state(self) -> dict[str, Any]:
        """Return what refused it, by payment."""
        return {"refused": [[payment, sorted(directions)] for payment, directions in self._refused.items()]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it up."""
        self._refused = {payment: set(directions) for payment, directions in state["refused"]}


def test_a_router_of_ones_own_goes_on() -> None:
    """Plugged anew before the state is taken up."""
    plain = replace(SCENARIO, senders=())

    def started() -> Simulation:
        made = Simulation(plain, WORLD.graph, opener_side=WORLD.opener_side)
        made.engine.plug([0, 1, 2], Remembers())
        return made

    whole, first, second = started(), started(), started()
    expected = digest([step.harvest for step in whole.steps()], whole)
    harvests = [step.harvest for step in first.steps(until_ns=first.start_ns + 14 * MINUTE_NS)]
    second.resume(from_arrays(second.state(), carried(to_arrays(first.state()))))
    harvests += [step.harvest for step in second.steps()]
    assert digest(harvests, second) == expected


def test_flow_learns_on_when_channels_open_and_is_kept_twice() -> None:
    """What it knows of old channels stays; a state taken before it was asked again is the state that it was given."""
    made = simulation()
    for _ in made.steps(until_ns=made.start_ns + 20 * MINUTE_NS):
        pass
    router = next(iter(made.engine._plugged._routers.values()))
    assert isinstance(router, FlowRouter)
    again = FlowRouter()
    again.restore(unpacked(packed(router.state(), "it")))
    assert json.dumps({k: np.asarray(v).tolist() for k, v in again.state().items() if k != "avoided"}) == json.dumps(
        {k: np.asarray(v).tolist() for k, v in router.state().items() if k != "avoided"}
    )
    opened = NewChannel(
        channel_id=ChannelId.of(900_000, 1, 0),
        opener=0,
        peer=4,
        capacity_sat=3_000_000,
        opener_policy=plain_policy(),
        peer_policy=plain_policy(),
    )
    made.engine.open_channel(opened, announced_after_blocks=0)
    before = len(WORLD.graph.sources())
    made.engine.run_until(made.start_ns + 120 * MINUTE_NS)
    assert before + 2 in {directions for _, directions in router.state()["senders"]}
