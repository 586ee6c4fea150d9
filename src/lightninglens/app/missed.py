"""Missed revenue for the command line and the service: a store's records become a report."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightninglens.analytics.missed.columns import Evidence, evidence_from
from lightninglens.analytics.missed.opportunities import OpportunityOptions, find_opportunities
from lightninglens.analytics.missed.report import (
    LiquidityCost,
    MissedReport,
    ReportRow,
    coverage_of,
    own_liquidity_cost,
    row_of,
)
from lightninglens.app.running import NODES_FOLDER
from lightninglens.core.channels import ChannelState
from lightninglens.core.errors import DataError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, Ppm
from lightninglens.storage.forwards import FORWARDS_FILE, ForwardStore

COST_HISTORY_NS = 90 * NS_PER_DAY
"""What rebalances have cost is of this time."""
MAX_REPORT_BYTES = 64 * 1024 * 1024
MAX_ROWS = 100_000


def node_folder(data_dir: Path, node_id: NodeId) -> Path:
    """Return where what was recorded of a node is kept."""
    return data_dir / NODES_FOLDER / node_id[:20]


def forwards_file(data_dir: Path, node_id: NodeId) -> Path:
    """Return the database of what a node was asked to forward."""
    return node_folder(data_dir, node_id) / FORWARDS_FILE


def analyse(
    store: ForwardStore,
    channels: Sequence[ChannelState],
    *,
    now_ns: int,
    hours: float,
    options: OpportunityOptions,
    liquidity_cost_ppm: Ppm | None = None,
) -> MissedReport:
    """Return what was missed in the last hours; raises DataError when the records cannot be read.

    The window begins with a whole hour, since sums are kept by the hour. Where what
    liquidity costs is not given, it is what the node's own rebalances have cost.
    """
    from_ns = int(now_ns - hours * NS_PER_HOUR) // NS_PER_HOUR * NS_PER_HOUR
    until_ns = now_ns + 1
    evidence = evidence_between(store, from_ns, until_ns, channels)
    coverage = coverage_of(
        store.covered(since_ns=from_ns, until_ns=until_ns),
        store.gaps(since_ns=from_ns, until_ns=until_ns),
        from_ns=from_ns,
        to_ns=now_ns,
    )
    by_id: dict[ChannelId, ChannelState] = {each.channel_id: each for each in channels}
    cost = _liquidity_cost(store, liquidity_cost_ppm, now_ns)
    chosen = replace(options, liquidity_cost_ppm=cost.cost_ppm)
    found = find_opportunities(evidence, by_id, observed_hours=coverage.hours, options=chosen)
    return MissedReport(
        made_ns=now_ns,
        window_hours=hours,
        coverage=coverage,
        opportunities=tuple(found),
        channels=len(by_id),
        liquidity_cost=cost,
    )


def _liquidity_cost(store: ForwardStore, given_ppm: Ppm | None, now_ns: int) -> LiquidityCost:
    if given_ppm is not None:
        return LiquidityCost(cost_ppm=given_ppm, rebalances=0)
    return own_liquidity_cost(store.costs.self_payments(since_ns=now_ns - COST_HISTORY_NS, until_ns=now_ns + 1))


def evidence_between(
    store: ForwardStore, from_ns: int, until_ns: int, channels: Sequence[ChannelState] = ()
) -> Evidence:
    """Return what an analysis of a time takes; raises DataError when the records cannot be read."""
    recorded = store.recorded(since_ns=from_ns, until_ns=until_ns)
    recorded.peers.update({each.channel_id: str(each.peer_id) for each in channels})
    return evidence_from(recorded)


def read_report(path: Path) -> tuple[dict[str, Any], list[ReportRow]]:
    """Return a report from a file of ours or of the documents' program, its head and its lines; raises DataError."""
    where = str(path)
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            raise DataError("a report is not that long", where=where)
        plain = json.loads(path.read_bytes())
    except OSError as problem:
        raise DataError(problem.strerror or str(problem), where=where) from None
    except (ValueError, RecursionError) as problem:
        raise DataError(f"not readable as JSON: {problem}", where=where) from None
    if not isinstance(plain, dict) or not isinstance(plain.get("opportunities"), list):
        raise DataError("no report: it has no list of opportunities, as `lens analyze --output` writes", where=where)
    rows = []
    for place, each in enumerate(plain["opportunities"][:MAX_ROWS]):
        try:
            rows.append(row_of(each))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise DataError(f"opportunity {place + 1}: {type(problem).__name__}: {problem}", where=where) from None
    head = {key: value for key, value in plain.items() if key != "opportunities"}
    return head, rows
