"""Profit and loss for the command line and the service: a store's records become a report, and the report JSON."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from lightninglens.analytics.missed.report import Coverage, coverage_of
from lightninglens.analytics.profit.books import Books, ChannelFacts, Tried, tried_of
from lightninglens.analytics.profit.ledger import Ledger
from lightninglens.analytics.profit.report import (
    ChannelProfit,
    HourProfit,
    PairProfit,
    PeerProfit,
    Standing,
    channel_profits,
    hour_profits,
    node_standing,
    node_success_rate,
    pair_profits,
    peer_profits,
)
from lightninglens.analytics.profit.success import SuccessScore
from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import Clock
from lightninglens.core.errors import LensError
from lightninglens.core.ids import ChannelId
from lightninglens.core.ports import NodeReader
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MS
from lightninglens.operate.costs import CostReading
from lightninglens.storage.forwards import ForwardStore
from lightninglens.storage.lock import DataDirectoryLock

FORMAT = "lightninglens/profit/1"
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class By(StrEnum):
    """What a row of a report is about."""

    CHANNEL = "channel"
    PEER = "peer"
    PAIR = "pair"
    HOUR = "hour"


Row = ChannelProfit | PeerProfit | PairProfit | HourProfit


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitReport:
    """What channels earned and cost in a range of time."""

    made_ns: int
    from_ns: int
    to_ns: int
    by: By
    coverage: Coverage
    """How much of the range was recorded as it happened; success rates rest on that, and nothing else does."""
    forwards_known_until_ns: int
    """0 where the node's book was never read, as in the next field: then figures are missing, not zero."""
    self_payments_known_until_ns: int
    node: Standing
    success_rate: float | None
    """Of all that was sent on; None where nothing was, or rows are not by peer."""
    rows: tuple[Row, ...]


