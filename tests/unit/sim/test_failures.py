"""Every way in which a forward fails: code, detail, and what the failing node's event says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.reference.networks import Channel, build_graph, plain_policy

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.htlc import (
    FailureCode,
    FailureDetail,
    HtlcEventKind,
    HtlcEventType,
    HtlcOutcome,
)
from lightninglens.core.units import Msat
from lightninglens.routing.state import build_own_channels
from lightninglens.sim import _forwarding
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.gossip import make_enforced
from lightninglens.sim.records import EngineConfig, Harvest, PaymentRequests

pytestmark = pytest.mark.kernel

NEVER_NS = 10**15
A, B, C = 0, 1, 2
LINE: list[Channel] = [(A, B, 1_000_000), (B, C, 1_000_000)]
A_TO_B, B_TO_A, B_TO_C = 0, 1, 2
AMOUNT = 100_000_000
FEE = 1_000 + AMOUNT * 100 // 10**6
FINAL_EXPIRY = 800_000 + 83


def make_engine(
    channels: list[Channel] = LINE,
    *,
    nodes: int = 3,
    local_share: float = 0.9,
    observe: int = B,
    **config: Any,
) -> Engine:
    """Return an engine in which node1 holds `local_share` of each channel and node `observe` is watched."""
    graph = build_graph(nodes, channels)
    first = (graph.capacity_sat * local_share).astype(np.int64)
    balances = np.stack([first, graph.capacity_sat - first], axis=1).reshape(-1) * 1_000
    openers = np.zeros(len(channels), np.int8)
    engine = Engine(graph, balance_msat=balances, opener_side=openers, config=EngineConfig(**config))
    engine.observe([observe])
    return engine


def pay(
    engine: Engine,
    *pairs: tuple[int, int],
    amount_msat: int = AMOUNT,
    outgoing: int = -1,
    within_ns: int = FOREVER_NS,
) -> Harvest:
    """Make one payment per (sender, receiver), all at once, and run to the end."""
    count = len(pairs)
    engine.submit(
        PaymentRequests(
            start_ns=np.full(count, engine.now_ns, np.int64),
            sender=np.array([pair[0] for pair in pairs], np.int32),
            receiver=np.array([pair[1] for pair in pairs], np.int32),
            amount_msat=np.full(count, amount_msat, np.int64),
            fee_limit_msat=np.full(count, amount_msat, np.int64),
            kind=np.zeros(count, np.int8),
            tag=np.zeros(count, np.int32),
            outgoing=np.full(count, outgoing, np.int32),
            last_hop=np.full(count, -1, np.int32),
        )
    )
    engine.run_until(engine.now_ns + within_ns)
    assert engine.conservation_drift_msat() == 0
    return engine.harvest()


def events(harvest: Harvest, kind: HtlcEventKind) -> list[dict[str, int]]:
    """Return the events of one kind as dictionaries."""
    names = harvest.htlc_events.dtype.names or ()
    rows = [dict(zip(names, row, strict=True)) for row in harvest.htlc_events.tolist()]
    return [row for row in rows if row["kind"] == kind]


def attempts(harvest: Harvest) -> list[tuple[int, int]]:
    """Return (code, detail) of each attempt."""
    return list(zip(harvest.attempts["code"].tolist(), harvest.attempts["detail"].tolist(), strict=True))


def assert_link_fail(event: dict[str, int], code: FailureCode, detail: FailureDetail, **changed: int) -> None:
    """Check every field of the first attempt's failure at B on its way to C."""
    expected = {
        "node": B,
        "kind": HtlcEventKind.LINK_FAIL,
        "event_type": HtlcEventType.FORWARD,
        "code": code,
        "detail": detail,
        "incoming_direction": A_TO_B,
        "outgoing_direction": B_TO_C,
        "incoming_htlc_id": 0,
        "outgoing_htlc_id": 0,
        "incoming_amount_msat": AMOUNT + FEE,
        "outgoing_amount_msat": AMOUNT,
        "incoming_timelock_blocks": FINAL_EXPIRY + 40,
        "outgoing_timelock_blocks": FINAL_EXPIRY,
    } | changed
    del event["timestamp_ns"]
    assert event == expected


