"""Circular self-payments on an LND node: `core.ports.Rebalancer`.

The macaroon of this role can send money, so the code is narrower than it: what
is paid is an invoice that this class has just made at its own node, out over one
of the node's channels and back by the peer of another, with a fee limit. Callers
write down what they ask for before they ask.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lightninglens.core.bolt11 import InvoiceError, SignedInvoice, decode
from lightninglens.core.clock import Clock
from lightninglens.core.errors import NodeError, NodeRefused
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.payments import PaymentState
from lightninglens.core.records import RebalanceChange, RebalanceOutcome
from lightninglens.core.units import Msat
from lightninglens.nodes.lnd.client.outgoing import send_and_follow
from lightninglens.nodes.lnd.client.place import LndOptions
from lightninglens.nodes.lnd.client.reader import own_channels
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import Session, connected
from lightninglens.nodes.lnd.contract import invoicesrpc, lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Invoices, Lightning

MEMO = "LightningLens rebalance"
ATTEMPTS_S = 60
"""No new attempt is made after this."""
EXPIRY_S = 600


class LndRebalancer:
    """Moves one LND node's own money from one of its channels to another."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def at(cls, options: LndOptions, clock: Clock | None = None) -> AsyncIterator["LndRebalancer"]:
        """Connect for rebalancing; raises as `session.connected` does."""
        async with connected(Role.REBALANCE, options, clock) as session:
            yield cls(session)

    async def rebalance(self, change: RebalanceChange) -> RebalanceOutcome:
        """Carry out one circular self-payment and return when it is final.

        Raises:
            NodeRefused: it is no circle over two channels of this node, or the
                node would not begin it; nothing was sent.
            NodeUnavailable: the node cannot be reached or is not synced; or it is
                unknown how it ended, and then it may still move money.
        """
        last_hop = await self._checked(change)
        await self._session.require_synced()
        invoice = await self._own_invoice(change)
        request = circular_payment(change, invoice, last_hop)
        try:
            state = await send_and_follow(self._session, request, invoice.payment_hash)
        except NodeRefused:
            await self._withdraw(invoice)
            raise
        if state.outcome is not HtlcOutcome.SUCCEEDED:
            await self._withdraw(invoice)
        return _outcome(state)

    async def _checked(self, change: RebalanceChange) -> NodeId:
        """Return the peer by whom it comes back; raises NodeRefused for what is no circle of this node."""
        own = self._session.node_id
        if change.node_id != own:
            raise NodeRefused(f"the change is for node {change.node_id[:12]}, not for {own[:12]}")
        peers = {said.chan_id: said.remote_pubkey for said in await own_channels(self._session)}
        outgoing = _peer(peers, change.outgoing_channel_id)
        incoming = _peer(peers, change.incoming_channel_id)
        if outgoing == incoming:
            raise NodeRefused("out and back over channels with the same peer moves nothing")
        return incoming

    async def _own_invoice(self, change: RebalanceChange) -> SignedInvoice:
        """Return a new invoice of our own node, read by ourselves; raises NodeRefused when it is not exactly that."""
        request = lnrpc.Invoice(memo=MEMO, value_msat=change.amount_msat, expiry=EXPIRY_S)
        said = await self._session.call(Lightning.AddInvoice, request)
        try:
            invoice = decode(said.payment_request)
        except InvoiceError as problem:
            raise NodeRefused(f"the node made an invoice that cannot be read ({problem}); nothing was sent") from None
        if (invoice.payee, invoice.amount_msat, invoice.payment_hash) != (
            self._session.node_id,
            change.amount_msat,
            said.r_hash,
        ):
            raise NodeRefused(
                "the invoice that came back is not the node's own, or of another amount; nothing was sent"
            )
        return invoice

    async def _withdraw(self, invoice: SignedInvoice) -> None:
        """Cancel an invoice that was not paid, so that nobody else can; a node that cannot lets it expire."""
        with contextlib.suppress(NodeError):
            request = invoicesrpc.CancelInvoiceMsg(payment_hash=invoice.payment_hash)
            await self._session.call(Invoices.CancelInvoice, request)


def circular_payment(change: RebalanceChange, invoice: SignedInvoice, last_hop: NodeId) -> routerrpc.SendPaymentRequest:
    """Return the one payment that a rebalancer sends: every field that makes it a circle is set."""
    return routerrpc.SendPaymentRequest(
        payment_request=invoice.text,
        outgoing_chan_ids=[change.outgoing_channel_id],
        last_hop_pubkey=bytes.fromhex(last_hop),
        allow_self_payment=True,
        fee_limit_msat=change.max_fee_msat,
        timeout_seconds=ATTEMPTS_S,
        max_parts=1,
        no_inflight_updates=True,
    )


def _peer(peers: dict[int, str], channel_id: ChannelId) -> NodeId:
    if channel_id not in peers:
        raise NodeRefused(f"the node has no channel {channel_id}")
    return NodeId(peers[channel_id])


def _outcome(state: PaymentState) -> RebalanceOutcome:
    succeeded = state.outcome is HtlcOutcome.SUCCEEDED
    last = state.attempts[-1] if state.attempts else None
    return RebalanceOutcome(
        succeeded=succeeded,
        moved_msat=Msat(state.amount_msat if succeeded else 0),
        fee_msat=state.fee_msat,
        attempts=len(state.attempts),
        hops=len(last.route.steps) if last and succeeded else 0,
        detail=state.detail,
    )
