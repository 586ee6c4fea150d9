"""Payments in parts: how a sender splits, what a receiver holds, and how it ends."""

from typing import Any

import numpy as np
import pytest
from tests.reference.networks import Channel, build_graph, plain_policy

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.records import EngineConfig, Harvest, PaymentRequests
from lightninglens.sim.scenario import GraphKind, GraphSource, Scenario, WorldSettings
from lightninglens.sim.state import LEAST_PART_MSAT, MOST_PARTS

pytestmark = pytest.mark.kernel

SECOND_NS = 10**9
A, B, C, D = 0, 1, 2, 3
MSAT = 1_000


def engine_of(channels: list[Channel], local: list[float], **config: Any) -> Engine:
    """Return an engine over plain channels; `local` is node1's share of each."""
    nodes = 1 + max(max(channel[:2]) for channel in channels)
    graph = build_graph(nodes, channels, [plain_policy(base_msat=0)] * (2 * len(channels)))
    first = (graph.capacity_sat * np.array(local)).astype(np.int64)
    balances = np.stack([first, graph.capacity_sat - first], axis=1).reshape(-1) * MSAT
    settings: dict[str, Any] = {"commit_feerate_sat_per_kw": 0, "hop_delay_sigma": 0.0, **config}
    openers = np.zeros(len(channels), np.int8)
    engine = Engine(graph, balance_msat=balances, opener_side=openers, config=EngineConfig(**settings))
    engine.observe(list(range(nodes)))
    return engine


def pay(engine: Engine, amount_sat: int, *, receiver: int = D, most_parts: int = 16, fee_limit_sat: int = 1_000) -> int:
    """Submit one payment of A at this moment."""
    return engine.submit(
        PaymentRequests(
            start_ns=np.array([engine.now_ns], np.int64),
            sender=np.array([A], np.int32),
            receiver=np.array([receiver], np.int32),
            amount_msat=np.array([amount_sat * MSAT], np.int64),
            fee_limit_msat=np.array([fee_limit_sat * MSAT], np.int64),
            kind=np.zeros(1, np.int8),
            tag=np.zeros(1, np.int32),
            outgoing=np.full(1, -1, np.int32),
            last_hop=np.full(1, -1, np.int32),
            most_parts=np.array([most_parts], np.int32),
        )
    )


def outcome(harvest: Harvest) -> tuple[HtlcOutcome, int, int]:
    """Return (outcome, attempts, parts) of the only payment."""
    payments = harvest.payments
    return HtlcOutcome(int(payments.outcome[0])), int(payments.attempts[0]), int(payments.parts[0])


def two_ways(first_sat: int = 1_000_000, second_sat: int = 1_000_000) -> list[Channel]:
    """A to D by way of B and by way of C."""
    return [(A, B, first_sat), (B, D, first_sat), (A, C, second_sat), (C, D, second_sat)]


def test_halves_when_there_is_no_route() -> None:
    """What no channel can carry is halved; both halves arrive, the first waits for the second, and both settle."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0])
    pay(engine, 1_400_000)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest) == (HtlcOutcome.SUCCEEDED, 2, 2)
    assert harvest.attempts["amount_msat"].tolist() == [700_000 * MSAT] * 2
    assert sorted(harvest.attempts["number"].tolist()) == [1, 2]
    assert harvest.payments.fee_msat.tolist() == [2 * 70 * MSAT]
    received = harvest.htlc_events[harvest.htlc_events["event_type"] == HtlcEventType.RECEIVE]
    assert received["kind"].tolist() == [HtlcEventKind.SETTLE] * 2
    assert len(set(received["timestamp_ns"].tolist())) == 1
    assert received["incoming_amount_msat"].tolist() == [700_000 * MSAT] * 2
    assert engine.conservation_drift_msat() == 0


def test_no_splitting_without_leave() -> None:
    """One part: the same payment finds no route."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0])
    pay(engine, 1_400_000, most_parts=1)
    engine.run_until(FOREVER_NS)
    assert outcome(engine.harvest()) == (HtlcOutcome.NO_ROUTE, 0, 0)


def test_more_than_the_sender_has_is_not_split() -> None:
    """LND does not halve what all its channels together cannot carry."""
    engine = engine_of(two_ways(), [1.0, 1.0, 0.1, 1.0])
    pay(engine, 1_400_000)
    engine.run_until(FOREVER_NS)
    assert outcome(engine.harvest()) == (HtlcOutcome.INSUFFICIENT_BALANCE, 0, 0)


def test_the_least_part() -> None:
    """Halving ends at 10,000 sat: 19,999 sat are not split, 20,000 are."""
    channels = [(A, B, 1_000_000), (B, D, 12_000), (B, D, 12_000)]
    for amount_sat, expected in ((19_999, HtlcOutcome.NO_ROUTE), (20_000, HtlcOutcome.SUCCEEDED)):
        engine = engine_of(channels, [1.0, 1.0, 1.0])
        pay(engine, amount_sat)
        engine.run_until(FOREVER_NS)
        assert outcome(engine.harvest())[0] is expected
    assert LEAST_PART_MSAT == 10_000 * MSAT


