"""What was done for channels, and the days before and after it."""

import dataclasses

import pytest
from tests.support.htlcs import POLICY, START_NS, Htlcs, P, Q, R, channel

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.memory import ForwardMemory
from lightninglens.analytics.missed.remedies import changes_between, days_of, effect_of, newest_first
from lightninglens.core.channels import ChannelState
from lightninglens.core.remedies import Remedy, RemedyKind
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, Msat, Ppm, Sat, UnixNs

NOW = UnixNs(START_NS)


def with_policy(**changed: int) -> ChannelState:
    policy = dataclasses.replace(POLICY, **changed)  # type: ignore[arg-type]
    return channel(P, local_policy=policy)


def kinds(before: list[ChannelState], after: list[ChannelState]) -> list[tuple[RemedyKind, int, int]]:
    return [(each.kind, each.before, each.after) for each in changes_between(before, after, NOW, {})]


def test_what_was_done_is_seen_between_two_looks() -> None:
    before = [with_policy()]
    assert kinds(before, [with_policy(fee_rate_ppm=700)]) == [(RemedyKind.FEE_LOWERED, 1_000, 700)]
    assert kinds(before, [with_policy(fee_rate_ppm=1_700)]) == [(RemedyKind.FEE_RAISED, 1_000, 1_700)]
    assert kinds(before, [with_policy(max_htlc_msat=990_000_000)]) == [
        (RemedyKind.MAX_HTLC_RAISED, 900_000_000, 990_000_000)
    ]
    assert kinds(before, [with_policy(max_htlc_msat=1_000_000)]) == []
    assert kinds(before, before) == []
    assert kinds(before, [channel(P, local_policy=None)]) == []
    second = channel(Q, peer_id=channel(P).peer_id, capacity_sat=Sat(3_000_000))
    assert kinds(before, [*before, second, channel(R)]) == [(RemedyKind.CHANNEL_ADDED, 0, 3_000_000)]
    assert kinds([], [*before, second]) == []


def test_a_remedy_carries_what_was_expected_of_it() -> None:
    (found,) = changes_between([with_policy()], [with_policy(fee_rate_ppm=Ppm(1))], NOW, {P: 5_000})
    assert (found.expected_msat_per_day, found.cost_msat) == (5_000, 0)


def remedy(at_ns: int = START_NS) -> Remedy:
    return Remedy(
        at_ns=UnixNs(at_ns),
        channel_id=Q,
        peer_id=channel(Q).peer_id,
        kind=RemedyKind.LIQUIDITY_ADDED,
        before=0,
        after=1_000_000,
        cost_msat=Msat(100),
    )


def days(settled: int, refused: int, elsewhere: int) -> ForwardMemory:
    """Return some hours in which Q, and then R, were asked to forward."""
    htlcs, accounting, memory = Htlcs(), HtlcAccounting(), ForwardMemory()
    accounting.channels.see([channel(P), channel(Q), channel(R)], UnixNs(START_NS))
    for outgoing, count in ((Q, settled), (R, elsewhere)):
        for _ in range(count):
            offered = htlcs.offered(1_000_000, 1_000, outgoing=outgoing)
            accounting.take(offered)
            htlcs.later(1)
            accounting.take(htlcs.settled(offered))
            htlcs.later(200)
    for _ in range(refused):
        accounting.take(htlcs.refused(900_000_000, 5_000))
        htlcs.later(200)
    memory.take(accounting.changes(htlcs.now_ns + NS_PER_HOUR))
    return memory


def test_the_days_before_stand_beside_the_days_after() -> None:
    before, after = days(2, 10, 4).evidence({}), days(20, 1, 6).evidence({})
    effect = effect_of(remedy(), before, after, days=2.0, seen_before=1.0, seen_after=0.5)
    assert (effect.earned_before_msat, effect.earned_after_msat) == (1_000.0, 20_000.0)
    assert effect.change_msat == 19_000.0
    assert effect.lower_msat < effect.change_msat < effect.upper_msat
    assert (effect.others_before_msat, effect.others_after_msat) == (2_000.0, 6_000.0)
    assert (effect.refused_before, effect.refused_after) == (5.0, 1.0)
    assert effect.missed_before_msat > effect.missed_after_msat >= 0


def test_a_channel_that_nobody_asked_for_has_earned_nothing() -> None:
    nothing = ForwardMemory().evidence({})
    effect = effect_of(remedy(), nothing, nothing, days=1.0, seen_before=0.0, seen_after=0.0)
    assert (effect.change_msat, effect.lower_msat, effect.missed_after_msat) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("hours", "found"), [(1, None), (12, 0.5), (24 * 30, 7.0)])
def test_a_remedy_is_judged_after_some_hours_and_for_a_week(hours: int, found: float | None) -> None:
    assert days_of(remedy(), START_NS + hours * NS_PER_HOUR) == found


def test_effects_are_shown_newest_first() -> None:
    nothing = ForwardMemory().evidence({})
    effects = [
        effect_of(remedy(START_NS + place * NS_PER_DAY), nothing, nothing, days=1.0, seen_before=1.0, seen_after=1.0)
        for place in range(3)
    ]
    assert newest_first(effects)[0].remedy.at_ns == START_NS + 2 * NS_PER_DAY
