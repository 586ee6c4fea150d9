"""A served node: who it is, what it has written down, and who listens to it."""

import coincurve

from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.server.htlcs import HtlcRow, final_event, htlc_event
from lightninglens.nodes.lnd.server.hub import Hub, PaymentNews
from lightninglens.nodes.lnd.server.ledger import ChannelBook, Forward, ForwardLog, PendingHtlc
from lightninglens.nodes.paying.payments import PaymentBook
from lightninglens.routing.state import Estimator

WALLET_SAT = 10 * 100_000_000
"""What a simulated node has on the chain at the start; the simulator has no chain, so only openings change it."""


class ServedNode:
    """One node that answers as LND."""

    def __init__(self, row: int, node_id: NodeId, alias: str, secret: bytes, estimator: Estimator) -> None:
        """Take a node's row and its key.

        Raises:
            ValueError: the secret is not that of the node id.
        """
        self.row = row
        self.node_id = node_id
        self.alias = alias
        self.key = coincurve.PrivateKey(secret)
        if self.key.public_key.format().hex() != node_id:
            raise ValueError(f"the key of node {alias or node_id} does not belong to it")
        self.secret = secret
        self.estimator = estimator
        """How its searches judge hops; `SetMissionControlConfig` changes it."""
        self.forwards = ForwardLog()
        self.channels: dict[int, ChannelBook] = {}
        """By row of the graph."""
        self.payments = PaymentBook()
        self.wallet_sat = WALLET_SAT
        self.transactions: list[lnrpc.Transaction] = []
        """On the chain, oldest first."""
        self.initial_peer_sat: dict[int, int] = {}
        """By channel row: what the side that did not open it had at the start."""
        self.htlc_hub: Hub[bytes] = Hub()
        self.channel_hub: Hub[bytes] = Hub()
        self.invoice_hub: Hub[tuple[bytes, bytes]] = Hub()
        """Payment hash and invoice."""
        self.graph_hub: Hub[bytes] = Hub()
        self.payment_hub: Hub[PaymentNews] = Hub()
        self.transaction_hub: Hub[bytes] = Hub()

    def hubs(self) -> tuple[Hub[bytes] | Hub[tuple[bytes, bytes]] | Hub[PaymentNews], ...]:
        """Return everything that can be listened to."""
        return (
            self.htlc_hub,
            self.channel_hub,
            self.invoice_hub,
            self.graph_hub,
            self.payment_hub,
            self.transaction_hub,
        )

    def record_transaction(self, transaction: lnrpc.Transaction) -> None:
        """Write a transaction down and tell those who listen."""
        self.transactions.append(transaction)
        self.transaction_hub.publish(transaction.SerializeToString())

    def book(self, channel: int) -> ChannelBook:
        """Return what has gone over a channel."""
        return self.channels.setdefault(channel, ChannelBook())

    def on_htlc(self, row: HtlcRow, incoming: ChannelId, outgoing: ChannelId, timestamp_ns: int) -> None:
        """Write one of the node's HTLC events down and tell those who listen."""
        self._enter(row, incoming, outgoing)
        if row.is_settle and row.is_forward:
            self.forwards.append(
                Forward(
                    timestamp_ns=timestamp_ns,
                    incoming=incoming,
                    outgoing=outgoing,
                    incoming_msat=row.incoming_msat,
                    outgoing_msat=row.outgoing_msat,
                    incoming_htlc_id=row.incoming_htlc_id,
                    outgoing_htlc_id=row.outgoing_htlc_id,
                )
            )
        if not self.htlc_hub.is_heard:
            return
        self.htlc_hub.publish(htlc_event(row, incoming, outgoing, timestamp_ns).SerializeToString())
        final = final_event(row, incoming, timestamp_ns)
        if final is not None:
            self.htlc_hub.publish(final.SerializeToString())

    def _enter(self, row: HtlcRow, incoming: ChannelId, outgoing: ChannelId) -> None:
        """Keep the books of the channels that an event touches."""
        if row.is_add:
            if row.incoming_direction >= 0:
                self.book(row.incoming_direction // 2).add(
                    PendingHtlc(
                        is_incoming=True,
                        amount_msat=row.incoming_msat,
                        expiry_height=row.incoming_timelock,
                        htlc_id=row.incoming_htlc_id,
                        other_channel=outgoing,
                        other_htlc_id=row.outgoing_htlc_id,
                    )
                )
            self.book(row.outgoing_direction // 2).add(
                PendingHtlc(
                    is_incoming=False,
                    amount_msat=row.outgoing_msat,
                    expiry_height=row.outgoing_timelock,
                    htlc_id=row.outgoing_htlc_id,
                    other_channel=incoming,
                    other_htlc_id=row.incoming_htlc_id,
                )
            )
            return
        settled = row.is_settle
        if row.incoming_direction >= 0:
            book = self.book(row.incoming_direction // 2)
            book.resolve(row.incoming_htlc_id, row.incoming_msat, incoming=True, settled=settled)
        if row.outgoing_direction >= 0 and row.was_added:
            book = self.book(row.outgoing_direction // 2)
            book.resolve(row.outgoing_htlc_id, row.outgoing_msat, incoming=False, settled=settled)

    def sent_and_received_sat(self, channel: int) -> tuple[int, int]:
        """Return what has gone out and come in over a channel, in whole sat."""
        book = self.book(channel)
        return book.sent_msat // MSAT_PER_SAT, book.received_msat // MSAT_PER_SAT
