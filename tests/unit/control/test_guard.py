import dataclasses
import math
from typing import Any

import pytest

from lightninglens.control.budget import budget_used_msat
from lightninglens.control.guard import (
    AUTOMATIC_RULES,
    GuardRules,
    Refusal,
    RefusalCode,
    Suggestion,
    check_change,
    read_suggestion,
    to_change,
)
from lightninglens.control.rebalance import FeeLimit, LiquidityView, NodeView
from lightninglens.core.channels import ChannelState, Opener
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.records import JournalRecord, JournalState, RebalanceChange
from lightninglens.core.units import MAX_MONEY_SAT, NS_PER_DAY, Msat, Sat, UnixNs

ALICE, BOB, CAROL = (NodeId("02" + letter * 64) for letter in "abc")
NOW = UnixNs(10 * NS_PER_DAY)
RULES = GuardRules(min_confidence=0.5, budget_msat_per_day=Msat(10_000_000))


def channel(number: int, peer: NodeId, alias: str, *, local_sat: int, active: bool = True) -> ChannelState:
    remote_sat = 1_000_000 - local_sat
    return ChannelState(
        channel_id=ChannelId.of(200, number, 0),
        peer_id=peer,
        peer_alias=alias,
        capacity_sat=Sat(1_000_000),
        local_msat=Msat(local_sat * 1000),
        remote_msat=Msat(remote_sat * 1000),
        commit_fee_sat=Sat(0),
        unsettled_msat=Msat(0),
        pending_htlcs=0,
        local_reserve_sat=Sat(10_000),
        remote_reserve_sat=Sat(10_000),
        opener=Opener.LOCAL,
        active=active,
        outbound_msat=Msat(max(local_sat - 10_000, 0) * 1000),
        inbound_msat=Msat(max(remote_sat - 10_000, 0) * 1000),
        local_policy=None,
        remote_policy=None,
    )


TO_BOB = channel(1, BOB, "lnd-bob", local_sat=900_000)
TO_CAROL = channel(2, CAROL, "lnd-carol", local_sat=100_000)


def view(*channels: ChannelState) -> LiquidityView:
    return LiquidityView(
        nodes=(
            NodeView(node_id=ALICE, name="lnd-alice", channels=channels),
            NodeView(node_id=BOB, name="lnd-bob", channels=()),
            NodeView(node_id=CAROL, name="lnd-carol", channels=()),
        )
    )


def wish(**values: object) -> dict[str, object]:
    return {"from_node": "lnd-alice", "to_node": "lnd-bob", "amount": 200_000, "confidence": 0.85, **values}


def suggestion(**values: object) -> Suggestion:
    found = read_suggestion(wish(**values))
    assert isinstance(found, Suggestion)
    return found


def change(**values: object) -> RebalanceChange:
    found = to_change(suggestion(), view(TO_BOB, TO_CAROL), RULES)
    assert isinstance(found, RebalanceChange)
    return dataclasses.replace(found, **values)  # type: ignore[arg-type]


def verdict(asked: RebalanceChange, *channels: ChannelState, rules: GuardRules = RULES) -> RefusalCode | None:
    refusal = check_change(asked, channels or (TO_BOB, TO_CAROL), rules, author="feed", records=(), now=NOW)
    return None if refusal is None else refusal.code


def test_the_documents_own_suggestion_is_read() -> None:
    assert suggestion() == Suggestion(
        from_node="lnd-alice", to_node="lnd-bob", amount_sat=Sat(200_000), confidence=0.85
    )
    assert suggestion(confidence=None).confidence is None
    assert suggestion(confidence=1).confidence == 1.0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (None, RefusalCode.MALFORMED),
        ([], RefusalCode.MALFORMED),
        (wish(from_node=1), RefusalCode.MALFORMED),
        (wish(to_node=""), RefusalCode.MALFORMED),
        (wish(to_node="x" * 81), RefusalCode.MALFORMED),
        (wish(amount="200000"), RefusalCode.BAD_AMOUNT),
        (wish(amount=True), RefusalCode.BAD_AMOUNT),
        (wish(amount=200_000.0), RefusalCode.BAD_AMOUNT),
        (wish(amount=math.nan), RefusalCode.BAD_AMOUNT),
        (wish(amount=None), RefusalCode.BAD_AMOUNT),
        (wish(amount=0), RefusalCode.BAD_AMOUNT),
        (wish(amount=-5), RefusalCode.BAD_AMOUNT),
        (wish(amount=MAX_MONEY_SAT + 1), RefusalCode.BAD_AMOUNT),
        (wish(amount=10**40), RefusalCode.BAD_AMOUNT),
        (wish(confidence="high"), RefusalCode.BAD_CONFIDENCE),
        (wish(confidence=True), RefusalCode.BAD_CONFIDENCE),
        (wish(confidence=math.nan), RefusalCode.BAD_CONFIDENCE),
        (wish(confidence=math.inf), RefusalCode.BAD_CONFIDENCE),
        (wish(confidence=1.01), RefusalCode.BAD_CONFIDENCE),
        (wish(confidence=-0.01), RefusalCode.BAD_CONFIDENCE),
    ],
)
def test_nonsense_is_refused(values: object, code: RefusalCode) -> None:
    refusal = read_suggestion(values)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code
    assert refusal.code.is_malformed
    assert refusal.reason


