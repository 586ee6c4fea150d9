"""Routes that are given: one attempt each, parts of one payment, and what is no route."""

from typing import Any

import numpy as np
import pytest
from tests.reference.networks import build_graph, plain_policy
from tests.unit.sim.test_parts import MSAT, SECOND_NS, A, B, C, engine_of, outcome, pay, two_ways

from lightninglens.core.errors import InvariantError
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcOutcome
from lightninglens.sim.answers import Answer
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.given import GivenRoute, SentRoute
from lightninglens.sim.records import EngineConfig
from lightninglens.sim.state import MOST_PARTS

pytestmark = pytest.mark.kernel

HEIGHT = 800_000
FULL = [1.0, 1.0, 1.0, 1.0]
BY_B, BY_C = (0, 2), (4, 6)
FEE_PPM, DELTA = 100, 40


def route(directions: tuple[int, ...], amount_sat: int = 1_000, **changed: Any) -> GivenRoute:
    """Return a route that the nodes on the way are content with, but for what is changed."""
    amount_msat, hops = amount_sat * MSAT, len(directions)
    fees = range(hops)[::-1]
    columns: dict[str, Any] = {
        "directions": directions,
        "amounts_msat": tuple(amount_msat + number * amount_msat * FEE_PPM // 10**6 for number in fees),
        "expiry_heights": tuple(HEIGHT + 83 + number * DELTA for number in fees),
    }
    return GivenRoute(**(columns | changed))


def results(engine: Engine) -> list[tuple[int, int, int, int]]:
    """Run to the end and return (number, code, detail, reporter) of the attempts as they ended."""
    engine.run_until(FOREVER_NS)
    assert engine.conservation_drift_msat() == 0
    assert engine.in_flight == 0
    rows = engine.harvest().attempts
    return [tuple(row[name].item() for name in ("number", "code", "detail", "failed_index")) for row in rows]


def test_a_route_is_tried_once_and_settles() -> None:
    """The payment is one attempt along these very channels, with the fee that the route gives."""
    engine = engine_of(two_ways(), FULL)
    assert engine.submit_route(route(BY_C)) == SentRoute(0, 1)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest) == (HtlcOutcome.SUCCEEDED, 1, 1)
    assert harvest.routes.tolist() == list(BY_C)
    assert harvest.payments.fee_msat.tolist() == [100]
    assert harvest.payments.first_direction.tolist() == [BY_C[0]]
    assert harvest.payments.sender_before_msat[0] - harvest.payments.sender_after_msat[0] == 1_000_100


def test_a_route_that_fails_is_not_tried_again() -> None:
    """Though another way were free; the sender's memory learns of it, and the next search avoids it."""
    engine = engine_of(two_ways(), [1.0, 0.0, 1.0, 1.0])
    engine.submit_route(route(BY_B))
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest) == (HtlcOutcome.FAILED_ON_ROUTE, 1, 0)
    assert harvest.attempts["failed_index"].tolist() == [1]
    pay(engine, 1_000)
    engine.run_until(FOREVER_NS)
    assert engine.harvest().routes.tolist() == list(BY_C)


def test_routes_of_one_payment_complete_one_set() -> None:
    """The first part waits for the second, and both settle at once."""
    engine = engine_of(two_ways(), FULL)
    first = engine.submit_route(route(BY_B, 400), total_msat=1_000 * MSAT)
    engine.run_until(30 * SECOND_NS)
    assert engine.in_flight == 1
    second = engine.submit_route(route(BY_C, 600), payment_id=first.payment_id, total_msat=1_000 * MSAT)
    assert second == SentRoute(first.payment_id, 2)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest) == (HtlcOutcome.SUCCEEDED, 2, 2)
    assert sorted(harvest.attempts["amount_msat"].tolist()) == [400 * MSAT, 600 * MSAT]


def test_a_part_alone_times_out_at_the_receiver() -> None:
    """After two minutes; the payment has failed then, though its 60 seconds mean nothing here."""
    engine = engine_of(two_ways(), FULL)
    engine.submit_route(route(BY_B, 400), total_msat=1_000 * MSAT)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest)[0] is HtlcOutcome.FAILED_ON_ROUTE
    assert harvest.payments.failure_detail.tolist() == [FailureDetail.MPP_INVOICE_TIMEOUT]


def test_after_a_failure_no_part_is_added() -> None:
    """As LND refuses it while others are in flight; with `skips_temporary_errors` another way may be tried."""
    for skips in (False, True):
        engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 0.0])
        held = engine.submit_route(route(BY_B, 400), total_msat=1_000 * MSAT).payment_id
        engine.submit_route(route(BY_C, 600), payment_id=held, skips_temporary_errors=skips)
        engine.run_until(30 * SECOND_NS)
        if not skips:
            with pytest.raises(InvariantError, match=f"payment {held}: it has failed"):
                engine.submit_route(route(BY_B, 600), payment_id=held)
        else:
            assert engine.submit_route(route(BY_B, 600), payment_id=held).number == 3
        engine.run_until(FOREVER_NS)
        expected = HtlcOutcome.SUCCEEDED if skips else HtlcOutcome.FAILED_ON_ROUTE
        assert outcome(engine.harvest())[0] is expected