def profit_report(
    store: ForwardStore,
    channels: Sequence[ChannelState],
    *,
    now_ns: int,
    days: float,
    by: By = By.CHANNEL,
    until_ns: int | None = None,
) -> ProfitReport:
    """Return what was earned in the days before a time (None: now); raises DataError when records cannot be read.

    `channels` are those that are open now. The range begins with a whole hour, since
    forwards are summed by the hour.
    """
    end_ns = now_ns + 1 if until_ns is None else until_ns
    from_ns = max(int(end_ns - days * NS_PER_DAY) // NS_PER_HOUR * NS_PER_HOUR, 0)
    tried = _tried(store, from_ns, end_ns) if by is By.PEER else {}
    books = _books(store, _facts(store, channels), tried, from_ns, end_ns)
    read = store.costs.read_until()
    return ProfitReport(
        made_ns=now_ns,
        from_ns=from_ns,
        to_ns=end_ns,
        by=by,
        coverage=coverage_of(
            store.covered(since_ns=from_ns, until_ns=end_ns),
            store.gaps(since_ns=from_ns, until_ns=end_ns),
            from_ns=from_ns,
            to_ns=end_ns,
        ),
        forwards_known_until_ns=read.settled_ns,
        self_payments_known_until_ns=read.self_payments_ns,
        node=node_standing(books),
        success_rate=node_success_rate(books),
        rows=tuple(_TABLES[by](books)),
    )


async def fill_in(store: ForwardStore, reader: NodeReader, folder: Path, clock: Clock) -> str:
    """Read the node's own books up to now, and return what could not be read.

    A recorder does the same every five minutes, so while one runs nothing is done here.
    """
    reading = CostReading(reader, store.costs, clock)
    with contextlib.suppress(LensError), DataDirectoryLock(folder):
        await reading.read()
    return reading.problem


_TABLES: Mapping[By, Callable[[Books], Sequence[Row]]] = {
    By.CHANNEL: channel_profits,
    By.PEER: peer_profits,
    By.PAIR: pair_profits,
    By.HOUR: hour_profits,
}


def _books(
    store: ForwardStore,
    channels: Mapping[ChannelId, ChannelFacts],
    tried: Mapping[ChannelId, Tried],
    since_ns: int,
    until_ns: int,
) -> Books:
    costs = store.costs
    return Books(
        from_ns=since_ns,
        to_ns=until_ns,
        settled=tuple(costs.settled(since_ns=since_ns, until_ns=until_ns)),
        hours=tuple(costs.settled_by_hour(since_ns=since_ns, until_ns=until_ns)),
        self_payments=tuple(costs.self_payments(since_ns=since_ns, until_ns=until_ns)),
        on_chain=tuple(costs.on_chain(since_ns=since_ns, until_ns=until_ns)),
        balances=tuple(costs.balances(since_ns=since_ns, until_ns=until_ns)),
        tried=tried,
        channels=channels,
    )


def _tried(store: ForwardStore, since_ns: int, until_ns: int) -> dict[ChannelId, Tried]:
    """Return what became of what our node sent on, which no book of the node's tells: from what was recorded."""
    return tried_of(store.recorded(since_ns=since_ns, until_ns=until_ns).sums)


def _facts(store: ForwardStore, channels: Sequence[ChannelState]) -> dict[ChannelId, ChannelFacts]:
    """Return what every channel is that the node has or had: the newest that is known of it."""
    found = {
        each.channel_id: ChannelFacts(peer_id=str(each.peer_id), capacity_sat=each.capacity_sat)
        for each in store.costs.closed_channels()
    }
    open_now = {each.channel_id for each in channels}
    for each in (*(state for _, state in store.channels()), *channels):
        found[each.channel_id] = ChannelFacts(
            peer_id=str(each.peer_id),
            peer_alias=each.peer_alias,
            capacity_sat=each.capacity_sat,
            is_open=each.channel_id in open_now,
        )
    return found


def to_plain(report: ProfitReport) -> dict[str, Any]:
    """Return a report as JSON: units in the names, ids as texts, null where something is not known."""
    return {
        "format": FORMAT,
        "by": report.by.value,
        "made_ms": report.made_ns // NS_PER_MS,
        "from_ms": report.from_ns // NS_PER_MS,
        "to_ms": report.to_ns // NS_PER_MS,
        "recorded_share": round(report.coverage.share, 4),
        "forwards_known_until_ms": report.forwards_known_until_ns // NS_PER_MS,
        "self_payments_known_until_ms": report.self_payments_known_until_ns // NS_PER_MS,
        "node": {**_standing_plain(report.node), "success_rate": _rounded(report.success_rate)},
        "rows": [_row_plain(each) for each in report.rows],
    }


def _row_plain(row: Row) -> dict[str, Any]:
    match row:
        case ChannelProfit():
            return _channel_plain(row)
        case PeerProfit():
            return _peer_plain(row)
        case PairProfit():
            return _pair_plain(row)
        case HourProfit():
            return _hour_plain(row)


def _channel_plain(row: ChannelProfit) -> dict[str, Any]:
    metrics = row.metrics
    return {
        "channel_id": str(row.channel_id),
        "peer_id": row.facts.peer_id or None,
        "peer_alias": row.facts.peer_alias,
        "is_open": row.facts.is_open,
        **_standing_plain(row.standing),
        "analysis": {
            "category": metrics.category.value,
            "overall_score": round(metrics.overall_score, 2),
            "profitability_score": round(metrics.profitability_score, 2),
            "activity_score": round(metrics.activity_score, 2),
            "efficiency_score": round(metrics.efficiency_score, 2),
            "monthly_flow_msat": metrics.monthly_flow_msat,
            "flow_direction": metrics.flow_direction,
            "flow_imbalance": round(metrics.flow_imbalance, 4),
            "monthly_earnings_msat": metrics.monthly_earnings_msat,
            "earnings_per_million": round(metrics.earnings_per_million, 3),
            "rebalance_costs_msat": metrics.rebalance_costs_msat,
            "net_profit_msat": metrics.net_profit_msat,
            "roi": _rounded(metrics.roi),
        },
    }


def _peer_plain(row: PeerProfit) -> dict[str, Any]:
    return {
        "peer_id": row.peer_id or None,
        "peer_alias": row.peer_alias,
        "channel_ids": [str(each) for each in row.channel_ids],
        **_standing_plain(row.standing),
        "success": _success_plain(row.success),
    }


def _success_plain(success: SuccessScore | None) -> dict[str, Any]:
    if success is None:
        return {
            "settled_payments": 0,
            "failed_payments": 0,
            "rate": None,
            "lower": None,
            "upper": None,
            "score": None,
        }
    return {
        "settled_payments": success.settled,
        "failed_payments": success.failed,
        "rate": round(success.rate, 4),
        "lower": round(success.lower, 4),
        "upper": round(success.upper, 4),
        "score": round(success.score, 2),
    }


def _pair_plain(row: PairProfit) -> dict[str, Any]:
    return {
        "incoming_channel_id": str(row.incoming_channel_id),
        "outgoing_channel_id": str(row.outgoing_channel_id),
        "incoming_peer_id": row.incoming.peer_id or None,
        "incoming_peer_alias": row.incoming.peer_alias,
        "outgoing_peer_id": row.outgoing.peer_id or None,
        "outgoing_peer_alias": row.outgoing.peer_alias,
        "forwards": row.settled.forwards,
        "forwarded_out_msat": row.settled.amount_msat,
        "fee_earned_msat": row.settled.fee_msat,
        "fee_in_half_msat": row.fee_in_half_msat,
        "fee_out_half_msat": row.fee_out_half_msat,
        "earned_ppm": row.earned_ppm,
    }


def _hour_plain(row: HourProfit) -> dict[str, Any]:
    return {
        "day": _DAYS[row.hour_of_week // 24],
        "hour": row.hour_of_week % 24,
        **{each.name: getattr(row, each.name) for each in fields(row)},
    }


def _standing_plain(standing: Standing) -> dict[str, Any]:
    ledger = standing.ledger
    return {
        "capacity_sat": standing.capacity_sat,
        "average_local_msat": standing.average_local_msat,
        "active_share": _rounded(standing.active_share),
        "seen_hours": standing.seen_hours,
        **{each.name: getattr(ledger, each.name) for each in fields(Ledger)},
        "on_chain_cost_msat": ledger.on_chain_cost_msat,
        "net_msat": ledger.net_msat,
        "net_split_msat": ledger.net_split_msat,
        "net_after_liquidity_msat": ledger.net_after_liquidity_msat,
        "earned_ppm": ledger.earned_ppm,
        "utilisation": _rounded(standing.utilisation),
        "return_on_capacity_per_year": _rounded(standing.return_on_capacity_per_year),
        "return_on_local_per_year": _rounded(standing.return_on_local_per_year),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
