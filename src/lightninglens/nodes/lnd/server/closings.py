"""Channels that end: those that served nodes close, and how LND tells of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lightninglens.core.ids import ChannelId
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.server.channel_points import channel_point, internal, point_message, transaction_id
from lightninglens.nodes.lnd.server.node import ServedNode
from lightninglens.sim.engine import Engine

_Kind = lnrpc.ChannelCloseSummary
GENESIS_HASH = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
"""Of regtest."""


@dataclass(slots=True, kw_only=True)
class _Closing:
    closer: int
    force: bool
    balances_sat: dict[int, int]
    """What each end gets, by its row."""
    height: int = 0
    seen_by: set[int] = field(default_factory=set)


class Closings:
    """Channels of served nodes that are being closed or are gone."""

    def __init__(self) -> None:
        self._closings: dict[int, _Closing] = {}

    def begin(self, channel: int, closer: int, *, force: bool, balances_sat: dict[int, int]) -> None:
        """Note that a node has begun to close a channel."""
        self._closings[channel] = _Closing(closer=closer, force=force, balances_sat=balances_sat)

    def pending(self, engine: Engine, node: ServedNode) -> list[tuple[int, bool]]:
        """Return a node's channels that are being closed, and whether by force."""
        mine = set(node.initial_peer_sat)
        return [
            (channel, closing.force)
            for channel, closing in self._closings.items()
            if channel in mine and not engine.is_closed(channel)
        ]

    def balance_sat(self, channel: int, row: int) -> int:
        """Return what a node gets out of a channel that is being closed."""
        return self.outputs_sat(channel).get(row, 0)

    def outputs_sat(self, channel: int) -> Mapping[int, int]:
        """Return what each end gets out of a channel that is being closed, by its row."""
        return self._closings[channel].balances_sat

    def done(self, engine: Engine, nodes: Mapping[int, ServedNode]) -> Iterator[tuple[int, ServedNode]]:
        """Yield each channel that is gone now with each served node that had it, once."""
        for channel, closing in self._closings.items():
            if not engine.is_closed(channel):
                continue
            closing.height = closing.height or engine.block_height
            ends = (int(engine.graph.node1[channel]), int(engine.graph.node2[channel]))
            for end in ends:
                if end in nodes and end not in closing.seen_by:
                    closing.seen_by.add(end)
                    nodes[end].wallet_sat += closing.balances_sat.get(end, 0)
                    yield channel, nodes[end]

    def closed(self, engine: Engine, node: ServedNode) -> list[int]:
        """Return a node's channels that are gone."""
        return [channel for channel in self._closings if channel in node.initial_peer_sat and engine.is_closed(channel)]

    def summary(self, engine: Engine, channel: int, node: ServedNode) -> lnrpc.ChannelCloseSummary:
        """Return how a channel that is gone ended, as a node tells it."""
        closing, graph = self._closings[channel], engine.graph
        channel_id = graph.channel_id(channel)
        ends = (int(graph.node1[channel]), int(graph.node2[channel]))
        peer = ends[0] if ends[1] == node.row else ends[1]
        local = lnrpc.INITIATOR_LOCAL
        remote = lnrpc.INITIATOR_REMOTE
        kind = _Kind.COOPERATIVE_CLOSE
        if closing.force:
            kind = _Kind.LOCAL_FORCE_CLOSE if closing.closer == node.row else _Kind.REMOTE_FORCE_CLOSE
        return lnrpc.ChannelCloseSummary(
            channel_point=channel_point(channel_id),
            chan_id=channel_id,
            chain_hash=GENESIS_HASH,
            closing_tx_hash=closing_txid(channel_id),
            remote_pubkey=graph.node_ids[peer],
            capacity=int(graph.capacity_sat[channel]),
            close_height=closing.height,
            settled_balance=closing.balances_sat.get(node.row, 0),
            close_type=kind,
            open_initiator=local if ends[engine.opener_side(channel)] == node.row else remote,
            close_initiator=local if closing.closer == node.row else remote,
        )


def closing_transaction(
    summary: lnrpc.ChannelCloseSummary, outputs_sat: Mapping[int, int], row: int, time_s: int
) -> lnrpc.Transaction:
    """Return a closing transaction as the wallet of the node in `row` shows it; `outputs_sat` by node.

    The wallet does not own what it spends, so it shows no fee (`minedTransactionsToDetails`).
    """
    paid = [(end, amount_sat) for end, amount_sat in sorted(outputs_sat.items()) if amount_sat]
    return lnrpc.Transaction(
        tx_hash=summary.closing_tx_hash,
        amount=outputs_sat.get(row, 0),
        block_height=summary.close_height,
        time_stamp=time_s,
        label=f"0:closechannel:shortchanid-{summary.chan_id}",
        output_details=[
            lnrpc.OutputDetail(output_index=index, amount=amount_sat, is_our_address=end == row)
            for index, (end, amount_sat) in enumerate(paid)
        ],
    )


def closing_txid(channel_id: ChannelId) -> str:
    """Return the id of the transaction that closes a channel."""
    return transaction_id(f"closing/{int(channel_id)}")


def activity(channel_id: ChannelId, *, active: bool) -> bytes:
    """Return the event that a channel can be used, or cannot, serialised."""
    event = lnrpc.ChannelEventUpdate
    point = point_message(channel_id)
    if active:
        return event(active_channel=point, type=event.ACTIVE_CHANNEL).SerializeToString()
    return event(inactive_channel=point, type=event.INACTIVE_CHANNEL).SerializeToString()


def closed_update(summary: lnrpc.ChannelCloseSummary) -> lnrpc.ChannelEventUpdate:
    """Return the event that a channel is gone."""
    event = lnrpc.ChannelEventUpdate
    return event(closed_channel=summary, type=event.CLOSED_CHANNEL)


def pending_update(channel_id: ChannelId) -> lnrpc.PendingUpdate:
    """Return the transaction that closes a channel, as the stream of a closing tells of it first."""
    return lnrpc.PendingUpdate(txid=internal(closing_txid(channel_id)))
