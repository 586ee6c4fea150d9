"""Channels open and close while payments are under way."""

import numpy as np
import pytest
from tests.reference.networks import plain_policy
from tests.unit.sim.test_failures import A_TO_B, AMOUNT, B_TO_C, FEE, A, B, C, attempts, events, make_engine, pay

from lightninglens.core.errors import InvariantError
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcOutcome
from lightninglens.core.ids import ChannelId
from lightninglens.sim._forwarding import BLOCK_NS
from lightninglens.sim.engine import Engine
from lightninglens.sim.opening import NewChannel

pytestmark = pytest.mark.kernel

SECOND_NS = 10**9
SOME_HOPS_NS = 400 * 10**6
"""Long enough for an HTLC to be with B, and not yet with C."""


def new_channel(opener: int, peer: int, capacity_sat: int = 2_000_000, push_sat: int = 0) -> NewChannel:
    """Return a channel with plain policies."""
    return NewChannel(
        channel_id=ChannelId.of(900_000, 1, 0),
        opener=opener,
        peer=peer,
        capacity_sat=capacity_sat,
        push_sat=push_sat,
        opener_policy=plain_policy(),
        peer_policy=plain_policy(),
    )


def totals(engine: Engine) -> tuple[int, int, int]:
    """Return (in balances, in flight, per node)."""
    return (
        int(engine.balances_msat().sum()),
        int(engine.pending_msat().sum()),
        int(engine._world.network.node_msat.sum()),
    )


@pytest.mark.parametrize("delay_ms", [0.0, 1_000.0], ids=["at-once", "delayed"])
def test_an_opened_channel_serves_its_ends_first_and_others_when_announced(delay_ms: float) -> None:
    """C opens to D: C itself sends over it now, A after six blocks and what gossip takes."""
    engine = make_engine([(A, B, 1_000_000), (B, C, 1_000_000)], nodes=4, gossip_delay_median_ms=delay_ms)
    row = engine.open_channel(new_channel(C, 3))
    assert pay(engine, (C, 3), within_ns=10 * SECOND_NS).payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert pay(engine, (A, 3), within_ns=10 * SECOND_NS).payments.outcome.tolist() == [HtlcOutcome.NO_ROUTE]
    engine.run_until(6 * BLOCK_NS - SECOND_NS)
    assert engine.gossip().policy(ChannelId.of(900_000, 1, 0), engine.graph.node_ids[C]) is None
    engine.run_until(6 * BLOCK_NS + 60 * SECOND_NS)
    harvest = pay(engine, (A, 3))
    assert harvest.routes.tolist() == [A_TO_B, B_TO_C, 2 * row]
    assert engine.gossip().policy(ChannelId.of(900_000, 1, 0), engine.graph.node_ids[C]) == plain_policy()


def test_the_lesser_key_is_node1_whoever_opens() -> None:
    """The pushed amount is with the peer; the opener pays the fee."""
    engine = make_engine(nodes=3)
    row = engine.open_channel(new_channel(C, A, 100_000, push_sat=30_000))
    assert (engine.graph.node1[row], engine.graph.node2[row]) == (A, C)
    assert engine.balances_msat()[2 * row :].tolist() == [30_000_000, 70_000_000]
    assert engine._world.network.opener_side[row] == 1
    assert engine.conservation_drift_msat() == 0


def test_impossible_channels_are_refused() -> None:
    """Nothing changes then."""
    engine = make_engine()
    taken = engine.graph.channel_id(0)
    bad = [
        new_channel(A, A),
        new_channel(A, 7),
        new_channel(A, C, 10, push_sat=11),
        NewChannel(
            **{**{name: getattr(new_channel(A, C), name) for name in NewChannel.__slots__}, "channel_id": taken}
        ),
    ]
    for channel in bad:
        with pytest.raises(InvariantError):
            engine.open_channel(channel)
    assert engine.graph.channel_count == 2


