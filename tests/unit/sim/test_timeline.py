"""What a scenario changes at set times: found in the graph, in order, or refused with the place."""

import pytest

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.scenario import GraphKind, GraphSource, Scenario
from lightninglens.sim.simulation import Simulation
from lightninglens.sim.timeline import (
    Change,
    ChannelOffline,
    CloseChannel,
    NodeOffline,
    OpenChannel,
    PolicyFields,
    SetPolicy,
    lnd_default_policy,
    schedule,
)
from lightninglens.sim.topology import lab_topology

SECOND_NS = 10**9
FIRST = "202x1x0"
NEW = "900000x1x0"


@pytest.fixture(name="graph", scope="module")
def _graph() -> NetworkGraph:
    return lab_topology(1).graph


def opening(**changed: object) -> OpenChannel:
    plain = {"at_s": 5.0, "channel": NEW, "opener": "lnd-alice", "peer": "lnd-dave", "capacity_sat": 500_000}
    return OpenChannel(**(plain | changed))  # type: ignore[arg-type]


def test_changes_come_by_time_with_their_rows(graph: NetworkGraph) -> None:
    changes: list[Change] = [
        CloseChannel(at_s=60.0, channel=NEW),
        opening(),
        SetPolicy(at_s=7.5, channel=FIRST, node="lnd-bob", policy=PolicyFields(fee_rate_ppm=250)),
        SetPolicy(at_s=8.0, channel=NEW, node="lnd-dave", policy=PolicyFields(disabled=True)),
        NodeOffline(at_s=1.0, for_s=2.0, node="lnd-eve"),
        ChannelOffline(at_s=1.0, for_s=3.0, channel=FIRST),
    ]
    made = schedule(changes, graph)
    assert [change.at_ns / SECOND_NS for change in made] == [1.0, 1.0, 5.0, 7.5, 8.0, 60.0]
    assert [change.until_ns / SECOND_NS for change in made] == [3.0, 4.0, 5.0, 7.5, 8.0, 60.0]
    assert [change.channel for change in made] == [-1, 0, 7, 0, 7, 7]
    assert [change.node for change in made] == [4, -1, 0, 1, 3, -1]
    assert made[2].peer == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([CloseChannel(at_s=1.0, channel="1x1x1")], r"changes\[0\].channel: this graph has no channel 1x1x1"),
        ([CloseChannel(at_s=1.0, channel="one")], r"changes\[0\].channel: 'one' is not a channel id"),
        ([NodeOffline(at_s=1.0, for_s=1.0, node="alice")], r"changes\[0\].node: 'alice' is not a node"),
        ([CloseChannel(at_s=9.0, channel=FIRST), CloseChannel(at_s=9.5, channel=FIRST)], "is closed since 9 s"),
        ([CloseChannel(at_s=4.0, channel=NEW), opening()], r"changes\[0\].channel: this graph has no channel"),
        ([opening(), opening(at_s=6.0)], r"changes\[1\].channel: there is a channel"),
        ([opening(channel=FIRST)], "there is a channel"),
        ([opening(peer="lnd-alice")], "to itself"),
        ([opening(peer="nobody")], r"changes\[0\].peer"),
        ([opening(opener="nobody")], r"changes\[0\].opener"),
        ([opening(channel="new")], r"changes\[0\].channel: 'new' is not a channel id"),
        (
            [opening(peer_policy=PolicyFields(max_htlc_msat=600_000_000))],
            r"changes\[0\].peer_policy.max_htlc_msat: 600,000,000 msat are above",
        ),
        (
            [SetPolicy(at_s=1.0, channel=FIRST, node="lnd-eve", policy=PolicyFields())],
            r"changes\[0\].node: 202x1x0 is a channel of lnd-",
        ),
        (
            [opening(), SetPolicy(at_s=6.0, channel=NEW, node="lnd-eve", policy=PolicyFields())],
            r"changes\[1\].node: 900000x1x0 is a channel of lnd-alice and lnd-dave",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(graph: NetworkGraph, changes: list[Change], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        schedule(changes, graph)


def test_records_refuse_impossible_numbers() -> None:
    with pytest.raises(ValueError, match="at_s is -1"):
        CloseChannel(at_s=-1.0, channel=FIRST)
    with pytest.raises(ValueError, match="for_s is 0"):
        NodeOffline(at_s=0.0, for_s=0.0, node="lnd-eve")
    with pytest.raises(ValueError, match="for_s is nan"):
        ChannelOffline(at_s=0.0, for_s=float("nan"), channel=FIRST)
    with pytest.raises(ValueError, match="capacity_sat is 1"):
        opening(capacity_sat=1)
    with pytest.raises(ValueError, match="push_sat"):
        opening(push_sat=500_000)
    with pytest.raises(ValueError, match="fee_rate_ppm is -1"):
        PolicyFields(fee_rate_ppm=-1)


def test_a_policys_parts_are_put_over_it() -> None:
    policy = lnd_default_policy(1_000_000)
    assert policy.max_htlc_msat == 990_000_000
    changed = PolicyFields(fee_rate_ppm=77, disabled=True).applied_to(policy)
    assert (changed.fee_rate_ppm, changed.disabled, changed.base_fee_msat) == (77, True, 1_000)
    assert PolicyFields().applied_to(policy) == policy


def test_changes_are_not_ignored_while_they_cannot_be_made(graph: NetworkGraph) -> None:
    scenario = Scenario(
        name="closing",
        seed=1,
        graph=GraphSource(kind=GraphKind.LAB),
        payments=1,
        balances=BalanceModel.BALANCED,
        changes=(CloseChannel(at_s=1.0, channel=FIRST),),
    )
    with pytest.raises(ConfigError, match="cannot make them yet"):
        Simulation(scenario, graph)
