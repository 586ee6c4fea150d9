"""What channels and liquidity cost an LND node, from its payments, its wallet's transactions and its closed channels.

Source: LND `rpcserver.go` (ListPayments, GetTransactions, ClosedChannels); `lnwallet/btcwallet/btcwallet.go`
(minedTransactionsToDetails: a fee is known only where all inputs are the wallet's own).
"""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

from lightninglens.core.channels import Opener
from lightninglens.core.costs import CostKind, OnChainCost, SelfPayment
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.node import ClosedChannel, Closure
from lightninglens.core.units import NS_PER_SECOND, Msat, UnixNs, to_msat
from lightninglens.nodes.lnd.client.records import closed_channel
from lightninglens.nodes.lnd.client.session import GRAPH_TIMEOUT_S, Session
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning

PAGE_PAYMENTS = 200
"""LND goes back over failed payments too until a page is full, so a small one ends sooner."""
BLOCK_NS = 600 * NS_PER_SECOND

_NOT_THE_WALLETS = "it was paid from outside of the node's wallet"
_NO_CLOSING_SEEN = "the node's wallet does not know what the closing transaction paid"
_SWEEPS = "what it cost to sweep our outputs after the force close"
_OPENER = "who opened the channel, and so paid its closing"
_NEVER_ON_CHAIN = frozenset({Closure.FUNDING_CANCELED, Closure.ABANDONED})


async def self_payments(
    session: Session, *, since_ns: int = 0, page_size: int = PAGE_PAYMENTS
) -> AsyncGenerator[tuple[SelfPayment, ...], None]:
    """Yield the parts of payments to our own key that succeeded, the newest page first.

    Read backwards from the newest, as that takes no longer the more payments a node has made.
    """
    offset = 0
    while True:
        said = await session.call(
            Lightning.ListPayments,
            lnrpc.ListPaymentsRequest(max_payments=page_size, index_offset=offset, reversed=True),
            timeout_s=GRAPH_TIMEOUT_S,
        )
        if not said.payments:
            return
        wanted = [each for each in said.payments if _created_ns(each) >= since_ns]
        yield tuple(part for each in wanted for part in parts_to_oneself(each, session.node_id))
        offset = said.first_index_offset
        if len(wanted) < len(said.payments) or offset <= 1:
            return


def parts_to_oneself(said: lnrpc.Payment, own: NodeId) -> Iterator[SelfPayment]:
    """Yield the parts of a payment that settled at our own key: none where the destination is another's."""
    if said.status != lnrpc.Payment.SUCCEEDED:
        return
    for attempt in said.htlcs:
        hops = attempt.route.hops
        if attempt.status != lnrpc.HTLCAttempt.SUCCEEDED or not hops or hops[-1].pub_key != own:
            continue
        yield SelfPayment(
            payment_hash=said.payment_hash,
            part=attempt.attempt_id,  # its place in the list changes once LND forgets failed attempts
            settled_ns=UnixNs(attempt.resolve_time_ns or _created_ns(said)),
            outgoing_channel_id=ChannelId(hops[0].chan_id),
            incoming_channel_id=ChannelId(hops[-1].chan_id),
            amount_msat=Msat(hops[-1].amt_to_forward_msat),
            fee_msat=Msat(attempt.route.total_fees_msat),
        )


def _created_ns(said: lnrpc.Payment) -> int:
    return said.creation_time_ns or said.creation_date * NS_PER_SECOND


async def on_chain_costs(
    session: Session, channels: Sequence[lnrpc.Channel], *, since_height: int = 0
) -> tuple[OnChainCost, ...]:
    """Return what we paid for channels that opened or closed in a block from `since_height` on."""
    said = await session.call(
        Lightning.GetTransactions,
        lnrpc.GetTransactionsRequest(start_height=since_height, end_height=-1),
        timeout_s=GRAPH_TIMEOUT_S,
    )
    closed = (await session.call(Lightning.ClosedChannels, lnrpc.ClosedChannelsRequest())).channels
    info = await session.info()
    # A transaction without a block may still be replaced by one of another fee.
    transactions = {each.tx_hash: each for each in said.transactions if each.block_height > 0}
    known = Known(transactions, info.block_height, session.clock.now_ns())
    return (*opening_costs(channels, closed, known, since_height), *closing_costs(closed, known, since_height))


