"""What a channel earned and cost, by examples that one can add up by hand."""

from datetime import UTC, datetime

import pytest
from tests.support.books import FROM_HOUR, IDS, books, facts, forwarded, paid, rebalanced

from lightninglens.analytics.profit.books import ChannelFacts, Tried, tried_of
from lightninglens.analytics.profit.ledger import channel_ledgers
from lightninglens.analytics.profit.report import (
    channel_profits,
    hour_of_week,
    hour_profits,
    node_standing,
    node_success_rate,
    peer_profits,
)
from lightninglens.analytics.profit.success import success_scores
from lightninglens.core.attempts import AttemptState, FailureCause
from lightninglens.core.costs import BalanceSum, CostKind
from lightninglens.core.forward_sums import SumKey, SumValues
from lightninglens.core.forward_tables import sum_table

A, B, C, D = IDS[:4]


def test_fees_belong_to_the_channel_out_or_half_to_each() -> None:
    found = channel_ledgers(books(settled=(forwarded(0, 1, 1_000_000, 101), forwarded(1, 0, 500_000, 50, hour=3))))
    assert (found[B].fee_earned_msat, found[B].fee_sourced_msat, found[B].fee_split_msat) == (101, 50, 51 + 25)
    assert (found[A].fee_earned_msat, found[A].fee_sourced_msat, found[A].fee_split_msat) == (50, 101, 50 + 25)
    assert (found[A].forwarded_in_msat, found[A].forwarded_out_msat) == (1_000_101, 500_000)
    assert (found[A].forwards_in, found[A].forwards_out) == (1, 1)
    assert (found[A].earned_ppm, found[B].earned_ppm, found[A].flow_msat) == (100, 101, 1_500_101)


def test_the_target_of_a_rebalance_bears_its_fee_and_what_the_source_gives_up() -> None:
    found = channel_ledgers(
        books(
            settled=(forwarded(2, 0, 10_000_000, 5_000),),  # A earns 500 ppm
            self_payments=(rebalanced(0, 1, 1_000_000, 200), rebalanced(3, 1, 400_000, 100)),
        )
    )
    assert (found[B].rebalances_in, found[B].rebalanced_in_msat, found[B].rebalance_fee_msat) == (2, 1_400_000, 300)
    assert (found[A].rebalances_out, found[A].rebalanced_out_msat, found[A].rebalance_fee_msat) == (1, 1_000_200, 0)
    assert (found[A].liquidity_given_msat, found[D].liquidity_given_msat) == (500, 0)
    assert found[B].liquidity_taken_msat == 500
    assert (found[A].net_msat, found[A].net_after_liquidity_msat) == (5_000, 5_500)
    assert (found[B].net_msat, found[B].net_after_liquidity_msat) == (-300, -800)


def test_a_source_that_earned_by_discounts_only_gives_up_nothing() -> None:
    found = channel_ledgers(books(settled=(forwarded(2, 0, 10_000, -5),), self_payments=(rebalanced(0, 1, 1_000, 0),)))
    assert found[A].liquidity_given_msat == 0


def test_costs_on_the_chain_count_as_far_as_they_are_known_and_say_so() -> None:
    found = channel_ledgers(
        books(
            on_chain=(
                paid(CostKind.OPEN, 0, 1_540_000),
                paid(CostKind.CLOSE, 0, 300_000, "what it cost to sweep"),
                paid(CostKind.CLOSE, 1, None, "who opened"),
            )
        )
    )
    assert (found[A].open_cost_msat, found[A].close_cost_msat, found[A].costs_unknown) == (1_540_000, 300_000, 1)
    assert (found[A].on_chain_cost_msat, found[A].net_msat) == (1_840_000, -1_840_000)
    assert (found[B].on_chain_cost_msat, found[B].costs_unknown) == (0, 1)


def test_capital_is_what_was_bound_and_a_year_is_a_year() -> None:
    given = books(
        settled=(forwarded(1, 0, 365_000_000, 730_000),),
        channels={A: facts(0), B: facts(1, capacity_sat=None)},
        balances=(BalanceSum(A, 10, 9, 10 * 400_000_000), BalanceSum(B, 5, 5, 5 * 100_000_000)),
    )
    (first, second) = channel_profits(given)
    assert (first.channel_id, second.channel_id) == (A, B)
    assert first.standing.average_local_msat == 400_000_000
    assert (first.standing.active_share, first.standing.seen_hours) == (0.9, 10)
    assert first.standing.utilisation == pytest.approx(0.365)
    assert first.standing.return_on_capacity_per_year == pytest.approx(0.00073 * 365 / 30)
    assert first.standing.return_on_local_per_year == pytest.approx(730_000 / 400_000_000 * 365 / 30)
    assert (second.standing.utilisation, second.standing.return_on_capacity_per_year) == (None, None)
    node = node_standing(given)
    assert (node.capacity_sat, node.average_local_msat) == (1_000_000, 450_000_000)
    assert node.active_share == pytest.approx(14 / 15)


