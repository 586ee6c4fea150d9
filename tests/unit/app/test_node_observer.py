"""A watched node as it is shown."""

import dataclasses

from tests.support.htlcs import START_NS, Htlcs, P, Q, R, channel

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.app.node.observer import NodeObserver
from lightninglens.core.channels import ChannelState
from lightninglens.core.ids import NodeId
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_SECOND, Sat, UnixNs
from lightninglens.storage.forwards import Batch

INFO = NodeInfo(node_id=NodeId("02" + 64 * "1"), alias="", channel_count=2, block_height=800_000)


def batch(accounting: HtlcAccounting, now_ns: int, channels: tuple[ChannelState, ...] = ()) -> Batch:
    return Batch(changes=accounting.changes(now_ns), next_payment=1, channels=channels)


def test_a_node_stands_in_the_middle_of_its_peers() -> None:
    observer = NodeObserver(INFO, "live", now_ns=START_NS)
    assert [each.channel_count for each in observer.nodes] == [0]
    large = dataclasses.replace(channel(R), capacity_sat=Sat(5_000_000))
    observer.begin([channel(P), channel(Q), large], [])
    centre, *peers = observer.nodes
    assert (centre.name, centre.x, centre.y, centre.channel_count) == ("021111111111", 0.0, 0.0, 3)
    assert (peers[0].node_id, peers[0].x, peers[0].y) == (large.peer_id, 0.0, 1.0)
    network = observer.network()
    assert (network.mode, len(network.channels)) == ("live", 3)
    assert {each.node1_id for each in network.channels} == {INFO.node_id}
    assert observer.channel(str(P)) == network.channels[0]
    assert observer.channel("1x1x1") is None


def test_forwards_are_told_and_counted_and_move_balances() -> None:
    observer, accounting, htlcs = NodeObserver(INFO, "live", now_ns=START_NS), HtlcAccounting(), Htlcs()
    states = (channel(P), channel(Q))
    accounting.channels.see(states, UnixNs(START_NS))
    news = observer.absorb(batch(accounting, START_NS, states), START_NS)
    assert len(news.channels) == 2
    offered, failing = htlcs.offered(10_000_000, 700), htlcs.offered(5_000_000)
    events = [offered, failing, htlcs.settled(offered), htlcs.failed(failing), htlcs.refused(900_000_000)]
    for event in events:
        accounting.take(event)
    news = observer.absorb(batch(accounting, START_NS + NS_PER_SECOND), START_NS + NS_PER_SECOND)
    assert [each.outcome for each in news.payments] == ["SUCCEEDED", "FAILED_DOWNSTREAM", "REFUSED_HERE"]
    assert [each.description for each in news.payments][1:] == ["failed further down", "refused here: liquidity"]
    assert news.payments[2].failure is not None
    assert news.payments[2].failure.channel_id == str(Q)
    assert {each.channel_id: each.node1_local_msat for each in news.channels} == {
        str(Q): 490_000_000,
        str(P): 510_000_700,
    }
    stats = observer.stats
    assert (stats.payments, stats.succeeded, stats.volume_msat, stats.fees_msat) == (3, 1, 10_000_000, 700)
    assert stats.success_rate == 1 / 3
    assert [each.payment_id for each in observer.payments] == [1, 2, 3]


def test_what_was_recorded_earlier_is_shown_and_in_no_total() -> None:
    observer, accounting, htlcs = NodeObserver(INFO, "replay", now_ns=START_NS, speed=60.0), HtlcAccounting(), Htlcs()
    accounting.take(htlcs.refused(900_000_000))
    accounting.take(htlcs.offered(1_000_000))
    attempts = accounting.changes(START_NS).attempts.values()
    shown = observer.begin([], attempts)
    assert [each.outcome for each in shown] == ["REFUSED_HERE"]
    assert shown[0].sender_name == f"channel {P}"
    assert observer.stats.payments == 0
    observer.set_speed(2.0)
    assert observer.stats.speed == 2.0


def test_names_of_what_alerts_are_about() -> None:
    observer = NodeObserver(INFO, "live", now_ns=START_NS)
    observer.begin([dataclasses.replace(channel(P), peer_alias="ACME")], [])
    assert observer.subject_name("channel", str(P)) == f"ACME ({P})"
    assert observer.subject_name("peer", channel(P).peer_id) == "ACME"
    assert observer.subject_name("channel", "1x1x1") == "1x1x1"
    assert observer.subject_name("node", "") == ""