@pytest.mark.promise("A1.5")
def test_a_suggestion_becomes_a_circle_over_the_channel_that_needs_it_most() -> None:
    half_full = channel(3, NodeId("02" + "d" * 64), "lnd-dave", local_sat=500_000)
    found = to_change(suggestion(), view(TO_BOB, half_full, TO_CAROL), RULES)
    assert isinstance(found, RebalanceChange)
    assert (found.node_id, found.outgoing_channel_id, found.incoming_channel_id) == (
        ALICE,
        TO_BOB.channel_id,
        TO_CAROL.channel_id,
    )
    assert found.amount_msat == 200_000_000
    assert found.max_fee_msat == 5_000 + 1_000_000
    assert found.confidence == 0.85


def test_of_parallel_channels_the_one_that_can_send_most_goes_first() -> None:
    poorer = channel(9, BOB, "lnd-bob", local_sat=300_000)
    idle = channel(8, BOB, "lnd-bob", local_sat=950_000, active=False)
    found = to_change(suggestion(), view(poorer, idle, TO_BOB, TO_CAROL), RULES)
    assert isinstance(found, RebalanceChange)
    assert found.outgoing_channel_id == TO_BOB.channel_id


@pytest.mark.parametrize(
    ("values", "channels", "code"),
    [
        ({"from_node": "lnd-zoe"}, (TO_BOB, TO_CAROL), RefusalCode.UNKNOWN_NODE),
        ({"to_node": "lnd-zoe"}, (TO_BOB, TO_CAROL), RefusalCode.UNKNOWN_NODE),
        ({}, (TO_CAROL,), RefusalCode.NO_SUCH_CHANNEL),
        ({"from_node": "lnd-alice", "to_node": "lnd-alice"}, (TO_BOB, TO_CAROL), RefusalCode.NO_SUCH_CHANNEL),
        ({"confidence": 0.49}, (TO_BOB, TO_CAROL), RefusalCode.LOW_CONFIDENCE),
        ({"confidence": None}, (TO_BOB, TO_CAROL), RefusalCode.LOW_CONFIDENCE),
        ({}, (TO_BOB,), RefusalCode.NO_INBOUND),
        ({}, (TO_BOB, channel(5, BOB, "lnd-bob", local_sat=0)), RefusalCode.NO_INBOUND),
        ({}, (TO_BOB, channel(2, CAROL, "lnd-carol", local_sat=0, active=False)), RefusalCode.NO_INBOUND),
        ({"amount": 890_001}, (TO_BOB, TO_CAROL), RefusalCode.NO_INBOUND),
    ],
)
def test_what_cannot_become_a_circle_is_refused(
    values: dict[str, object], channels: tuple[ChannelState, ...], code: RefusalCode
) -> None:
    refusal = to_change(suggestion(**values), view(*channels), RULES)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code


def test_a_threshold_of_zero_asks_for_no_confidence() -> None:
    for least in (None, 0.0):
        found = to_change(suggestion(confidence=None), view(TO_BOB, TO_CAROL), GuardRules(min_confidence=least))
        assert isinstance(found, RebalanceChange)


def test_a_sound_change_passes() -> None:
    assert verdict(change()) is None
    assert verdict(change(), rules=GuardRules()) is None


@pytest.mark.parametrize(
    ("values", "channels", "code"),
    [
        ({"outgoing_channel_id": ChannelId(7)}, (), RefusalCode.NO_SUCH_CHANNEL),
        ({"incoming_channel_id": ChannelId(7)}, (), RefusalCode.NO_SUCH_CHANNEL),
        ({}, (TO_BOB, channel(2, BOB, "lnd-bob", local_sat=0)), RefusalCode.NOT_CIRCULAR),
        ({"confidence": 0.1}, (), RefusalCode.LOW_CONFIDENCE),
        ({"max_fee_msat": Msat(1_005_001)}, (), RefusalCode.FEE_LIMIT),
        ({}, (channel(1, BOB, "lnd-bob", local_sat=211_004), TO_CAROL), RefusalCode.NO_OUTBOUND),
        ({}, (channel(1, BOB, "lnd-bob", local_sat=900_000, active=False), TO_CAROL), RefusalCode.NO_OUTBOUND),
        ({}, (TO_BOB, channel(2, CAROL, "lnd-carol", local_sat=790_001)), RefusalCode.NO_INBOUND),
        ({}, (TO_BOB, channel(2, CAROL, "lnd-carol", local_sat=0, active=False)), RefusalCode.NO_INBOUND),
    ],
)
def test_each_check_refuses(values: dict[str, object], channels: tuple[ChannelState, ...], code: RefusalCode) -> None:
    assert verdict(change(**values), *channels) is code


