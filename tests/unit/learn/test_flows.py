import dataclasses

from tests.support.observations import CHANNELS, attempt, payment

from lightninglens.core.htlc import FailureCode
from lightninglens.core.observations import PaymentSeen
from lightninglens.learn.flows import Flow, flows_of

BETWEEN = {pair: [channel] for pair, channel in CHANNELS.items()}


def facts(flow: Flow) -> tuple[str, int, bool, str, int, bool]:
    return flow.from_node_id, flow.amount_msat, flow.settled, flow.role, flow.fee_msat, flow.lost


def test_what_settled_moved_on_every_hop_and_earned_a_fee_on_all_but_the_first() -> None:
    flows = flows_of(payment("abc", 5_000, attempt("abc", (6_000, 5_000))))
    assert [facts(flow) for flow in flows] == [
        ("a", 6_000, True, "own", 0, False),
        ("b", 5_000, True, "forward", 1_000, False),
    ]
    assert flows[1].channel_id == CHANNELS[frozenset("bc")]


def test_an_attempt_that_failed_is_demand_of_the_channel_that_lacked_liquidity_and_of_no_other() -> None:
    flows = flows_of(payment("abc", 5_000, attempt("abc", (6_000, 5_000), failed_hop=1)))
    assert [facts(flow) for flow in flows] == [("b", 5_000, False, "forward", 1_000, True)]


def test_retries_over_a_direction_count_once_and_not_at_all_when_it_moved_in_the_end() -> None:
    failed = attempt("ac", (5_000,), failed_hop=0)
    assert len(flows_of(payment("ac", 5_000, failed, failed))) == 1
    other_way = flows_of(payment("ac", 5_000, failed, attempt("abc", (6_000, 5_000))))
    assert [(flow.from_node_id, flow.settled, flow.lost) for flow in other_way] == [
        ("a", True, False),
        ("b", True, False),
        ("a", False, False),
    ]
    again = flows_of(payment("ac", 5_000, failed, attempt("ac", (5_000,))))
    assert [flow.settled for flow in again] == [True]


def test_a_failure_for_another_reason_is_no_lack_of_liquidity() -> None:
    down = dataclasses.replace(attempt("ac", (5_000,), failed_hop=0), code=FailureCode.CHANNEL_DISABLED)
    nowhere = dataclasses.replace(attempt("ac", (5_000,), failed_hop=0), failed_hop=None)
    assert not flows_of(payment("ac", 5_000, down, nowhere), BETWEEN)


def test_a_rebalance_that_moved_is_a_shift_and_one_that_failed_is_nothing() -> None:
    around = attempt("abca", (7_000, 6_000, 5_000))
    assert {flow.role for flow in flows_of(payment("aa", 5_000, around, kind="rebalance"))} == {"rebalance"}
    failed = attempt("abca", (7_000, 6_000, 5_000), failed_hop=2)
    assert not flows_of(payment("aa", 5_000, failed, kind="rebalance"), BETWEEN)
    assert not flows_of(payment("aa", 5_000, kind="rebalance"), BETWEEN)


def test_a_payment_that_found_no_route_counts_on_the_direct_channel_if_there_is_exactly_one() -> None:
    lost = payment("ac", 5_000)
    assert [facts(flow) for flow in flows_of(lost, BETWEEN)] == [("a", 5_000, False, "own", 0, True)]
    assert not flows_of(lost)
    assert not flows_of(lost, {frozenset("ac"): [CHANNELS[frozenset("ac")]] * 2})


def test_without_attempts_the_direct_channel_stands_for_the_route() -> None:
    def bare(*, succeeded: bool | None) -> PaymentSeen:
        return dataclasses.replace(payment("ac", 5_000, attempts_known=False), succeeded=succeeded)

    assert [flow.settled for flow in flows_of(bare(succeeded=True), BETWEEN)] == [True]
    assert [flow.lost for flow in flows_of(bare(succeeded=False), BETWEEN)] == [True]
    assert not flows_of(bare(succeeded=None), BETWEEN)
