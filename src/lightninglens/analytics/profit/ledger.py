"""What each channel earned and cost in a range of time: sums in whole msat that add up to the node's own.

A fee is earned twice over only if one is careless: attributed to the channel that
it went out by (as LND and most tools do), or halved between the two (as faraday
does). Both are here, under names of their own, and each adds up by itself.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields

from lightninglens.analytics.profit.books import Books
from lightninglens.core.costs import CostKind, SettledSum
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import PPM, Msat

Pair = tuple[ChannelId, ChannelId]
"""The channel in, the channel out."""


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Sums over one channel, or over several."""

    forwards_in: int = 0
    forwards_out: int = 0
    forwarded_in_msat: int = 0
    """What came in to be forwarded, with our fee."""
    forwarded_out_msat: int = 0
    fee_earned_msat: int = 0
    """Fees of what went out over it; negative where inbound discounts were greater."""
    fee_sourced_msat: int = 0
    """Fees of what came in by it. Never to be added to the fees earned: each forward is in both."""
    fee_split_msat: int = 0
    """Half of the fees of what went out over it and half of those of what came in by it."""
    rebalances_in: int = 0
    rebalances_out: int = 0
    rebalanced_in_msat: int = 0
    rebalanced_out_msat: int = 0
    """With the fees, which left over it too."""
    rebalance_fee_msat: int = 0
    """Fees of the rebalances that brought liquidity here: the target bears them."""
    liquidity_given_msat: int = 0
    """What the liquidity that rebalances took from here would have earned here, at the average of the range."""
    liquidity_taken_msat: int = 0
    """The same from the other side: what the liquidity that came here would have earned where it was taken from."""
    open_cost_msat: int = 0
    close_cost_msat: int = 0
    costs_unknown: int = 0
    """Openings and closings of which not all is known."""

    @property
    def on_chain_cost_msat(self) -> Msat:
        """What opening and closing cost, as far as it is known."""
        return Msat(self.open_cost_msat + self.close_cost_msat)

    @property
    def net_msat(self) -> Msat:
        """Fees earned, less rebalancing, less the chain."""
        return Msat(self.fee_earned_msat - self.rebalance_fee_msat - self.on_chain_cost_msat)

    @property
    def net_split_msat(self) -> Msat:
        """The same with fees halved between the channel in and the channel out."""
        return Msat(self.fee_split_msat - self.rebalance_fee_msat - self.on_chain_cost_msat)

    @property
    def net_after_liquidity_msat(self) -> Msat:
        """The net if the target of a rebalance paid its source for what that gives up; over all channels the same."""
        return Msat(self.net_msat + self.liquidity_given_msat - self.liquidity_taken_msat)

    @property
    def flow_msat(self) -> Msat:
        """All that was forwarded in and out."""
        return Msat(self.forwarded_in_msat + self.forwarded_out_msat)

    @property
    def earned_ppm(self) -> int | None:
        """Average fee of what went out, in ppm, rounded down; None where nothing did."""
        return self.fee_earned_msat * PPM // self.forwarded_out_msat if self.forwarded_out_msat else None

    def add(self, other: "Ledger") -> None:
        """Take in the sums of another."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def total(ledgers: Iterable[Ledger]) -> Ledger:
    """Return the sums of all."""
    found = Ledger()
    for each in ledgers:
        found.add(each)
    return found


def pair_totals(settled: Iterable[SettledSum]) -> dict[Pair, SettledSum]:
    """Return forwards summed over the whole range, by pair of channels."""
    found: dict[Pair, SettledSum] = {}
    for each in settled:
        pair = (each.incoming_channel_id, each.outgoing_channel_id)
        before = found.get(pair, SettledSum(0, *pair, 0, 0, 0))
        found[pair] = SettledSum(
            0,
            *pair,
            before.forwards + each.forwards,
            before.amount_msat + each.amount_msat,
            before.fee_msat + each.fee_msat,
        )
    return found


def halves(fee_msat: int) -> tuple[int, int]:
    """Return a fee as what the channel in and what the channel out get: the odd msat goes to the one out."""
    return fee_msat // 2, fee_msat - fee_msat // 2


def channel_ledgers(books: Books) -> dict[ChannelId, Ledger]:
    """Return the sums of every channel that is known."""
    found: defaultdict[ChannelId, Ledger] = defaultdict(Ledger)
    for channel_id in books.channel_ids():
        found[channel_id] = Ledger()
    for (incoming, outgoing), each in pair_totals(books.settled).items():
        half_in, half_out = halves(each.fee_msat)
        source, sink = found[incoming], found[outgoing]
        source.forwards_in += each.forwards
        source.forwarded_in_msat += each.amount_msat + each.fee_msat
        source.fee_sourced_msat += each.fee_msat
        source.fee_split_msat += half_in
        sink.forwards_out += each.forwards
        sink.forwarded_out_msat += each.amount_msat
        sink.fee_earned_msat += each.fee_msat
        sink.fee_split_msat += half_out
    _add_rebalances(books, found)
    for cost in books.on_chain:
        ledger = found[cost.channel_id]
        ledger.costs_unknown += bool(cost.unknown)
        if cost.kind is CostKind.OPEN:
            ledger.open_cost_msat += cost.fee_msat or 0
        else:
            ledger.close_cost_msat += cost.fee_msat or 0
    return dict(found)


def _add_rebalances(books: Books, found: dict[ChannelId, Ledger]) -> None:
    moved: defaultdict[Pair, int] = defaultdict(int)
    for each in books.self_payments:
        source, target = found[each.outgoing_channel_id], found[each.incoming_channel_id]
        source.rebalances_out += 1
        source.rebalanced_out_msat += each.amount_msat + each.fee_msat
        target.rebalances_in += 1
        target.rebalanced_in_msat += each.amount_msat
        target.rebalance_fee_msat += each.fee_msat
        moved[each.outgoing_channel_id, each.incoming_channel_id] += each.amount_msat
    for (source_id, target_id), amount_msat in moved.items():
        given_msat = forgone_msat(found[source_id], amount_msat)
        found[source_id].liquidity_given_msat += given_msat
        found[target_id].liquidity_taken_msat += given_msat


def forgone_msat(source: Ledger, amount_msat: int) -> Msat:
    """Return what an amount would have earned by leaving over a channel as forwards do: nothing where none did."""
    if source.forwarded_out_msat <= 0:
        return Msat(0)
    return Msat(max(source.fee_earned_msat, 0) * amount_msat // source.forwarded_out_msat)