def test_the_number_of_parts() -> None:
    """The last part that is allowed is not split: 1,000,000 sat leave as a half and two quarters, or not at all."""
    big = 9_000_000
    channels = [(A, B, 600_000), (B, D, big), (A, C, 300_000), (C, D, big), (A, 4, 300_000), (D, 4, big)]
    for most_parts, expected in ((3, HtlcOutcome.SUCCEEDED), (2, HtlcOutcome.TIMEOUT)):
        engine = engine_of(channels, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
        pay(engine, 1_000_000, most_parts=most_parts)
        engine.run_until(FOREVER_NS)
        harvest = engine.harvest()
        assert outcome(harvest)[0] is expected
        sent = sorted(harvest.attempts["amount_msat"].tolist())
        assert sent == [250_000 * MSAT] * (2 * (most_parts == 3)) + [500_000 * MSAT]


def test_what_is_held_goes_back_after_two_minutes() -> None:
    """The second half finds no way: the first is held for 120 s, returns with MPP_TIMEOUT, and the payment fails then.

    The reason that is left is the clock's, as in LND, whose every turn checks it anew.
    """
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 0.0])
    pay(engine, 1_400_000, most_parts=2)
    engine.run_until(119 * SECOND_NS)
    assert engine.in_flight == 1
    assert engine.pending_msat()[2] == 700_000 * MSAT
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest) == (HtlcOutcome.TIMEOUT, 2, 0)
    assert harvest.payments.fee_msat.tolist() == [0]
    assert harvest.payments.failure_code.tolist() == [FailureCode.MPP_TIMEOUT]
    (held,) = harvest.attempts[harvest.attempts["code"] == FailureCode.MPP_TIMEOUT]
    assert (held["failed_index"], held["failed_direction"]) == (2, -1)
    assert 120 * SECOND_NS < held["end_ns"] < 123 * SECOND_NS
    received = harvest.htlc_events[harvest.htlc_events["event_type"] == HtlcEventType.RECEIVE]
    assert received["kind"].tolist() == [HtlcEventKind.LINK_FAIL]
    assert received["detail"].tolist() == [FailureDetail.MPP_INVOICE_TIMEOUT]
    assert received["outgoing_direction"].tolist() == [-1]
    assert engine.pending_msat().sum() == 0


def test_a_payment_that_waits_longer_than_the_receiver() -> None:
    """Held for one second only, the first half comes back while the second is still being tried, and is sent anew."""
    engine = engine_of(
        [*two_ways(), (C, D, 1_000_000)],
        [1.0, 1.0, 1.0, 0.0, 1.0],
        mpp_timeout_ns=SECOND_NS,
        payment_timeout_ns=20 * SECOND_NS,
        retry_delay_ns=3 * SECOND_NS,
    )
    pay(engine, 1_400_000)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    codes = harvest.attempts["code"].tolist()
    assert codes.count(FailureCode.MPP_TIMEOUT) > 1
    assert outcome(harvest)[0] is HtlcOutcome.TIMEOUT
    assert engine.conservation_drift_msat() == 0


def test_the_fee_limit_is_shared() -> None:
    """Each half costs 70 sat: a limit of 100 sat pays for one of them, and the payment fails."""
    for fee_limit_sat, expected in ((140, HtlcOutcome.SUCCEEDED), (139, HtlcOutcome.TIMEOUT)):
        engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0])
        pay(engine, 1_400_000, fee_limit_sat=fee_limit_sat)
        engine.run_until(FOREVER_NS)
        assert outcome(engine.harvest())[0] is expected


@pytest.mark.parametrize("most_parts", [0, MOST_PARTS + 1])
def test_a_number_of_parts_that_cannot_be(most_parts: int) -> None:
    """Refused before anything is submitted."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0])
    with pytest.raises(Exception, match="does not fit this network"):
        pay(engine, 1_000, most_parts=most_parts)
    assert engine.next_event_ns is None


def test_a_scenario_says_how_many() -> None:
    """LND's default on any network but the lab, whose payments take one route; or what is asked for."""

    def scenario(kind: GraphKind, most_parts: int | None = None) -> Scenario:
        world = WorldSettings(most_parts=most_parts)
        return Scenario(name="one", seed=1, graph=GraphSource(kind=kind, nodes=10), payments=1, world=world)

    assert scenario(GraphKind.SYNTHETIC).most_parts == 16
    assert scenario(GraphKind.LAB).most_parts == scenario(GraphKind.LAB_DRAWN).most_parts == 1
    assert scenario(GraphKind.LAB, 5).most_parts == 5
    with pytest.raises(ValueError, match="most_parts"):
        scenario(GraphKind.LAB, MOST_PARTS + 1)