def test_the_greatest_fee_must_be_spendable_too() -> None:
    assert verdict(change(), channel(1, BOB, "lnd-bob", local_sat=211_005), TO_CAROL) is None


def record(
    state: JournalState, *, index: int = 0, fee_msat: int = 0, age_ns: int = 0, author: str = "feed"
) -> JournalRecord:
    return JournalRecord(
        sequence=1,
        recorded_ns=UnixNs(NOW - age_ns),
        plan_id="p",
        change_index=index,
        author=author,
        state=state,
        change=change(),
        reserved_msat=Msat(1_005_000),
        fee_msat=Msat(fee_msat),
    )


def test_a_reservation_holds_until_the_change_is_over() -> None:
    planned, sent = record(JournalState.PLANNED), record(JournalState.SENT, age_ns=400 * NS_PER_DAY)
    assert budget_used_msat([planned], author="feed", now=NOW) == 1_005_000
    assert budget_used_msat([planned, sent], author="feed", now=NOW) == 1_005_000
    succeeded = record(JournalState.SUCCEEDED, fee_msat=2_400)
    assert budget_used_msat([planned, sent, succeeded], author="feed", now=NOW) == 2_400
    assert budget_used_msat([planned, record(JournalState.FAILED)], author="feed", now=NOW) == 0
    assert budget_used_msat([record(JournalState.REFUSED)], author="feed", now=NOW) == 0


def test_the_window_slides_and_authors_are_apart() -> None:
    records = [
        record(JournalState.SUCCEEDED, index=1, fee_msat=100, age_ns=NS_PER_DAY),
        record(JournalState.SUCCEEDED, index=2, fee_msat=20, age_ns=NS_PER_DAY - 1),
        record(JournalState.SUCCEEDED, index=3, fee_msat=3, author="baseline"),
    ]
    assert budget_used_msat(records, author="feed", now=NOW) == 20
    assert budget_used_msat(records, author="baseline", now=NOW) == 3


def test_what_exceeds_the_budget_is_refused_to_the_msat() -> None:
    def over(budget_msat: int, *records: JournalRecord) -> Refusal | None:
        rules = GuardRules(budget_msat_per_day=Msat(budget_msat))
        return check_change(change(), (TO_BOB, TO_CAROL), rules, author="feed", records=records, now=NOW)

    assert over(1_005_000) is None
    refusal = over(1_004_999)
    assert refusal is not None
    assert refusal.code is RefusalCode.OVER_BUDGET
    assert not refusal.code.is_malformed
    assert over(2_010_000, record(JournalState.SENT)) is None
    assert over(2_009_999, record(JournalState.SENT)) is not None
    assert over(0, record(JournalState.SENT)) is not None


def test_fee_limits_round_up_and_fit_what_is_spendable() -> None:
    limit = FeeLimit(base_msat=Msat(10), rate_ppm=1)
    assert limit.of(1) == 11
    assert limit.of(1_000_000) == 11
    assert limit.of(1_000_001) == 12
    assert limit.most_within(9) == 0


def test_a_node_is_found_by_name_or_id() -> None:
    found = view(TO_BOB)
    assert found.find("lnd-alice") is found.find(ALICE) is found.nodes[0]
    assert found.find("nobody") is None


def limited(rules: GuardRules, *records: JournalRecord) -> Refusal | None:
    return check_change(change(), (TO_BOB, TO_CAROL), rules, author="feed", records=records, now=NOW)


def done(index: int, **values: Any) -> JournalRecord:
    return record(JournalState.SUCCEEDED, index=index, **values)


def test_one_change_moves_only_so_much() -> None:
    assert limited(GuardRules(most_amount_msat=Msat(200_000_000))) is None
    refusal = limited(GuardRules(most_amount_msat=Msat(199_999_999)))
    assert refusal == Refusal(
        code=RefusalCode.TOO_LARGE, reason="200,000 sat are more than one change may move, 199,999 sat"
    )