def test_a_payment_with_nothing_in_flight_is_over() -> None:
    """Even where errors are skipped; a further route with its id begins anew."""
    engine = engine_of(two_ways(), [1.0, 0.0, 1.0, 1.0])
    engine.submit_route(route(BY_B), payment_id=77, skips_temporary_errors=True)
    engine.run_until(FOREVER_NS)
    assert outcome(engine.harvest())[0] is HtlcOutcome.FAILED_ON_ROUTE
    assert engine.submit_route(route(BY_C), payment_id=77) == SentRoute(77, 1)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert harvest.payments.payment_id.tolist() == [77]
    assert outcome(harvest)[0] is HtlcOutcome.SUCCEEDED


@pytest.mark.parametrize("skips", [False, True])
def test_a_probe_along_a_route(skips: bool) -> None:
    """A random hash: the receiver's word ends the payment in any case, which is how probes know that they arrived."""
    engine = engine_of(two_ways(), FULL)
    engine.submit_route(route(BY_B), answer=Answer.UNKNOWN_INVOICE, skips_temporary_errors=skips)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest)[0] is HtlcOutcome.INCORRECT_PAYMENT_DETAILS
    assert harvest.payments.failure_detail.tolist() == [FailureDetail.UNKNOWN_INVOICE]
    assert harvest.attempts["failed_index"].tolist() == [2]


def test_a_circle_along_a_route_pays_oneself() -> None:
    """Rebalancers send these: out by one peer, in by the other."""
    engine = engine_of(two_ways(), [1.0, 1.0, 0.5, 0.5])
    engine.submit_route(route((0, 2, 7, 5)))
    assert [code for _, code, _, _ in results(engine)] == [0]


def test_a_held_payment_along_a_route() -> None:
    """The receiver's answer is that of any payment."""
    engine = engine_of(two_ways(), FULL)
    held = engine.submit_route(route(BY_B), answer=Answer.HOLD).payment_id
    engine.run_until(100 * SECOND_NS)
    engine.settle_held(held)
    engine.run_until(102 * SECOND_NS)
    assert outcome(engine.harvest())[0] is HtlcOutcome.SUCCEEDED


TEMPORARY, NO_DETAIL = FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.NO_DETAIL


@pytest.mark.parametrize(
    ("changed", "code", "detail", "index"),
    [
        ({"amounts_msat": (1_000_000, 1_000_001)}, FailureCode.FEE_INSUFFICIENT, NO_DETAIL, 1),
        ({"amounts_msat": (1_000_099, 1_000_000)}, FailureCode.FEE_INSUFFICIENT, NO_DETAIL, 1),
        ({"expiry_heights": (HEIGHT + 122, HEIGHT + 83)}, FailureCode.INCORRECT_CLTV_EXPIRY, NO_DETAIL, 1),
        ({"expiry_heights": (HEIGHT + 43, HEIGHT + 3)}, FailureCode.EXPIRY_TOO_SOON, NO_DETAIL, 1),
        ({"expiry_heights": (HEIGHT + 3, HEIGHT)}, FailureCode.EXPIRY_TOO_SOON, NO_DETAIL, 0),
        ({"expiry_heights": (HEIGHT + 2_017, HEIGHT + 83)}, FailureCode.EXPIRY_TOO_FAR, NO_DETAIL, 0),
        (
            {"expiry_heights": (HEIGHT + 119, HEIGHT + 79)},
            FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS,
            FailureDetail.INVOICE_EXPIRY_TOO_SOON,
            2,
        ),
        ({"amounts_msat": (2 * 10**9, 10**9)}, TEMPORARY, FailureDetail.INSUFFICIENT_BALANCE, 0),
    ],
)
def test_what_nodes_refuse(changed: dict[str, Any], code: int, detail: int, index: int) -> None:
    """Amounts and expiries that a search would not have made run, and fail where they would in life."""
    engine = engine_of(two_ways(), FULL)
    engine.submit_route(route(BY_B, **changed))
    assert results(engine) == [(1, code, detail, index)]


def test_what_the_own_channel_refuses() -> None:
    """Its policy holds for its owner too: least and greatest HTLC, and whether it is up; nothing is learned of it."""
    policies = [plain_policy(base_msat=0, min_msat=5_000, max_msat=900_000)] * 4
    graph = build_graph(3, [(A, B, 1_000_000), (B, C, 1_000_000)], policies)
    balances = np.tile(np.array([10**9, 0]), 2)
    engine = Engine(graph, balance_msat=balances, opener_side=np.zeros(2, np.int8), config=EngineConfig())
    engine.observe([A])
    for amount_msat in (4_999, 900_001):
        engine.submit_route(GivenRoute(directions=(0,), amounts_msat=(amount_msat,), expiry_heights=(HEIGHT + 83,)))
    engine.set_active(0, active=False)
    engine.submit_route(GivenRoute(directions=(0,), amounts_msat=(6_000,), expiry_heights=(HEIGHT + 83,)))
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    # The link is down before any of them has left.
    assert harvest.attempts["detail"].tolist() == [FailureDetail.LINK_NOT_ELIGIBLE] * 3
    engine.set_active(0, active=True)
    for amount_msat in (4_999, 900_001):
        engine.submit_route(GivenRoute(directions=(0,), amounts_msat=(amount_msat,), expiry_heights=(HEIGHT + 83,)))
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    told = list(zip(harvest.attempts["code"].tolist(), harvest.attempts["detail"].tolist(), strict=True))
    assert told == [(FailureCode.AMOUNT_BELOW_MINIMUM, NO_DETAIL), (TEMPORARY, FailureDetail.HTLC_EXCEEDS_MAX)]
    assert set(harvest.htlc_events["kind"].tolist()) == {HtlcEventKind.LINK_FAIL}
    assert not (engine._world.memory.results["sender"] == A).any()


