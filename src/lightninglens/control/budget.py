"""What has been spent on rebalances and how much was moved, and what may yet be: pure functions of the journal."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lightninglens.core.ids import ChannelId
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Changes that moved money, or still may."""

    changes: int
    volume_msat: Msat


def usage_of(
    records: Sequence[JournalRecord],
    *,
    now: UnixNs,
    author: str | None = None,
    channel_id: ChannelId | None = None,
    window_ns: int = NS_PER_DAY,
) -> Usage:
    """Return the changes that succeeded within the window, and all that are under way.

    Of one author and of one channel, where these are given. What was refused or
    failed moved nothing and does not count.
    """
    counted = [
        record
        for record in _latest(records)
        if (author is None or record.author == author)
        and (channel_id is None or channel_id in _channels_of(record.change))
        and (
            record.state in _UNDER_WAY
            or (record.state is JournalState.SUCCEEDED and record.recorded_ns > now - window_ns)
        )
    ]
    return Usage(changes=len(counted), volume_msat=Msat(sum(record.change.amount_msat for record in counted)))


def last_sent_ns(records: Sequence[JournalRecord], channel_id: ChannelId) -> UnixNs | None:
    """Return when money was last sent to rebalance this channel, whether or not it arrived; None: never."""
    return next(
        (
            record.recorded_ns
            for record in reversed(records)
            if record.state is JournalState.SENT and channel_id in _channels_of(record.change)
        ),
        None,
    )


def failures_in_a_row(records: Sequence[JournalRecord], change: RebalanceChange, *, now: UnixNs) -> int:
    """Return how often the same circle was tried in vain since it last succeeded, within 24 hours."""
    failures = 0
    for record in reversed(records):
        if record.recorded_ns <= now - NS_PER_DAY or _channels_of(record.change) != _channels_of(change):
            continue
        if record.state is JournalState.SUCCEEDED:
            break
        failures += record.state is JournalState.FAILED
    return failures


def changes_under_way(records: Sequence[JournalRecord]) -> list[RebalanceChange]:
    """Return the changes whose end is not in the journal: they may still move money."""
    return [record.change for record in _latest(records) if record.state in _UNDER_WAY]


def _latest(records: Sequence[JournalRecord]) -> Collection[JournalRecord]:
    """Return the newest record of each change."""
    return {(record.plan_id, record.change_index): record for record in records}.values()


def _channels_of(change: RebalanceChange) -> tuple[ChannelId, ChannelId]:
    return change.outgoing_channel_id, change.incoming_channel_id