def test_an_author_makes_only_so_many_changes_a_day() -> None:
    rules = GuardRules(most_changes_per_day=2)
    yesterday, failed = done(9, age_ns=NS_PER_DAY), record(JournalState.FAILED, index=8)
    assert limited(rules, done(1), yesterday, failed, done(2, author="baseline")) is None
    refusal = limited(rules, done(1), record(JournalState.SENT, index=2, age_ns=3 * NS_PER_DAY))
    assert refusal is not None
    assert refusal.code is RefusalCode.TOO_OFTEN
    assert refusal.reason == "2 rebalances were made in the last 24 hours, and 2 are allowed"


def test_a_channel_has_only_so_many_changes_a_day_whoever_makes_them() -> None:
    rules = GuardRules(most_changes_per_channel_per_day=1)
    elsewhere = dataclasses.replace(
        done(1), change=change(outgoing_channel_id=ChannelId(7), incoming_channel_id=ChannelId(8))
    )
    assert limited(rules, elsewhere) is None
    for ids, peer in (
        ({"outgoing_channel_id": TO_CAROL.channel_id, "incoming_channel_id": ChannelId(8)}, "lnd-carol"),
        ({"incoming_channel_id": ChannelId(8)}, "lnd-bob"),
    ):
        refusal = limited(rules, dataclasses.replace(done(1, author="operator"), change=change(**ids)))
        assert refusal is not None
        assert refusal.code is RefusalCode.TOO_OFTEN
        assert refusal.reason == f"the channel with {peer} has had its 1 rebalances of the last 24 hours"


def test_a_channel_rests_between_two_tries() -> None:
    rules = GuardRules(least_gap_ns=600 * 10**9)
    long_ago = record(JournalState.SENT, index=1, age_ns=600 * 10**9)
    sent = record(JournalState.SENT, index=2, age_ns=599 * 10**9)
    assert limited(rules, long_ago, record(JournalState.REFUSED, index=3)) is None
    refusal = limited(rules, long_ago, sent, record(JournalState.FAILED, index=2))
    assert refusal == Refusal(
        code=RefusalCode.TOO_SOON,
        reason="the channel with lnd-bob was rebalanced, or tried, 599 s ago; at least 600 s are to lie between",
    )


def tried(index: int, age_s: int, state: JournalState = JournalState.FAILED) -> tuple[JournalRecord, JournalRecord]:
    return (
        record(JournalState.SENT, index=index, age_ns=age_s * 10**9),
        record(state, index=index, age_ns=age_s * 10**9),
    )


def test_a_circle_that_failed_rests_twice_as_long_with_every_failure() -> None:
    rules = GuardRules(least_gap_ns=600 * 10**9)
    assert limited(rules, *tried(1, 1_200)) is None
    refusal = limited(rules, *tried(1, 1_199))
    assert refusal == Refusal(
        code=RefusalCode.TOO_SOON,
        reason=(
            "this circle failed 1 time in a row, the last time at most 1,199 s ago;"
            " it is tried again 1,200 s after that"
        ),
    )
    assert limited(rules, *tried(1, 5_000), *tried(2, 2_399)) is not None
    assert limited(rules, *tried(1, 5_000), *tried(2, 2_400)) is None
    succeeded_between = (*tried(1, 9_000), *tried(2, 5_000, JournalState.SUCCEEDED), *tried(3, 1_200))
    assert limited(rules, *succeeded_between) is None
    many = [one for index in range(20) for one in tried(index, 30_000 - index)]
    assert limited(rules, *many) is None  # six hours are the most
    a_day_ago = tried(1, NS_PER_DAY // 10**9)
    assert limited(rules, *a_day_ago, *tried(2, 1_300)) is None
    elsewhere = [
        dataclasses.replace(one, change=dataclasses.replace(one.change, incoming_channel_id=ChannelId(8)))
        for one in tried(1, 700)
    ]
    assert limited(rules, *elsewhere) is None


def test_an_author_moves_only_so_much_a_day() -> None:
    rules = GuardRules(most_volume_msat_per_day=Msat(400_000_000))
    assert limited(rules, done(1), done(2, age_ns=NS_PER_DAY), done(3, author="baseline")) is None
    refusal = limited(rules, done(1), done(2))
    assert refusal == Refusal(
        code=RefusalCode.OVER_VOLUME,
        reason=(
            "400,000 sat were moved in the last 24 hours;"
            " with 200,000 sat more it would be above the 400,000 sat allowed"
        ),
    )


def test_the_rules_for_acting_unattended_limit_everything() -> None:
    assert limited(AUTOMATIC_RULES) is None
    assert all(getattr(AUTOMATIC_RULES, field.name) for field in dataclasses.fields(AUTOMATIC_RULES))
