import dataclasses

import pytest
from tests.property.test_baseline import IDS, state
from tests.property.test_learned import NOW, ByNumber, prediction

from lightninglens.control.rebalance import LiquidityView, NodeView, learned
from lightninglens.control.rebalance.cost import expected_cost_msat
from lightninglens.core.channels import ChannelPolicy, ChannelState
from lightninglens.core.units import Blocks, Msat, Ppm

SENT_MSAT = 100_000_000


def policy(base_msat: int, *, disabled: bool = False, max_msat: int = 10**9) -> ChannelPolicy:
    return ChannelPolicy(
        base_fee_msat=Msat(base_msat),
        fee_rate_ppm=Ppm(1),
        time_lock_delta_blocks=Blocks(80),
        min_htlc_msat=Msat(1),
        max_htlc_msat=Msat(max_msat),
        disabled=disabled,
    )


def with_policies(channel: ChannelState, local: ChannelPolicy | None, remote: ChannelPolicy | None) -> ChannelState:
    return dataclasses.replace(channel, local_policy=local, remote_policy=remote)


FULL = with_policies(state(1, "lnd-bob", 900_000_000, 96_530_000), policy(1), policy(1_000))
EMPTY = with_policies(state(2, "lnd-eve", 50_000_000, 946_530_000), policy(1), policy(2_000))
ALICE = NodeView(node_id=IDS["lnd-alice"], name="lnd-alice", channels=(FULL, EMPTY))
SHARES = [prediction(ALICE, 0, 0.6), prediction(ALICE, 1, 0.5)]


def view(*others: NodeView) -> LiquidityView:
    return LiquidityView(nodes=(ALICE, *others))


@pytest.mark.promise("A0.35")
def test_a_change_says_why_in_numbers() -> None:
    model = ByNumber([40_000], confidence=0.7)
    failed = {(EMPTY.channel_id, ALICE.node_id): Msat(350_000_000)}
    (change,) = learned.decide(view(), NOW, shares=SHARES, gains=model, failed=failed).changes
    assert change.confidence == 0.7
    assert change.previous_local_msat == FULL.local_msat
    assert change.reason == (
        f"lnd-alice moves {change.amount_msat // 1000:,} sat in a circle: the channel with lnd-bob from 90 % to 83 %"
        " (predicted best 60 %, 80 % interval 50 to 70 %), the channel with lnd-eve from 5 % to 13 % (predicted best"
        " 50 %, 80 % interval 40 to 60 %; 350,000 sat failed on it lately); expected gain 40.0 sat (39.0 to 41.0) after"
        " 3.1 sat of fees, 70 % likely above 0"
    )


def test_of_several_sizes_the_one_that_gains_most_is_kept_and_the_fee_stays_within_the_gain() -> None:
    model = ByNumber([10_000, 30_000, 20_000])
    (change,) = learned.decide(view(), NOW, shares=SHARES, gains=model).changes
    assert len({candidate.amount_msat for candidate in model.asked}) == 3
    chosen = model.asked[1]
    assert change.amount_msat == chosen.amount_msat
    assert change.max_fee_msat == 30_000 + chosen.cost_msat
    (poor,) = learned.decide(view(), NOW, shares=SHARES, gains=ByNumber([-10_000])).changes
    assert poor.max_fee_msat == model.asked[2].cost_msat


def test_it_says_why_there_is_no_more() -> None:
    assert learned.explain_rest(view(), shares=[]) == "there is no prediction yet for any channel of the nodes at hand"
    assert "already in a change" in learned.explain_rest(view(), shares=SHARES)
    full = [prediction(ALICE, 0, 0.6), prediction(ALICE, 1, 0.05)]
    assert learned.explain_rest(view(), shares=full) == (
        "lnd-alice holds 302,082 sat more than predicted to be best on the channel with lnd-bob,"
        " and has no other channel with need and room for 10,000 sat of it"
    )
    plan = learned.decide(view(), NOW, shares=full, gains=ByNumber([1]))
    assert not plan.changes
    assert not plan.risk


def test_an_empty_channel_has_no_share() -> None:
    hollow = state(3, "lnd-bob", 0, 0)
    node = NodeView(node_id=IDS["lnd-alice"], name="lnd-alice", channels=(hollow,))
    position = learned._Position(node, hollow, prediction(node, 0, 0.5))
    assert position.describe(0, {}).startswith("the channel with lnd-bob from 0 % to 0 %")


def cost(outgoing: ChannelState, incoming: ChannelState, *others: NodeView) -> int | None:
    return expected_cost_msat(view(*others), ALICE.node_id, outgoing, incoming, SENT_MSAT)


def test_a_node_alone_assumes_one_hop_between_at_its_first_peers_price() -> None:
    assert cost(FULL, EMPTY) == (1_000 + 100) + (2_000 + 100)


def test_without_policies_the_cost_is_unknown() -> None:
    assert cost(FULL, dataclasses.replace(EMPTY, remote_policy=None)) is None
    assert cost(dataclasses.replace(FULL, remote_policy=None), EMPTY) is None
    bare = tuple(dataclasses.replace(channel, remote_policy=None) for channel in ALICE.channels)
    alone = LiquidityView(nodes=(dataclasses.replace(ALICE, channels=bare),))
    model = ByNumber([1_000])
    (change,) = learned.decide(alone, NOW, shares=SHARES, gains=model).changes
    assert model.asked[0].cost_msat == 5_000 + model.asked[0].amount_msat * 5_000 // 10**6
    assert change.max_fee_msat == change.amount_msat * 5_000 // 10**6 + 5_000


def test_with_the_network_in_view_the_cheapest_way_between_is_taken() -> None:
    def node(name: str, *channels: ChannelState) -> NodeView:
        return NodeView(node_id=IDS[name], name=name, channels=channels)

    def way(number: int, peer: str, own: ChannelPolicy | None) -> ChannelState:
        return with_policies(state(number, peer, 500_000_000, 496_530_000), own, None)

    dear = way(11, "lnd-eve", policy(5_000))
    to_carol, to_eve = way(12, "lnd-carol", policy(100)), way(13, "lnd-eve", policy(200))
    unusable = (
        way(14, "lnd-eve", policy(0, disabled=True)),
        way(15, "lnd-eve", policy(0, max_msat=1_000)),
        way(16, "lnd-eve", None),
        way(17, "lnd-alice", policy(0)),  # back to where it began
        dataclasses.replace(way(18, "lnd-eve", policy(0)), active=False),
    )
    last = 2_000 + 100
    assert cost(FULL, EMPTY, node("lnd-bob", dear, *unusable)) == last + 5_000 + 100
    through_carol = cost(FULL, EMPTY, node("lnd-bob", dear, to_carol), node("lnd-carol", to_eve))
    assert through_carol == last + (100 + 100) + (200 + 100)
    assert cost(FULL, EMPTY, node("lnd-bob", *unusable)) == last + 1_000 + 100
