"""What has been spent on rebalances, and what may yet be: a pure function of the journal."""

from collections.abc import Sequence

from lightninglens.core.records import JournalRecord, JournalState
from lightninglens.core.units import NS_PER_DAY, Msat, UnixNs


def budget_used_msat(
    records: Sequence[JournalRecord], *, author: str, now: UnixNs, window_ns: int = NS_PER_DAY
) -> Msat:
    """Return the fees an author paid within the window, and all that is still held back for changes under way.

    A change holds its greatest possible fee from PLANNED until it succeeds or
    fails, however long that takes: a payment that seems lost may still settle,
    so a timeout frees nothing.
    """
    latest: dict[tuple[str, int], JournalRecord] = {}
    for record in records:
        if record.author == author:
            latest[record.plan_id, record.change_index] = record
    used_msat = 0
    for record in latest.values():
        if record.state in {JournalState.PLANNED, JournalState.SENT}:
            used_msat += record.reserved_msat
        elif record.state is JournalState.SUCCEEDED and record.recorded_ns > now - window_ns:
            used_msat += record.fee_msat
    return Msat(used_msat)