def test_a_quiet_channel_closes_at_once() -> None:
    """Its money is gone, its node does not list it, and who asks for it hears that there is no such peer."""
    engine = make_engine()
    before = totals(engine)
    engine.close_channel(B_TO_C // 2)
    assert engine.is_closed(1)
    assert totals(engine)[0] == totals(engine)[2] == before[0] - 1_000_000_000
    assert engine.directions_of(B) == [1]
    assert engine.local_msat()[2:].tolist() == [0, 0]
    assert engine.commit_fees_sat()[1] == 0
    assert pay(engine, (A, C)).payments.outcome.tolist() == [HtlcOutcome.NO_ROUTE]
    assert list(engine.gossip().channels_of(engine.graph.node_ids[C])) == []
    with pytest.raises(InvariantError, match="closed already"):
        engine.close_channel(1)
    with pytest.raises(InvariantError, match="is closed"):
        engine.set_policy(B_TO_C, plain_policy())


def test_a_closing_channel_waits_for_what_is_in_flight() -> None:
    """The HTLC settles, then the channel is gone; a new one is refused."""
    engine = make_engine()
    pay(engine, (A, C), within_ns=SOME_HOPS_NS)
    engine.close_channel(A_TO_B // 2)
    assert not engine.is_closed(0)
    harvest = pay(engine, (A, C))
    assert sorted(harvest.payments.outcome.tolist()) == [HtlcOutcome.SUCCEEDED, HtlcOutcome.INSUFFICIENT_BALANCE]
    assert engine.is_closed(0)
    assert totals(engine)[:2] == (1_000_000_000, 0)


def test_a_payment_on_its_way_to_a_closed_channel_fails() -> None:
    """LND does not know the channel any more."""
    engine = make_engine()
    pay(engine, (A, C), within_ns=10 * 10**6)
    engine.close_channel(B_TO_C // 2)
    engine.run_until(60 * SECOND_NS)
    harvest = engine.harvest()
    assert attempts(harvest) == [(FailureCode.UNKNOWN_NEXT_PEER, FailureDetail.NO_DETAIL)]
    assert totals(engine)[:2] == (1_000_000_000, 0)


def test_a_payment_on_its_way_to_a_channel_that_is_being_closed_meets_a_link_that_takes_nothing_new() -> None:
    """As long as another HTLC keeps the link; by force there is no link, and nothing to say of it."""
    for force, detail in ((False, FailureDetail.LINK_NOT_ELIGIBLE), (True, FailureDetail.NO_DETAIL)):
        engine = make_engine()
        pay(engine, (A, C), within_ns=200 * 10**6)
        pay(engine, (B, C), within_ns=10 * 10**6)
        engine.close_channel(B_TO_C // 2, force=force)
        engine.run_until(60 * SECOND_NS)
        failed = [each for each in attempts(engine.harvest()) if each[0] != FailureCode.NONE]
        assert failed == [(FailureCode.UNKNOWN_NEXT_PEER, detail)]


@pytest.mark.parametrize("hop", [0, 1])
def test_by_force_what_is_not_settled_times_out_on_the_chain(hop: int) -> None:
    """The node before the channel fails its HTLC with PERMANENT_CHANNEL_FAILURE, a day later."""
    engine = make_engine(observe=A)
    pay(engine, (A, C), within_ns=10 * 10**6 if hop == 0 else SOME_HOPS_NS)
    if hop == 1:
        assert engine.pending_htlcs().tolist() == [1, 1]
    engine.close_channel(hop, force=True)
    assert not engine.is_closed(hop)
    engine.run_until(143 * BLOCK_NS)
    assert engine.in_flight == 1
    engine.run_until(145 * BLOCK_NS)
    harvest = engine.harvest()
    assert attempts(harvest) == [(FailureCode.PERMANENT_CHANNEL_FAILURE, FailureDetail.ON_CHAIN_TIMEOUT)]
    assert harvest.attempts["failed_index"].tolist() == [hop]
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.TIMEOUT]
    assert len(events(harvest, HtlcEventKind.FORWARD_FAIL)) == 1
    assert engine.is_closed(hop)
    assert totals(engine)[:2] == (1_000_000_000, 0)
    assert engine.conservation_drift_msat() == 0


def test_by_force_what_is_settled_is_settled() -> None:
    """The preimage is worth as much on the chain."""
    engine = make_engine()
    pay(engine, (A, C), within_ns=SOME_HOPS_NS)
    engine.close_channel(0)
    engine.close_channel(0, force=True)
    engine.run_until(60 * SECOND_NS)
    harvest = engine.harvest()
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert engine.balances_msat().tolist() == [0, 0, 900_000_000 - AMOUNT, 100_000_000 + AMOUNT]
    assert harvest.payments.fee_msat.tolist() == [FEE]
    assert np.all(engine._world.own.pending_htlcs == 0)