class Known:
    """The wallet's confirmed transactions by their ids, and which block it is now."""

    def __init__(self, transactions: Mapping[str, lnrpc.Transaction], height: int, now_ns: int) -> None:
        self._transactions = transactions
        self._height = height
        self._now_ns = now_ns

    def transaction(self, txid: str) -> lnrpc.Transaction | None:
        """Return a transaction; None where the wallet has nothing to do with it."""
        return self._transactions.get(txid)

    def time_ns(self, txid: str, height: int) -> UnixNs:
        """Return when a transaction was confirmed; ten minutes for each block since where only its block is known."""
        found = self.transaction(txid)
        if found is not None and found.time_stamp:
            return UnixNs(found.time_stamp * NS_PER_SECOND)
        return UnixNs(max(self._now_ns - max(self._height - height, 0) * BLOCK_NS, 0))


def opening_costs(
    channels: Sequence[lnrpc.Channel],
    closed: Sequence[lnrpc.ChannelCloseSummary],
    known: Known,
    since_height: int,
) -> Iterator[OnChainCost]:
    """Yield what funding the channels that we opened cost; of a transaction for several, each has an equal share."""
    # Of a funding that was given up no transaction need ever have been confirmed.
    given_up = {lnrpc.ChannelCloseSummary.FUNDING_CANCELED, lnrpc.ChannelCloseSummary.ABANDONED}
    opened = [
        (each.channel_point, ChannelId(each.chan_id), NodeId(each.remote_pubkey)) for each in channels if each.initiator
    ] + [
        (each.channel_point, ChannelId(each.chan_id), NodeId(each.remote_pubkey))
        for each in closed
        if each.open_initiator == lnrpc.INITIATOR_LOCAL and each.close_type not in given_up
    ]
    together = Counter(_txid(point) for point, _, _ in opened)
    placed: Counter[str] = Counter()
    for point, channel_id, peer_id in sorted(opened):
        txid = _txid(point)
        transaction, place = known.transaction(txid), placed[txid]
        placed[txid] += 1
        height = transaction.block_height if transaction else channel_id.block
        if height < since_height:
            continue
        fee_msat = to_msat(transaction.total_fees) if transaction else 0
        count = together[txid]
        yield OnChainCost(
            kind=CostKind.OPEN,
            channel_id=channel_id,
            channel_point=point,
            peer_id=peer_id,
            transaction_id=txid,
            at_ns=known.time_ns(txid, height),
            fee_msat=Msat(fee_msat // count + (place < fee_msat % count)) if fee_msat else None,
            unknown="" if fee_msat else _NOT_THE_WALLETS,
        )


def closing_costs(
    closed: Sequence[lnrpc.ChannelCloseSummary], known: Known, since_height: int
) -> Iterator[OnChainCost]:
    """Yield the fees of closing transactions that we paid for: the opener does (BOLT 2, BOLT 3)."""
    for said in closed:
        channel = closed_channel(said)
        if said.close_height < since_height or channel.closure in _NEVER_ON_CHAIN:
            continue
        paid_msat = _paid_msat(said, known.transaction(said.closing_tx_hash))
        fee_msat, unknown = _closing_fee(channel, paid_msat)
        if fee_msat is None and not unknown:
            continue
        yield OnChainCost(
            kind=CostKind.CLOSE,
            channel_id=channel.channel_id,
            channel_point=channel.channel_point,
            peer_id=channel.peer_id,
            transaction_id=said.closing_tx_hash,
            at_ns=known.time_ns(said.closing_tx_hash, said.close_height),
            fee_msat=fee_msat,
            unknown=unknown,
        )


def _closing_fee(channel: ClosedChannel, paid_msat: Msat | None) -> tuple[Msat | None, str]:
    """Return what we paid, and what is not known of it; neither where another paid all."""
    forced = channel.closure is not Closure.COOPERATIVE
    swept = _SWEEPS if forced and channel.settled_sat else ""
    match channel.opener:
        case Opener.REMOTE:
            return None, swept
        case Opener.LOCAL if paid_msat is None:
            return None, f"{_NO_CLOSING_SEEN}; {swept}" if swept else _NO_CLOSING_SEEN
        case Opener.LOCAL:
            return paid_msat, swept
        case _:
            return None, _OPENER


def _paid_msat(said: lnrpc.ChannelCloseSummary, transaction: lnrpc.Transaction | None) -> Msat | None:
    """Return the fee of a closing transaction: it spends the funding output and nothing else."""
    if transaction is None or not transaction.output_details:
        return None  # LND before 0.15 tells no outputs
    paid_sat = said.capacity - sum(output.amount for output in transaction.output_details)
    return to_msat(paid_sat) if paid_sat >= 0 else None


def _txid(channel_point: str) -> str:
    return channel_point.partition(":")[0]
