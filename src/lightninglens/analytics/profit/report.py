"""Profit and loss as tables: per channel, per peer, per pair of channels, per hour of the week."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lightninglens.analytics.profit.analyser import ChannelMetrics, channel_metrics
from lightninglens.analytics.profit.books import Books, ChannelFacts, Tried
from lightninglens.analytics.profit.ledger import Ledger, channel_ledgers, halves, pair_totals, total
from lightninglens.analytics.profit.success import SuccessScore, success_scores
from lightninglens.core.costs import BalanceSum, SettledSum
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR, PPM

HOURS_OF_WEEK = 168
_FIRST_MONDAY = 96
"""Hours from the beginning of 1970, a Thursday, to the first Monday."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a channel, a peer or the node earned, beside the capital that was bound for it."""

    ledger: Ledger
    capacity_sat: int | None
    """None where it is known of no channel."""
    average_local_msat: int | None
    """Our balance, averaged over the hours in which somebody looked; None where nobody did."""
    active_share: float | None
    """Of these hours, how many found the peer there."""
    seen_hours: int
    years: float

    @property
    def utilisation(self) -> float | None:
        """All that was forwarded in and out, by the capacity: how often it turned over in the range."""
        return self.ledger.flow_msat / (self.capacity_sat * MSAT_PER_SAT) if self.capacity_sat else None

    @property
    def return_on_capacity_per_year(self) -> float | None:
        """Net by capacity, for a year; a channel that is younger than the range is understated."""
        return self._per_year(self.capacity_sat * MSAT_PER_SAT if self.capacity_sat else None)

    @property
    def return_on_local_per_year(self) -> float | None:
        """Net by our average balance, for a year."""
        return self._per_year(self.average_local_msat)

    def _per_year(self, capital_msat: int | None) -> float | None:
        return self.ledger.net_msat / capital_msat / self.years if capital_msat else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelProfit:
    """One channel."""

    channel_id: ChannelId
    facts: ChannelFacts
    standing: Standing
    metrics: ChannelMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProfit:
    """All channels with one peer."""

    peer_id: str
    """Empty where nobody ever saw whose channel it was; each such channel is by itself."""
    peer_alias: str
    channel_ids: tuple[ChannelId, ...]
    standing: Standing
    success: SuccessScore | None
    """None where nothing was sent on to it while somebody recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairProfit:
    """What came in by one channel and went out by another."""

    incoming_channel_id: ChannelId
    outgoing_channel_id: ChannelId
    incoming: ChannelFacts
    outgoing: ChannelFacts
    settled: SettledSum

    @property
    def fee_in_half_msat(self) -> int:
        """What the channel in gets where fees are halved."""
        return halves(self.settled.fee_msat)[0]

    @property
    def fee_out_half_msat(self) -> int:
        """What the channel out gets."""
        return halves(self.settled.fee_msat)[1]

    @property
    def earned_ppm(self) -> int | None:
        """Average fee in ppm of what went out, rounded down."""
        return self.settled.fee_msat * PPM // self.settled.amount_msat if self.settled.amount_msat else None


@dataclass(slots=True, kw_only=True)
class HourProfit:
    """One hour of the week, over all weeks of the range."""

    hour_of_week: int
    """0 is Monday from 00:00 to 01:00, UTC."""
    hours: int = 0
    """How many such hours the range has."""
    forwards: int = 0
    forwarded_out_msat: int = 0
    fee_earned_msat: int = 0
    rebalances: int = 0
    rebalanced_msat: int = 0
    rebalance_fee_msat: int = 0


def hour_of_week(hour: int) -> int:
    """Return the hour of the week of an hour since 1970."""
    return (hour - _FIRST_MONDAY) % HOURS_OF_WEEK


def channel_profits(books: Books) -> list[ChannelProfit]:
    """Return every channel that is open or that anything happened at, the most profitable first."""
    balances = {each.channel_id: each for each in books.balances}
    noticed = balances.keys() | books.tried.keys()
    idle, found = Ledger(), []
    for channel_id, ledger in channel_ledgers(books).items():
        facts = books.facts(channel_id)
        if not facts.is_open and ledger == idle and channel_id not in noticed:
            continue
        seen = [balances[channel_id]] if channel_id in balances else []
        found.append(
            ChannelProfit(
                channel_id=channel_id,
                facts=facts,
                standing=_standing(books, [ledger], [facts], seen),
                metrics=channel_metrics(ledger, span_ns=max(books.to_ns - books.from_ns, 1)),
            )
        )
    return sorted(found, key=lambda each: (-each.standing.ledger.net_msat, each.channel_id))


def peer_profits(books: Books) -> list[PeerProfit]:
    """Return every peer, the most profitable first."""
    balances = {each.channel_id: each for each in books.balances}
    groups: defaultdict[str, list[ChannelProfit]] = defaultdict(list)
    for each in channel_profits(books):
        groups[_peer_key(each.channel_id, each.facts)].append(each)
    _, scores = success_scores(_tried_by_peer(books))
    found = [
        PeerProfit(
            peer_id=rows[0].facts.peer_id,
            peer_alias=next((row.facts.peer_alias for row in rows if row.facts.peer_alias), ""),
            channel_ids=tuple(sorted(row.channel_id for row in rows)),
            standing=_standing(
                books,
                [row.standing.ledger for row in rows],
                [row.facts for row in rows],
                [balances[row.channel_id] for row in rows if row.channel_id in balances],
            ),
            success=scores.get(key),
        )
        for key, rows in groups.items()
    ]
    return sorted(found, key=lambda each: (-each.standing.ledger.net_msat, each.peer_id))


def pair_profits(books: Books) -> list[PairProfit]:
    """Return every pair of channels that anything was forwarded between, the greatest fees first."""
    found = [
        PairProfit(
            incoming_channel_id=incoming,
            outgoing_channel_id=outgoing,
            incoming=books.facts(incoming),
            outgoing=books.facts(outgoing),
            settled=settled,
        )
        for (incoming, outgoing), settled in pair_totals(books.settled).items()
    ]
    return sorted(found, key=lambda each: (-each.settled.fee_msat, each.incoming_channel_id, each.outgoing_channel_id))


def hour_profits(books: Books) -> list[HourProfit]:
    """Return the 168 hours of the week, with the forwards and rebalances of all weeks of the range."""
    found = [HourProfit(hour_of_week=each) for each in range(HOURS_OF_WEEK)]
    for hour in range(books.from_ns // NS_PER_HOUR, -(-books.to_ns // NS_PER_HOUR)):
        found[hour_of_week(hour)].hours += 1
    for each in books.hours:
        at = found[hour_of_week(each.hour)]
        at.forwards += each.forwards
        at.forwarded_out_msat += each.amount_msat
        at.fee_earned_msat += each.fee_msat
    for payment in books.self_payments:
        at = found[hour_of_week(payment.settled_ns // NS_PER_HOUR)]
        at.rebalances += 1
        at.rebalanced_msat += payment.amount_msat
        at.rebalance_fee_msat += payment.fee_msat
    return found


def node_standing(books: Books) -> Standing:
    """Return the sums over all channels."""
    rows = channel_profits(books)
    return _standing(books, [row.standing.ledger for row in rows], [row.facts for row in rows], books.balances)


def node_success_rate(books: Books) -> float | None:
    """Return the settled share of all that was sent on; None where nothing was."""
    return success_scores(_tried_by_peer(books))[0]


def _standing(
    books: Books, ledgers: Iterable[Ledger], facts: Iterable[ChannelFacts], seen: Iterable[BalanceSum]
) -> Standing:
    looks = [each for each in seen if each.hours]
    seen_hours = max((each.hours for each in looks), default=0)
    capacities = [each.capacity_sat for each in facts if each.capacity_sat is not None]
    return Standing(
        ledger=total(ledgers),
        capacity_sat=sum(capacities) if capacities else None,
        # Of several channels one that was there for a part of the time bound its capital for that part.
        average_local_msat=sum(each.local_msat_hours for each in looks) // seen_hours if looks else None,
        active_share=sum(each.active_hours for each in looks) / sum(each.hours for each in looks) if looks else None,
        seen_hours=seen_hours,
        years=books.years,
    )


def _tried_by_peer(books: Books) -> Mapping[str, Tried]:
    found: dict[str, Tried] = {}
    for channel_id, each in books.tried.items():
        key = _peer_key(channel_id, books.facts(channel_id))
        before = found.get(key, Tried())
        found[key] = Tried(settled=before.settled + each.settled, failed=before.failed + each.failed)
    return found


def _peer_key(channel_id: ChannelId, facts: ChannelFacts) -> str:
    return facts.peer_id or str(channel_id)