def stale(engine: Engine, policy: ChannelPolicy, direction: int = B_TO_C) -> None:
    """Let a node enforce a policy that no sender has heard of."""
    engine.set_policy(direction, policy, spread_ns=NEVER_NS)


def test_success_is_forwarded_and_settled() -> None:
    """The observed forwarder sees the add and the settle, with both HTLCs' ids and amounts."""
    harvest = pay(make_engine(), (A, C))
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert harvest.payments.fee_msat.tolist() == [FEE]
    (added,), (settled,) = events(harvest, HtlcEventKind.FORWARD), events(harvest, HtlcEventKind.SETTLE)
    assert added["event_type"] == settled["event_type"] == HtlcEventType.FORWARD
    assert added["incoming_amount_msat"] - added["outgoing_amount_msat"] == FEE
    assert len(harvest.htlc_events) == 2


def test_insufficient_balance() -> None:
    """B has nothing on its side towards C; the pair is remembered, so there is no second attempt."""
    graph_engine = make_engine([(A, B, 1_000_000), (C, B, 1_000_000)], local_share=0.95)
    harvest = pay(graph_engine, (A, C))
    (event,) = events(harvest, HtlcEventKind.LINK_FAIL)
    assert_link_fail(
        event,
        FailureCode.TEMPORARY_CHANNEL_FAILURE,
        FailureDetail.INSUFFICIENT_BALANCE,
        outgoing_direction=3,
    )
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.FAILED_ON_ROUTE]
    assert harvest.payments.failure_code.tolist() == [FailureCode.TEMPORARY_CHANNEL_FAILURE]
    assert harvest.payments.failure_direction.tolist() == [3]
    assert len(harvest.attempts) == 1


def test_exceeds_maximum() -> None:
    """The failure carries the policy: afterwards the sender knows the new maximum and finds no route."""
    engine = make_engine()
    stale(engine, plain_policy(max_msat=AMOUNT - 1))
    harvest = pay(engine, (A, C))
    (event,) = events(harvest, HtlcEventKind.LINK_FAIL)
    assert_link_fail(event, FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.HTLC_EXCEEDS_MAX)
    assert engine._world.gossip.edges["max_htlc_msat"][engine._world.gossip.position[B_TO_C]] == AMOUNT - 1


@pytest.mark.parametrize(
    ("policy", "code", "recovers"),
    [
        (plain_policy(rate_ppm=101), FailureCode.FEE_INSUFFICIENT, True),
        (plain_policy(delta_blocks=41), FailureCode.INCORRECT_CLTV_EXPIRY, True),
        (plain_policy(min_msat=AMOUNT + 1), FailureCode.AMOUNT_BELOW_MINIMUM, False),
    ],
)
def test_outdated_policy_gets_a_second_chance(policy: ChannelPolicy, code: FailureCode, recovers: bool) -> None:
    """The first failure tells the new policy and costs no reputation; the next attempt uses it."""
    engine = make_engine()
    stale(engine, policy)
    harvest = pay(engine, (A, C))
    (event,) = events(harvest, HtlcEventKind.LINK_FAIL)
    assert_link_fail(event, code, FailureDetail.NO_DETAIL)
    if recovers:
        assert attempts(harvest) == [(code, FailureDetail.NO_DETAIL), (FailureCode.NONE, 0)]
        assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
        assert harvest.payments.fee_msat.tolist() == [policy.outbound_fee_msat(AMOUNT)]
    else:
        assert attempts(harvest) == [(code, FailureDetail.NO_DETAIL)]
        assert harvest.payments.outcome.tolist() == [HtlcOutcome.FAILED_ON_ROUTE]


