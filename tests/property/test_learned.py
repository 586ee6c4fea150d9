"""What the learned rebalancer may never do, whatever is predicted and whatever is promised."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.test_baseline import IDS, lab_views, state

from lightninglens.control.rebalance import LiquidityView, NodeView, learned
from lightninglens.control.rebalance.candidates import Candidate
from lightninglens.control.rebalance.learned import LearnedRules
from lightninglens.core.predictions import GainEstimate, SharePrediction
from lightninglens.core.records import Interval
from lightninglens.core.units import Msat, UnixNs

NOW = UnixNs(10**15)


class ByNumber:
    """Gains from a list, in turn: anything at all may be promised."""

    def __init__(self, gains_msat: Sequence[int], confidence: float = 0.5) -> None:
        self.gains_msat = gains_msat
        self.confidence = confidence
        self.asked: list[Candidate] = []

    def estimate(self, candidates: Sequence[Candidate], now: UnixNs) -> list[GainEstimate]:
        self.asked += candidates
        gains = [self.gains_msat[number % len(self.gains_msat)] for number in range(len(candidates))]
        return [
            GainEstimate(
                gain=Interval(low_msat=gain - 1_000, expected_msat=gain, high_msat=gain + 1_000),
                confidence=self.confidence,
            )
            for gain in gains
        ]


def prediction(node: NodeView, row: int, share: float) -> SharePrediction:
    channel = node.channels[row]
    total = channel.local_msat + channel.remote_msat
    return SharePrediction(
        channel_id=channel.channel_id,
        node_id=node.node_id,
        made_ns=NOW,
        horizon_ns=6 * 3_600 * 10**9,
        share_now=channel.local_msat / total if total else 0.0,
        share=share,
        low_share=max(share - 0.1, 0.0),
        high_share=min(share + 0.1, 1.0),
        model="m",
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[LiquidityView, list[SharePrediction], list[int]]:
    view = draw(lab_views())
    shares = [
        prediction(node, row, draw(st.floats(-0.2, 1.2)))
        for node in view.nodes
        for row in range(len(node.channels))
        if draw(st.integers(0, 9)) > 0
    ]
    return view, shares, draw(st.lists(st.integers(-50_000, 5_000_000), min_size=1, max_size=9))


@given(situations())
@pytest.mark.promise("A0.35")
def test_no_change_passes_a_target_or_needs_more_than_there_is(
    situation: tuple[LiquidityView, list[SharePrediction], list[int]],
) -> None:
    view, shares, gains = situation
    by_side = {(share.channel_id, share.node_id): share.share for share in shares}
    used = set()
    plan = learned.decide(view, NOW, shares=shares, gains=ByNumber(gains))
    for change in plan.changes:
        node = next(node for node in view.nodes if node.node_id == change.node_id)
        by_id = {channel.channel_id: channel for channel in node.channels}
        outgoing, incoming = by_id[change.outgoing_channel_id], by_id[change.incoming_channel_id]
        assert outgoing.peer_id != incoming.peer_id
        assert outgoing.active
        assert incoming.active
        assert change.amount_msat + change.max_fee_msat <= outgoing.outbound_msat
        assert change.amount_msat <= incoming.inbound_msat
        assert 10_000_000 <= change.amount_msat <= 500_000_000
        for channel, after_msat, sign in (
            (outgoing, outgoing.local_msat - change.amount_msat - change.max_fee_msat, 1),
            (incoming, incoming.local_msat + change.amount_msat, -1),
        ):
            share = min(max(by_side[channel.channel_id, node.node_id], 0.0), 1.0)
            target_msat = round(share * (channel.local_msat + channel.remote_msat))
            assert sign * (after_msat - target_msat) >= 0
            assert channel.channel_id not in used
            used.add(channel.channel_id)
        assert change.confidence is not None
        assert change.expected_gain is not None
        assert "predicted best" in change.reason


@given(situations())
def test_plans_are_sorted_by_gain_and_the_same_each_time(
    situation: tuple[LiquidityView, list[SharePrediction], list[int]],
) -> None:
    view, shares, gains = situation
    plan = learned.decide(view, NOW, shares=shares, gains=ByNumber(gains))
    assert plan == learned.decide(view, NOW, shares=shares[::-1], gains=ByNumber(gains))
    expected = [change.expected_gain.expected_msat for change in plan.changes if change.expected_gain]
    assert expected == sorted(expected, reverse=True)
    assert learned.explain_rest(view, shares=shares)


@given(situations())
def test_hidden_balances_of_others_change_nothing_for_a_node_alone(
    situation: tuple[LiquidityView, list[SharePrediction], list[int]],
) -> None:
    """A node decides by its own channels: what else the view holds is used for its policies only."""
    view, shares, gains = situation
    rich = LiquidityView(nodes=(view.nodes[0],))
    own = [share for share in shares if share.node_id == view.nodes[0].node_id]
    alone = learned.decide(rich, NOW, shares=own, gains=ByNumber(gains))
    beside = learned.decide(view, NOW, shares=own, gains=ByNumber(gains))
    assert alone.changes == beside.changes


def test_rules_bound_what_is_tried() -> None:
    ends = [state(number, f"peer-{number}", 500_000_000, 496_530_000) for number in range(4)]
    channels = tuple(
        channel.__class__(
            **{
                **{name: getattr(channel, name) for name in channel.__slots__},
                "peer_id": IDS[name],
                "peer_alias": name,
            }
        )
        for channel, name in zip(ends, list(IDS)[1:], strict=True)
    )
    node = NodeView(node_id=IDS["lnd-alice"], name="lnd-alice", channels=channels)
    shares = [prediction(node, row, share) for row, share in enumerate((0.1, 0.2, 0.8, 0.9))]
    model = ByNumber([1_000])
    rules = LearnedRules(most_channels_per_side=1, size_parts=(1.0,), most_msat=Msat(50_000_000))
    (change,) = learned.decide(LiquidityView(nodes=(node,)), NOW, shares=shares, gains=model, rules=rules).changes
    assert len(model.asked) == 1
    assert change.amount_msat == 50_000_000
    assert change.outgoing_channel_id == channels[0].channel_id
    assert change.incoming_channel_id == channels[3].channel_id
