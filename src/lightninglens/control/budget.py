"""What has been spent on rebalances, and what may yet be: a pure function of the journal."""

from collections.abc import Collection, Sequence

from lightninglens.core.records import JournalRecord, JournalState, RebalanceChange
from lightninglens.core.units import NS_PER_DAY, Msat, UnixNs

_UNDER_WAY = frozenset({JournalState.PLANNED, JournalState.SENT})


def budget_used_msat(
    records: Sequence[JournalRecord], *, author: str, now: UnixNs, window_ns: int = NS_PER_DAY
) -> Msat:
    """Return the fees an author paid within the window, and all that is still held back for changes under way.

    A change holds its greatest possible fee from PLANNED until it succeeds or
    fails, however long that takes: a payment that seems lost may still settle,
    so a timeout frees nothing.
    """
    used_msat = 0
    for record in _latest(records):
        if record.author != author:
            continue
        if record.state in _UNDER_WAY:
            used_msat += record.reserved_msat
        elif record.state is JournalState.SUCCEEDED and record.recorded_ns > now - window_ns:
            used_msat += record.fee_msat
    return Msat(used_msat)


def changes_under_way(records: Sequence[JournalRecord]) -> list[RebalanceChange]:
    """Return the changes whose end is not in the journal: they may still move money."""
    return [record.change for record in _latest(records) if record.state in _UNDER_WAY]


def _latest(records: Sequence[JournalRecord]) -> Collection[JournalRecord]:
    """Return the newest record of each change."""
    return {(record.plan_id, record.change_index): record for record in records}.values()
