"""A scenario says how its nodes look for routes: all of them, a share, or listed ones."""

from pathlib import Path

import numpy as np
import pytest

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.lab.scenarios import OpenedScenario, open_scenario_file, overridden
from lightninglens.sim import sender_groups
from lightninglens.sim.demand.model import LAB_DEMAND
from lightninglens.sim.scenario import GraphKind, GraphSource, Scenario
from lightninglens.sim.sender_groups import SenderGroup, SenderName
from lightninglens.sim.simulation import Simulation
from lightninglens.sim.state import SenderKind
from lightninglens.sim.topology import channels_for, lab_topology, synthetic_graph
from lightninglens.storage.files.scenarios import read_scenario_file, senders_of_all

GRAPH = synthetic_graph(600, channels=channels_for(600), seed=2)
LAB = lab_topology(4).graph
KINDS = [SenderKind.LND, SenderKind.LND_BIMODAL, SenderKind.PLUGGED]


def simulation(graph: NetworkGraph, *groups: SenderGroup, seed: int = 1) -> Simulation:
    """Return a run with these senders."""
    source = GraphSource(kind=GraphKind.LAB)
    scenario = Scenario(name="x", seed=seed, graph=source, payments=200, demand=LAB_DEMAND, senders=groups)
    return Simulation(scenario, graph)


def kinds(graph: NetworkGraph, *groups: SenderGroup, seed: int = 1) -> np.ndarray:
    """Return the nodes' kinds in such a run."""
    return simulation(graph, *groups, seed=seed).engine._world.sender_kind


def test_shares_are_drawn_node_by_node() -> None:
    """Each group has about its share, the rest is LND's; another seed draws other nodes."""
    groups = (
        SenderGroup(kind=SenderName.LND_BIMODAL, share=0.3),
        SenderGroup(kind=SenderName.FLOW, share=0.2),
    )
    drawn = kinds(GRAPH, *groups)
    shares = [np.mean(drawn == kind) for kind in KINDS]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.06)
    assert drawn.tolist() == kinds(GRAPH, *groups).tolist() != kinds(GRAPH, *groups, seed=9).tolist()
    assert kinds(GRAPH).tolist() == [SenderKind.LND] * 600
    assert kinds(GRAPH, *senders_of_all(SenderName.LND_BIMODAL)).tolist() == [SenderKind.LND_BIMODAL] * 600


def test_listed_nodes_are_what_the_list_says() -> None:
    """Whatever the shares would have made them."""
    listed = SenderGroup(kind=SenderName.LND, nodes=(LAB.node_ids[1], LAB.node_ids[3]))
    found = kinds(LAB, SenderGroup(kind=SenderName.LND_BIMODAL, share=1.0), listed)
    assert np.flatnonzero(found == SenderKind.LND).tolist() == [1, 3]


def test_estimators_make_other_runs() -> None:
    """The same payments; what senders take from their failures differs."""
    ended = []
    for groups in ((), senders_of_all(SenderName.LND_BIMODAL), senders_of_all(SenderName.FLOW)):
        harvests = [step.harvest for step in simulation(LAB, *groups).steps()]
        ended.append(np.concatenate([harvest.routes for harvest in harvests]).tolist())
        assert sum(len(harvest.payments.payment_id) for harvest in harvests) == 200
    assert ended[0] != ended[1] != ended[2]


def opened(tmp_path: Path, text: str) -> OpenedScenario:
    """Open a scenario file of the lab."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return open_scenario_file(overridden(read_scenario_file(path), graph="lab"))


def test_a_file_names_kinds_shares_and_nodes(tmp_path: Path) -> None:
    """A name is all nodes; nodes by alias become ids."""
    assert opened(tmp_path, "senders = 'lnd'").scenario.senders == ()
    every = opened(tmp_path, "senders = 'lnd-bimodal'").scenario.senders
    assert every == (SenderGroup(kind=SenderName.LND_BIMODAL, share=1.0),)
    text = "[[senders]]\nkind = 'flow'\nshare = 0.5\n[[senders]]\nkind = 'lnd-bimodal'\nnodes = ['lnd-bob']"
    found = opened(tmp_path, text)
    assert [group.kind for group in found.scenario.senders] == ["flow", "lnd-bimodal"]
    assert found.scenario.senders[1].nodes == (found.world.graph.node_ids[1],)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("senders = 'lnd-bimodel'", "line 1: senders: 'lnd-bimodel' is none of lnd, .* is 'lnd-bimodal' meant"),
        ("senders = 3", "line 1: senders: it is a name"),
        ("senders = ['lnd']", "line 1: senders: it is a name"),
        ("[[senders]]\nshare = 0.5", r"line 1: senders\[0\]: the key 'kind' is missing"),
        ("[[senders]]\nkind = 'lnd'", r"line 1: senders\[0\]: either share or nodes"),
        ("[[senders]]\nkind = 'flow'\nshare = 2", r"line 3: senders\[0\].share: share is 2.0, and must be from 0 to 1"),
        (
            "[[senders]]\nkind = 'flow'\nshare = 0.6\n[[senders]]\nkind = 'lnd'\nshare = 0.5",
            "the shares of senders are 1.1 together",
        ),
        ("[[senders]]\nkind = 'flow'\nnodes = ['lnd-zed']", r"line 1: senders\[0\]: 'lnd-zed' is not a node"),
        ("[[senders]]\nkind = 'lnd'\nnodes = ['lnd-bob', 'lnd-bob']", "lnd-bob is listed as a sender twice"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, text: str, words: str) -> None:
    """With the line and the key, before anything runs."""
    with pytest.raises(ConfigError, match=words):
        opened(tmp_path, text)


def test_a_node_that_is_named_twice_in_different_words(tmp_path: Path) -> None:
    """By its alias and by its id."""
    node = opened(tmp_path, "").world.graph.node_ids[1]
    with pytest.raises(ConfigError, match=f"{node} is listed as a sender twice"):
        opened(tmp_path, f"[[senders]]\nkind = 'lnd'\nnodes = ['lnd-bob', '{node}']")


def test_a_node_of_another_graph_is_refused() -> None:
    """As observed nodes are."""
    stranger = GRAPH.node_ids[0]
    with pytest.raises(ValueError, match=f"{stranger} is not a node"):
        simulation(LAB, SenderGroup(kind=SenderName.LND, nodes=(stranger,)))


def test_an_extra_that_is_missing_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setattr(sender_groups, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'lightninglens\[flow\]'"):
        opened(tmp_path, "senders = 'flow'")
    with pytest.raises(ConfigError, match="needs OR-tools"):
        simulation(LAB, *senders_of_all(SenderName.FLOW))
    assert opened(tmp_path, "senders = 'lnd-bimodal'").scenario.senders