def test_no_second_chance_within_a_minute() -> None:
    """A node that changes its policy again at once is penalised: both directions of its incoming pair."""
    engine = make_engine()
    stale(engine, plain_policy(rate_ppm=101))
    assert attempts(pay(engine, (A, C), within_ns=20 * 10**9))[-1] == (FailureCode.NONE, 0)
    stale(engine, plain_policy(rate_ppm=102))
    harvest = pay(engine, (A, C), within_ns=20 * 10**9)
    assert attempts(harvest) == [(FailureCode.FEE_INSUFFICIENT, FailureDetail.NO_DETAIL)]
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.FAILED_ON_ROUTE]


def test_inbound_fee_counts() -> None:
    """A raised inbound fee on the channel from A makes the same amounts too little."""
    engine = make_engine()
    stale(engine, plain_policy(inbound_base_msat=1), direction=B_TO_A)
    harvest = pay(engine, (A, C))
    (event, *_) = events(harvest, HtlcEventKind.LINK_FAIL)
    assert_link_fail(event, FailureCode.FEE_INSUFFICIENT, FailureDetail.NO_DETAIL)


def test_link_down() -> None:
    """A channel that is down is an unknown next peer, of whose link there is nothing to say."""
    engine = make_engine()
    engine.set_active(1, active=False)
    harvest = pay(engine, (A, C))
    (event,) = events(harvest, HtlcEventKind.LINK_FAIL)
    assert_link_fail(event, FailureCode.UNKNOWN_NEXT_PEER, FailureDetail.NO_DETAIL)
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.FAILED_ON_ROUTE]


def test_disabled_is_only_said_to_senders() -> None:
    """A node forwards over a channel that it has just called disabled; who knows does not ask."""
    engine = make_engine()
    stale(engine, plain_policy(disabled=True))
    assert pay(engine, (A, C)).payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    engine.set_policy(B_TO_C, plain_policy(disabled=True))
    assert pay(engine, (A, C)).payments.outcome.tolist() == [HtlcOutcome.NO_ROUTE]


def test_slots_full() -> None:
    """The HTLC that finds no slot comes back through the mailbox: a receive without amounts, as LND has it."""
    d = 3
    engine = make_engine([*LINE, (B, d, 1_000_000)], nodes=4, local_share=0.5)
    engine._world = engine._world._replace(own=engine._world.own._replace(max_htlcs=1))
    harvest = pay(engine, (A, C), (d, C), amount_msat=1_000_000)
    (event,) = events(harvest, HtlcEventKind.LINK_FAIL)
    assert event["incoming_direction"] in (A_TO_B, 5)
    assert_link_fail(
        event,
        FailureCode.TEMPORARY_CHANNEL_FAILURE,
        FailureDetail.HTLC_ADD_FAILED,
        event_type=HtlcEventType.RECEIVE,
        incoming_direction=event["incoming_direction"],
        outgoing_direction=-1,
        incoming_amount_msat=0,
        outgoing_amount_msat=0,
        incoming_timelock_blocks=0,
        outgoing_timelock_blocks=0,
    )
    assert sorted(harvest.payments.outcome.tolist()) == [HtlcOutcome.SUCCEEDED, HtlcOutcome.FAILED_ON_ROUTE]


def test_senders_own_slots() -> None:
    """A sender does not even search over a channel whose slots are full."""
    engine = make_engine()
    engine._world = engine._world._replace(own=engine._world.own._replace(max_htlcs=1))
    harvest = pay(engine, (A, C), (A, C), amount_msat=1_000_000)
    assert sorted(harvest.payments.outcome.tolist()) == [HtlcOutcome.SUCCEEDED, HtlcOutcome.INSUFFICIENT_BALANCE]


