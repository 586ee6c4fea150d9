import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightninglens.control.rebalance import LiquidityView, NodeView, baseline
from lightninglens.control.rebalance.baseline import BaselineRules, Target
from lightninglens.core.channels import ChannelState, Opener
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Msat, Sat, UnixNs

NAMES = ("lnd-alice", "lnd-bob", "lnd-carol", "lnd-dave", "lnd-eve")
IDS = {name: NodeId(f"02{row:064x}") for row, name in enumerate(NAMES)}
PAIRS = tuple((target.first, target.second) for target in baseline.LAB_TARGETS)
SHARES = (60, 45, 70, 40, 55, 65, 50)
CAPACITY_SAT = 1_000_000
COMMITMENT_SAT = 3_470


def state(number: int, peer: str, local_msat: int, remote_msat: int, *, active: bool = True) -> ChannelState:
    return ChannelState(
        channel_id=ChannelId.of(200, number, 0),
        peer_id=IDS.get(peer, NodeId("03" + "f" * 64)),
        peer_alias=peer,
        capacity_sat=Sat(CAPACITY_SAT),
        local_msat=Msat(local_msat),
        remote_msat=Msat(remote_msat),
        commit_fee_sat=Sat(2_810),
        unsettled_msat=Msat(0),
        pending_htlcs=0,
        local_reserve_sat=Sat(10_000),
        remote_reserve_sat=Sat(10_000),
        opener=Opener.LOCAL,
        active=active,
        outbound_msat=Msat(max(local_msat - 10_000_000, 0)),
        inbound_msat=Msat(max(remote_msat - 10_000_000, 0)),
        local_policy=None,
        remote_policy=None,
    )


@st.composite
def lab_views(draw: st.DrawFn) -> LiquidityView:
    channels: dict[str, list[ChannelState]] = {name: [] for name in NAMES}
    total_msat = (CAPACITY_SAT - COMMITMENT_SAT) * 1000
    for number, (first, second) in enumerate(PAIRS):
        local_msat = draw(st.integers(0, total_msat))
        active = draw(st.integers(0, 9)) > 0
        channels[first].append(state(number, second, local_msat, total_msat - local_msat, active=active))
        channels[second].append(state(number, first, total_msat - local_msat, local_msat, active=active))
    return LiquidityView(
        nodes=tuple(NodeView(node_id=IDS[name], name=name, channels=tuple(channels[name])) for name in NAMES)
    )


@given(lab_views())
@pytest.mark.promise("A1.13")
def test_no_plan_ever_gives_money_to_a_peer(view: LiquidityView) -> None:
    """What leaves over one channel of a node comes back over another of the same node, with another peer."""
    for change in baseline.decide(view, UnixNs(1)).changes:
        node = next(node for node in view.nodes if node.node_id == change.node_id)
        by_id = {channel.channel_id: channel for channel in node.channels}
        outgoing, incoming = by_id[change.outgoing_channel_id], by_id[change.incoming_channel_id]
        assert outgoing.peer_id != incoming.peer_id
        assert outgoing.active
        assert incoming.active
        assert 10_000_000 <= change.amount_msat <= 300_000_000
        assert change.amount_msat % 1000 == 0
        assert change.amount_msat + change.max_fee_msat <= outgoing.outbound_msat
        assert change.amount_msat <= incoming.inbound_msat


@given(lab_views())
def test_no_change_takes_a_channel_past_its_target_and_a_nodes_sum_never_moves(view: LiquidityView) -> None:
    plan = baseline.decide(view, UnixNs(1))
    for node in view.nodes:
        local_msat = {channel.channel_id: int(channel.local_msat) for channel in node.channels}
        before = sum(local_msat.values())
        target_msat = {
            channel.channel_id: CAPACITY_SAT
            * 10
            * (baseline.DEFAULT_RULES.share_percent(node.name, channel.peer_alias) or 0)
            for channel in node.channels
        }
        for change in plan.changes:
            if change.node_id != node.node_id:
                continue
            assert change.previous_local_msat == local_msat[change.outgoing_channel_id]
            local_msat[change.outgoing_channel_id] -= change.amount_msat
            local_msat[change.incoming_channel_id] += change.amount_msat
            assert local_msat[change.outgoing_channel_id] >= target_msat[change.outgoing_channel_id]
            assert local_msat[change.incoming_channel_id] <= target_msat[change.incoming_channel_id]
        assert sum(local_msat.values()) == before


@given(lab_views(), st.integers(1, 2**62))
def test_the_same_view_gives_the_same_plan(view: LiquidityView, now: int) -> None:
    assert baseline.decide(view, UnixNs(now)) == baseline.decide(view, UnixNs(now))
    assert baseline.explain_rest(view)


@pytest.mark.promise("A1.13")
def test_targets_are_those_of_the_source_documents() -> None:
    assert tuple(target.first_share_percent for target in baseline.LAB_TARGETS) == SHARES
    assert baseline.DEFAULT_RULES.share_percent("lnd-bob", "lnd-alice") == 40
    assert baseline.DEFAULT_RULES.share_percent("lnd-bob", "lnd-dave") is None


def fresh(*channels: ChannelState) -> LiquidityView:
    return LiquidityView(nodes=(NodeView(node_id=IDS["lnd-alice"], name="lnd-alice", channels=channels),))


@pytest.mark.promise("A1.13a")
def test_a_freshly_opened_network_is_spread_with_the_reason_in_words() -> None:
    view = fresh(state(1, "lnd-bob", 996_530_000, 0), state(2, "lnd-eve", 0, 996_530_000))
    (change,) = baseline.decide(view, UnixNs(1)).changes
    assert change.amount_msat == 300_000_000
    assert "lnd-alice holds 996,530 of 1,000,000 sat on the channel with lnd-bob (target 60 %)" in change.reason
    assert "more than its target on the channel with lnd-bob" in baseline.explain_rest(view)


def test_what_is_small_or_without_target_is_left_alone() -> None:
    near = fresh(state(1, "lnd-bob", 609_999_000, 386_531_000), state(2, "lnd-eve", 0, 996_530_000))
    plan = baseline.decide(near, UnixNs(1))
    assert not plan.changes
    assert not plan.risk
    assert "within 10,000 sat" in baseline.explain_rest(near)
    strange = fresh(state(1, "somebody", 996_530_000, 0), state(2, "else", 0, 996_530_000))
    assert not baseline.decide(strange, UnixNs(1)).changes
    assert baseline.explain_rest(strange) == "no channel of this network has a target"


def test_other_targets_may_be_given() -> None:
    rules = BaselineRules(
        targets=(
            Target(first="lnd-alice", second="x", first_share_percent=0),
            Target(first="lnd-alice", second="lnd-eve", first_share_percent=100),
        ),
        most_sat=Sat(50_000),
    )
    view = fresh(state(1, "x", 100_000_000, 800_000_000), state(2, "lnd-eve", 0, 996_530_000))
    (change,) = baseline.decide(view, UnixNs(1), rules=rules).changes
    assert change.amount_msat == 50_000_000
