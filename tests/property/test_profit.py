"""Whatever happened: profit and loss add up, by channel, by peer, by pair and by hour."""

from hypothesis import given
from tests.support.books import any_books

from lightninglens.analytics.profit.analyser import channel_metrics
from lightninglens.analytics.profit.books import Books
from lightninglens.analytics.profit.ledger import halves
from lightninglens.analytics.profit.report import (
    channel_profits,
    hour_profits,
    node_standing,
    pair_profits,
    peer_profits,
)


@given(any_books)
def test_channels_and_peers_add_up_to_the_node_in_whole_msat(books: Books) -> None:
    earned = sum(each.fee_msat for each in books.settled)
    spent = sum(each.fee_msat for each in books.self_payments)
    chain = sum(each.fee_msat or 0 for each in books.on_chain)
    node = node_standing(books).ledger
    for ledgers in (
        [node],
        [each.standing.ledger for each in channel_profits(books)],
        [each.standing.ledger for each in peer_profits(books)],
    ):
        for name in ("fee_earned_msat", "fee_sourced_msat", "fee_split_msat"):
            assert sum(getattr(each, name) for each in ledgers) == earned
        for name in ("net_msat", "net_split_msat", "net_after_liquidity_msat"):
            assert sum(getattr(each, name) for each in ledgers) == earned - spent - chain
        assert sum(each.on_chain_cost_msat for each in ledgers) == chain
        assert sum(each.liquidity_given_msat - each.liquidity_taken_msat for each in ledgers) == 0
        assert sum(each.forwards_in for each in ledgers) == sum(each.forwards_out for each in ledgers)
        assert sum(each.rebalanced_out_msat - each.rebalanced_in_msat for each in ledgers) == spent
        assert sum(each.forwarded_in_msat - each.forwarded_out_msat for each in ledgers) == earned


@given(any_books)
def test_nothing_is_negative_that_cannot_be(books: Books) -> None:
    signed = {"fee_earned_msat", "fee_sourced_msat", "fee_split_msat", "forwarded_in_msat"}
    for each in channel_profits(books):
        ledger = each.standing.ledger
        for name in ledger.__slots__:
            assert name in signed or getattr(ledger, name) >= 0
        metrics = channel_metrics(ledger, span_ns=books.to_ns - books.from_ns)
        for score in (
            metrics.overall_score,
            metrics.profitability_score,
            metrics.activity_score,
            metrics.efficiency_score,
        ):
            assert -1e-9 <= score <= 100 + 1e-9 or ledger.forwarded_in_msat < 0
        assert each.standing.active_share is None or 0 <= each.standing.active_share <= 1


@given(any_books)
def test_halves_differ_by_one_msat_at_most_and_make_the_whole(books: Books) -> None:
    pairs = pair_profits(books)
    assert sum(each.settled.fee_msat for each in pairs) == sum(each.fee_msat for each in books.settled)
    for each in pairs:
        assert each.fee_in_half_msat + each.fee_out_half_msat == each.settled.fee_msat
        assert 0 <= each.fee_out_half_msat - each.fee_in_half_msat <= 1
        assert halves(each.settled.fee_msat) == (each.fee_in_half_msat, each.fee_out_half_msat)


@given(any_books)
def test_the_hours_of_the_week_are_the_range_and_all_that_happened_in_it(books: Books) -> None:
    hours = hour_profits(books)
    assert sum(each.hours for each in hours) == 30 * 24
    assert {each.hours for each in hours} <= {4, 5}
    assert sum(each.fee_earned_msat for each in hours) == sum(each.fee_msat for each in books.settled)
    assert sum(each.forwards for each in hours) == sum(each.forwards for each in books.settled)
    assert sum(each.rebalance_fee_msat for each in hours) == sum(each.fee_msat for each in books.self_payments)


@given(any_books)
def test_a_peers_score_lies_in_its_interval_and_between_its_own_share_and_the_nodes(books: Books) -> None:
    settled = sum(each.settled for each in books.tried.values())
    tried = settled + sum(each.failed for each in books.tried.values())
    for each in peer_profits(books):
        if each.success is None:
            continue
        success = each.success
        assert 0 <= success.lower <= success.rate <= success.upper <= 1
        shares = [settled / tried]
        if success.settled + success.failed:
            shares.append(success.settled / (success.settled + success.failed))
        assert min(shares) - 1e-9 <= success.rate <= max(shares) + 1e-9