def test_circular_route() -> None:
    """Paying oneself over a peer with one channel asks it to send back where it came from."""
    engine = make_engine([(A, B, 1_000_000)], nodes=2, local_share=0.5)
    harvest = pay(engine, (A, A))
    (event,) = events(harvest, HtlcEventKind.LINK_FAIL)
    assert_link_fail(
        event,
        FailureCode.TEMPORARY_CHANNEL_FAILURE,
        FailureDetail.CIRCULAR_ROUTE,
        outgoing_direction=B_TO_A,
    )
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.FAILED_ON_ROUTE]


def test_circular_payment_over_parallel_channels() -> None:
    """With two channels to one peer a self-payment works, though nobody else is near.

    The peer picks any of its channels back, the one that the HTLC came by
    included, because another one was asked for; so does LND.
    """
    engine = make_engine([(A, B, 1_000_000), (A, B, 1_000_000)], nodes=2, local_share=0.5)
    before = engine.balances_msat()
    harvest = pay(engine, *[(A, A)] * 8, amount_msat=1_000_000, outgoing=A_TO_B)
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED] * 8
    assert {tuple(route) for route in harvest.routes.reshape(-1, 2).tolist()} == {(A_TO_B, 3), (A_TO_B, B_TO_A)}
    earned = (engine.balances_msat() - before).reshape(2, 2).sum(axis=0)
    assert earned.tolist() == [-8 * 1_100, 8 * 1_100]


def test_expiry_too_soon() -> None:
    """When 84 blocks pass on the first hop, the last HTLC would expire at once."""
    block_ms = 600_000.0
    engine = make_engine(hop_delay_median_ms=84.5 * block_ms, hop_delay_sigma=0.0)
    harvest = pay(engine, (A, C))
    (event,) = events(harvest, HtlcEventKind.LINK_FAIL)
    assert_link_fail(event, FailureCode.EXPIRY_TOO_SOON, FailureDetail.NO_DETAIL)
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.TIMEOUT]


@pytest.mark.parametrize(("cltv_in", "cltv_out"), [(802_100, 802_017), (804_000, 801_000)])
def test_expiry_too_far(cltv_in: int, cltv_out: int) -> None:
    """Beyond 2,016 blocks from now, or between the two HTLCs. No search by our senders goes there."""
    graph = build_graph(3, LINE)
    own = build_own_channels(graph, 483)
    own.spendable_msat[:] = AMOUNT
    code, detail = _forwarding.check_forward(
        own, make_enforced(graph.policies), A_TO_B, B_TO_C, AMOUNT + FEE, AMOUNT, cltv_in, cltv_out, 800_000
    )
    assert (code, detail) == (FailureCode.EXPIRY_TOO_FAR, FailureDetail.NO_DETAIL)


def test_other_channel_to_the_same_peer_serves() -> None:
    """Non-strict forwarding: what is asked for is too small, its twin carries the payment."""
    engine = make_engine([*LINE, (B, C, 1_000_000)])
    engine._world.own.active[1] = False
    harvest = pay(engine, (A, C))
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert harvest.routes.tolist() == [A_TO_B, 4]


def test_gossip_arrives_after_its_delay() -> None:
    """Until then senders pay the old fee and fail; from then on they pay the new one at the first attempt."""
    engine = make_engine()
    policy = replace(plain_policy(), base_fee_msat=Msat(2_000))
    engine.set_policy(B_TO_C, policy, spread_ns=30 * 10**9)
    engine.run_until(29 * 10**9)
    edge = engine._world.gossip.position[B_TO_C]
    assert engine._world.gossip.edges["base_fee_msat"][edge] == 1_000
    engine.run_until(30 * 10**9)
    assert engine._world.gossip.edges["base_fee_msat"][edge] == 2_000
    harvest = pay(engine, (A, C))
    assert attempts(harvest) == [(FailureCode.NONE, 0)]
    assert harvest.payments.fee_msat.tolist() == [FEE + 1_000]