def test_a_channel_that_is_gone_is_shown_while_anything_happened_at_it() -> None:
    given = books(
        settled=(forwarded(0, 1, 1_000, 1),),
        channels={A: facts(0, is_open=False), C: facts(2, is_open=False), D: facts(3)},
    )
    assert [each.channel_id for each in channel_profits(given)] == [B, A, D]
    unseen = next(each for each in channel_profits(given) if each.channel_id == B)
    assert unseen.facts == ChannelFacts(peer_id="")


def test_a_peer_is_all_its_channels_and_an_unknown_one_is_by_itself() -> None:
    given = books(
        settled=(forwarded(0, 1, 1_000, 10), forwarded(2, 3, 1_000, 7)),
        channels={A: facts(0), B: facts(1, peer_alias="both")},
        tried={B: Tried(settled=3, failed=1)},
    )
    rows = peer_profits(given)
    assert [(each.peer_id, each.channel_ids) for each in rows] == [("peer0", (A, B)), ("", (D,)), ("", (C,))]
    assert rows[0].peer_alias == "both"
    assert (rows[0].standing.ledger.fee_earned_msat, rows[0].standing.capacity_sat) == (10, 2_000_000)
    assert rows[0].success is not None
    assert rows[1].success is None


def test_a_score_of_few_payments_is_near_the_nodes_and_of_many_is_the_peers_own() -> None:
    node, scores = success_scores({"few": Tried(settled=0, failed=1), "many": Tried(settled=900, failed=100)})
    assert node == pytest.approx(900 / 1_001)
    assert scores["few"].rate == pytest.approx(8 * 900 / 1_001 / 9)
    assert scores["many"].rate == pytest.approx(0.9, abs=0.001)
    assert scores["many"].score == pytest.approx(90, abs=0.1)
    widths = {name: each.upper - each.lower for name, each in scores.items()}
    assert widths["many"] < 0.03
    assert widths["few"] > 0.2
    assert success_scores({}) == (None, {})


def test_what_settles_always_has_an_interval_all_the_same() -> None:
    _, scores = success_scores({"only": Tried(settled=5, failed=0)})
    assert scores["only"].rate == 1
    assert 0.8 < scores["only"].lower < scores["only"].upper == 1


def test_hours_of_the_week_begin_on_monday() -> None:
    for text, wanted in (("2026-11-02T00", 0), ("2026-11-02T23", 23), ("2026-11-08T23", 167), ("1970-01-01T00", 72)):
        moment = datetime.fromisoformat(f"{text}:30:00").replace(tzinfo=UTC)
        assert hour_of_week(int(moment.timestamp()) // 3_600) == wanted
    rows = hour_profits(
        books(
            settled=(forwarded(0, 1, 5_000, 3), forwarded(0, 1, 5_000, 4, hour=168)),
            self_payments=(rebalanced(0, 1, 9, 1),),
        )
    )
    at = rows[hour_of_week(FROM_HOUR)]
    assert (at.forwards, at.fee_earned_msat, at.rebalances, at.rebalanced_msat, at.rebalance_fee_msat) == (
        2,
        7,
        1,
        9,
        1,
    )


def test_payments_that_were_sent_on_become_rates() -> None:
    def key(state: AttemptState) -> SumKey:
        return SumKey(FROM_HOUR, A, B, 3, 2, int(state), int(FailureCause.NONE))

    sums = [
        (key(AttemptState.SETTLED), SumValues(attempts=4, amount_msat=4_000, fee_msat=40, payments=3)),
        (key(AttemptState.FAILED_DOWNSTREAM), SumValues(attempts=9, amount_msat=9_000, fee_msat=90, payments=2)),
        (key(AttemptState.FAILED_HERE), SumValues(attempts=5, amount_msat=5_000, fee_msat=50, payments=5)),
    ]
    assert tried_of(sum_table(sums)) == {B: Tried(settled=3, failed=2)}
    assert node_success_rate(books(tried=tried_of(sum_table(sums)))) == 0.6
    assert node_success_rate(books()) is None
