"""Trying rules on the past: how often each would have fired, and when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from lightninglens.app.alerts.series import Reading, RuleSet, SeriesRule
from lightninglens.core.units import NS_PER_HOUR, NS_PER_MS
from lightninglens.storage.readings import ReadingStore
from lightninglens.storage.recorded import RecordedHistory

HELD_MS = 31 * 60_000
"""A reading holds until the next one, but no longer: where nothing changes one is written each half hour."""
_HOUR_MS = NS_PER_HOUR // NS_PER_MS
_MS_PER_MIN = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when until when an alert would have been raised."""

    subject: str
    from_ms: int
    to_ms: int | None
    """None where it would still be."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one rule would have done."""

    rule: str
    condition: str
    readings: int
    from_ms: int | None
    """When the first reading was taken; None where the series has no history."""
    fired: int
    spans: list[Span]

    @property
    def verdict(self) -> str:
        """It in words."""
        if self.from_ms is None:
            return "cannot be tried: nothing of this series is recorded in this time"
        return f"would have fired {'once' if self.fired == 1 else f'{self.fired:,} times'}"


def try_rule(rule: SeriesRule, readings: Sequence[Reading]) -> Trial:
    """Return what a rule would have done on readings, oldest first."""
    spans: list[Span] = []
    by_subject = sorted(readings, key=lambda each: (each.subject, each.at_ms))
    for subject, mine in groupby(by_subject, key=lambda each: each.subject):
        rules, opened = RuleSet([rule]), None
        for reading in _held(list(mine)):
            for firing in rules.take(reading):
                if firing.raised:
                    opened = Span(subject=subject, from_ms=firing.at_ms, to_ms=None, value=firing.value)
                elif opened is not None:
                    spans.append(Span(subject=subject, from_ms=opened.from_ms, to_ms=firing.at_ms, value=opened.value))
                    opened = None
        if opened is not None:
            spans.append(opened)
    return Trial(
        rule=rule.name,
        condition=rule.condition,
        readings=len(readings),
        from_ms=min((each.at_ms for each in readings), default=None),
        fired=len(spans),
        spans=sorted(spans, key=lambda each: (each.from_ms, each.subject)),
    )


def try_rules(
    rules: Sequence[SeriesRule],
    readings: ReadingStore | None,
    forwards: RecordedHistory,
    *,
    since_ms: int,
    until_ms: int,
) -> list[Trial]:
    """Return what rules would have done in a time; each series is read once, however many rules are about it."""
    known = {
        series: history(series, readings, forwards, since_ms=since_ms, until_ms=until_ms)
        for series in {each.series for each in rules}
    }
    return [try_rule(each, known[each.series]) for each in rules]


def _held(readings: Sequence[Reading]) -> Iterator[Reading]:
    """Yield readings, and each once more at the end of the time for which it holds."""
    for place, each in enumerate(readings):
        yield each
        ends_ms = each.at_ms + HELD_MS
        if place + 1 < len(readings):
            ends_ms = min(ends_ms, readings[place + 1].at_ms - 1)
            if ends_ms > each.at_ms:
                yield Reading(series=each.series, subject=each.subject, at_ms=ends_ms, value=each.value)


def history(
    series: str, readings: ReadingStore | None, forwards: RecordedHistory, *, since_ms: int, until_ms: int
) -> list[Reading]:
    """Return what is known of a series in a time, oldest first.

    Before readings were kept, balances of each hour and gaps tell what they can.
    """
    stored = [] if readings is None else readings.of_series(series, since_ms=since_ms, until_ms=until_ms)
    found = [Reading(series=series, subject=each.subject, at_ms=each.at_ms, value=each.value) for each in stored]
    first_ms = found[0].at_ms if found else until_ms
    match series:
        case "local_share":
            earlier = _shares(forwards, since_ms, first_ms)
        case "peer_offline":
            earlier = _offline(forwards, since_ms, first_ms)
        case "stream_gap":
            earlier = _gaps(forwards, since_ms, first_ms)
        case _:
            earlier = iter(())
    return [*earlier, *found]


def _shares(forwards: RecordedHistory, since_ms: int, until_ms: int) -> Iterator[Reading]:
    rows = forwards.hourly_balances(since_ms // _HOUR_MS, until_ms // _HOUR_MS)
    for hour, channel_id, local_msat, remote_msat, _active in rows:
        total_msat = local_msat + remote_msat
        share = local_msat / total_msat if total_msat else 0.0
        yield from _twice("local_share", str(channel_id), hour, share)


def _offline(forwards: RecordedHistory, since_ms: int, until_ms: int) -> Iterator[Reading]:
    """Yield for how long each peer was away, to the hour."""
    peers = forwards.peers()
    rows = forwards.hourly_balances(since_ms // _HOUR_MS, until_ms // _HOUR_MS)
    gone_since: dict[str, int] = {}
    for hour, of_hour in groupby(rows, key=lambda row: row[0]):
        there: dict[str, bool] = {}
        for _, channel_id, _, _, active in of_hour:
            peer = peers.get(channel_id, str(channel_id))
            there[peer] = there.get(peer, False) or active
        for peer, is_there in sorted(there.items()):
            if is_there:
                gone_since.pop(peer, None)
            else:
                gone_since.setdefault(peer, hour)
            away_min = 0.0 if is_there else float((hour - gone_since[peer] + 1) * 60)
            yield from _twice("peer_offline", peer, hour, away_min)


def _gaps(forwards: RecordedHistory, since_ms: int, until_ms: int) -> Iterator[Reading]:
    gaps = forwards.gaps(since_ns=since_ms * NS_PER_MS, until_ns=until_ms * NS_PER_MS)
    last_ms = since_ms
    for gap in gaps:
        to_ms = gap.to_ns // NS_PER_MS
        lasted_min = (gap.to_ns - gap.from_ns) / NS_PER_MS / _MS_PER_MIN
        yield Reading(series="stream_gap", subject="", at_ms=max(to_ms, last_ms), value=min(lasted_min, 60.0))
        last_ms = max(to_ms, last_ms) + HELD_MS
        yield Reading(series="stream_gap", subject="", at_ms=last_ms, value=0.0)


def _twice(series: str, subject: str, hour: int, value: float) -> Iterator[Reading]:
    """Yield a value at the beginning and in the middle of its hour, so that it holds for all of it."""
    for half in (0, _HOUR_MS // 2):
        yield Reading(series=series, subject=subject, at_ms=hour * _HOUR_MS + half, value=value)