def test_a_closed_channel_on_the_way() -> None:
    """The node before it does not know its next peer any more."""
    engine = engine_of(two_ways(), FULL)
    engine.close_channel(1)
    engine.submit_route(route(BY_B))
    assert results(engine) == [(1, FailureCode.UNKNOWN_NEXT_PEER, NO_DETAIL, 1)]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (route(()), "a route of 0 hops"),
        (route((0, 1) * 14), "a route of 28 hops"),
        (route((0, 8)), "direction 8, and the graph has 8"),
        (route((-1,)), "direction -1"),
        (route((0, 4)), r"a gap: \[0, 4\]"),
        (route(BY_B, expiry_heights=(HEIGHT,)), "as many amounts and expiries: 2 and 1"),
        (route(BY_B, amounts_msat=(5, 0)), "from 1 msat"),
        (route(BY_B, expiry_heights=(2**31, HEIGHT)), "block heights"),
    ],
)
def test_what_is_no_route(made: GivenRoute, words: str) -> None:
    """Nothing is sent, and no payment begins."""
    engine = engine_of(two_ways(), FULL)
    with pytest.raises(InvariantError, match=words):
        engine.submit_route(made)
    assert engine.next_event_ns is None
    assert engine.submit_route(route(BY_B)) == SentRoute(0, 1)


def test_a_direction_that_nobody_announced() -> None:
    """No node could be asked to use it."""
    graph = build_graph(2, [(A, B, 1_000_000)], [plain_policy(), None])
    balances = np.array([5, 5], np.int64) * 10**8
    engine = Engine(graph, balance_msat=balances, opener_side=np.zeros(1, np.int8), config=EngineConfig())
    with pytest.raises(InvariantError, match="direction 1 cannot be used: nobody has announced it"):
        engine.submit_route(route((1,)))


@pytest.mark.parametrize(
    ("directions", "amount_sat", "total_sat", "words"),
    [
        ((0,), 100, None, "it goes from node 0 to node 3, and the route does not"),
        (BY_C, 600, 900, "it is one of 1,000,000 msat, and not of 900,000"),
        (BY_C, 601, None, "the route brings 601,000 msat, and 600,000 remain"),
    ],
)
def test_what_is_no_part_of_a_payment(
    directions: tuple[int, ...], amount_sat: int, total_sat: int | None, words: str
) -> None:
    """As LND's payment database refuses it, before anything is sent."""
    engine = engine_of(two_ways(), FULL)
    first = engine.submit_route(route(BY_B, 400), total_msat=1_000 * MSAT).payment_id
    total_msat = None if total_sat is None else total_sat * MSAT
    with pytest.raises(InvariantError, match=words):
        engine.submit_route(route(directions, amount_sat), payment_id=first, total_msat=total_msat)
    assert len(results(engine)) == 1


def test_searched_payments_and_given_routes_do_not_mix() -> None:
    """Nor does a route begin a payment of less than it brings, or of more parts than a receiver can settle."""
    engine = engine_of(two_ways(), FULL)
    searched = pay(engine, 1_000)
    with pytest.raises(InvariantError, match="its routes are searched"):
        engine.submit_route(route(BY_B), payment_id=searched)
    with pytest.raises(InvariantError, match="no part of a payment of 999,999 msat"):
        engine.submit_route(route(BY_B), total_msat=999_999)
    first = engine.submit_route(route(BY_B, 1), total_msat=MOST_PARTS * 10 * MSAT).payment_id
    for _ in range(MOST_PARTS - 1):
        engine.submit_route(route(BY_B, 1), payment_id=first)
    with pytest.raises(InvariantError, match="as many parts are in flight"):
        engine.submit_route(route(BY_B, 1), payment_id=first)


def test_a_fork_goes_on_with_given_routes() -> None:
    """Parts in flight and what may still be added are in the state."""
    engine = engine_of(two_ways(), FULL)
    held = engine.submit_route(route(BY_B, 400), total_msat=1_000 * MSAT).payment_id
    engine.run_until(SECOND_NS)
    fork = engine.fork()
    ends = []
    for one in (engine, fork):
        one.submit_route(route(BY_C, 600), payment_id=held)
        one.run_until(FOREVER_NS)
        ends.append(one.harvest().payments.end_ns.tolist())
    assert ends[0] == ends[1]
    assert len(ends[0]) == 1
