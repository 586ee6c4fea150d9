"""A recorded history happens again: recorded anew it comes to the same."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.htlcs import START_NS, Htlcs, P, Q, R, channel

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.core.attempts import AttemptChanges, AttemptState, FailureCause
from lightninglens.core.clock import PacedClock
from lightninglens.core.errors import DataError, NodeRefused
from lightninglens.core.forwards import Forward, Gap, GapReason
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent
from lightninglens.core.ids import NodeId
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND, Msat, UnixNs
from lightninglens.nodes.replay import BLOCK_HEIGHT, ReplayNode, events_of
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore
from lightninglens.storage.recorded import RecordedHistory, read_node, write_node

INFO = NodeInfo(node_id=NodeId("02" + 64 * "1"), alias="mine", channel_count=2, block_height=800_000)


def accounting() -> HtlcAccounting:
    found = HtlcAccounting()
    found.channels.see([channel(P), channel(Q), channel(R)], UnixNs(START_NS), block_height=BLOCK_HEIGHT)
    return found


def counted(items: list[HtlcEvent | Gap]) -> AttemptChanges:
    """Return what an accounting makes of events, once all is over."""
    found = accounting()
    for item in items:
        found.take(item)
    return found.changes(START_NS + NS_PER_DAY)


REFUSALS = {
    FailureCause.LIQUIDITY: (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.INSUFFICIENT_BALANCE),
    FailureCause.FEE: (FailureCode.FEE_INSUFFICIENT, FailureDetail.NO_DETAIL),
    FailureCause.BELOW_MINIMUM: (FailureCode.AMOUNT_BELOW_MINIMUM, FailureDetail.NO_DETAIL),
    FailureCause.EXPIRY: (FailureCode.EXPIRY_TOO_SOON, FailureDetail.NO_DETAIL),
    FailureCause.PEER_OFFLINE: (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.LINK_NOT_ELIGIBLE),
    FailureCause.UNCLEAR: (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.UNKNOWN),
}


@st.composite
def streams(draw: st.DrawFn) -> list[HtlcEvent | Gap]:
    """Return the events of some forwards one after the other, refusals of all kinds among them."""
    htlcs = Htlcs()
    items: list[HtlcEvent | Gap] = []
    for _ in range(draw(st.integers(1, 12))):
        htlcs.later(draw(st.integers(1, 600)))
        amount_msat = draw(st.integers(481_000_000, 900_000_000))
        incoming, outgoing = draw(st.permutations([P, Q, R]))[:2]
        kind = draw(st.sampled_from(["settle", "fail", "refuse", "fly"]))
        if kind == "refuse":
            failure = REFUSALS[draw(st.sampled_from(list(REFUSALS)))]
            items.append(htlcs.refused(amount_msat, failure=failure, incoming=incoming, outgoing=outgoing))
            continue
        offered = htlcs.offered(amount_msat, incoming=incoming, outgoing=outgoing)
        items.append(offered)
        htlcs.later(draw(st.integers(1, 30)))
        if kind != "fly":
            items.append(htlcs.settled(offered) if kind == "settle" else htlcs.failed(offered))
    return items


@settings(max_examples=60, deadline=None)
@given(streams())
def test_what_is_replayed_is_counted_as_it_was(items: list[HtlcEvent | Gap]) -> None:
    first = counted(items)
    again = counted(list(events_of(first.attempts.values())))
    assert again.attempts == first.attempts
    assert again.payments == first.payments


def test_what_only_the_book_told_comes_with_its_gap_again() -> None:
    htlcs = Htlcs()
    before = htlcs.offered(1_000_000)
    gap_from = htlcs.now_ns + NS_PER_SECOND
    forward = Forward(
        settled_ns=UnixNs(gap_from + 5 * NS_PER_SECOND),
        incoming_channel_id=P,
        outgoing_channel_id=Q,
        incoming_amount_msat=Msat(5_000_100),
        outgoing_amount_msat=Msat(5_000_000),
    )
    gap = Gap(
        from_ns=UnixNs(gap_from),
        to_ns=UnixNs(gap_from + 60 * NS_PER_SECOND),
        reason=GapReason.DISCONNECTED,
        detail="gone",
        forwards=(forward,),
    )
    first = counted([before, gap])
    replayed = list(events_of(first.attempts.values(), [gap]))
    (told,) = [each for each in replayed if isinstance(each, Gap)]
    assert told.forwards is not None
    assert [each.outgoing_amount_msat for each in told.forwards] == [5_000_000]
    assert counted(replayed).attempts == first.attempts


def recorded(path: Path) -> None:
    htlcs, found = Htlcs(), accounting()
    for _ in range(3):
        offered = htlcs.offered(1_000_000)
        found.take(offered)
        htlcs.later(1)
        found.take(htlcs.settled(offered))
        htlcs.later(3_600)
    with ForwardStore(path) as store:
        for hour, local_msat in enumerate((500_000_000, 400_000_000)):
            state = channel(P, local_msat=Msat(local_msat))
            batch = Batch(
                changes=found.changes(START_NS + NS_PER_DAY),
                next_payment=found.next_payment,
                covered=(START_NS, htlcs.now_ns),
                channels=(state,),
                seen_ns=START_NS + hour * NS_PER_HOUR,
            )
            store.write(batch)


@pytest.mark.asyncio
async def test_a_recorded_node_is_read_as_any_other_and_says_when_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / FORWARDS_FILE
    recorded(path)
    with RecordedHistory(path) as history:
        assert history.span() == (START_NS, START_NS + 3 * 3_601 * NS_PER_SECOND)
        clock, over = PacedClock(start_ns=START_NS, speed=100_000), asyncio.Event()
        node = ReplayNode(history, INFO, clock, end_ns=START_NS + 3 * NS_PER_HOUR, on_end=over.set)
        assert (await node.channels())[0].local_msat == 500_000_000
        assert (await node.info()).alias == "mine"
        assert (list(await node.closed_channels()), await node.pending_channels()) == ([], ())
        assert [page async for page in node.self_payments()] == [()]
        assert list(await node.on_chain_costs()) == []
        with pytest.raises(NodeRefused, match="no graph"):
            await node.graph()
        items = [item async for item in node.htlc_events()]
        assert len(items) == 6
        assert over.is_set()
        assert clock.now_ns() >= START_NS + 3 * NS_PER_HOUR
        assert (await node.channels())[0].local_msat == 400_000_000
        pages = [page async for page in node.forwarding_history()]
        assert sum(len(page.forwards) for page in pages) == 3
        until_ns = START_NS + 3_600 * NS_PER_SECOND
        (page,) = [page async for page in node.forwarding_history(since_ns=START_NS, until_ns=until_ns)]
        assert [each.fee_msat for each in page.forwards] == [100]
        assert page.covered_until_ns == until_ns
        (empty,) = [page async for page in node.forwarding_history(until_ns=START_NS)]
        assert empty.forwards == ()


def test_a_history_that_is_not_there_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        RecordedHistory(tmp_path / "nothing.db")
    path = tmp_path / FORWARDS_FILE
    ForwardStore(path).close()
    with RecordedHistory(path) as history:
        assert history.span() is None
        assert list(history.attempts()) == []
        assert history.channels_at(START_NS) == ()


def test_which_node_it_is_of_is_written_beside_it(tmp_path: Path) -> None:
    assert read_node(tmp_path) is None
    write_node(tmp_path, INFO)
    assert read_node(tmp_path) == INFO
    (tmp_path / "node.json").write_text("{}")
    with pytest.raises(DataError, match=r"node\.json"):
        read_node(tmp_path)


def test_a_circuit_that_nobody_saw_end_stays_open() -> None:
    htlcs = Htlcs()
    first = counted([htlcs.offered(1_000_000)])
    (attempt,) = first.attempts.values()
    assert attempt.state is AttemptState.IN_FLIGHT
    assert len(list(events_of([attempt]))) == 1


def test_a_history_is_read_from_a_time_on(tmp_path: Path) -> None:
    path = tmp_path / FORWARDS_FILE
    recorded(path)
    with RecordedHistory(path) as history:
        began = [each.began_ns for each in history.attempts()]
        for place, began_ns in enumerate(began):
            assert [each.began_ns for each in history.attempts(since_ns=began_ns)] == began[place:]
            assert [each.began_ns for each in history.attempts(since_ns=began_ns + 1)] == began[place + 1 :]
        assert [each.began_ns for each in history.attempts(since_ns=1)] == began
