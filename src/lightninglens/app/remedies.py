"""What remedies brought, from what was recorded before and after them."""

from collections.abc import Iterable
from typing import Any

from lightninglens.analytics.missed.remedies import days_of, effect_of, newest_first
from lightninglens.analytics.missed.report import coverage_of
from lightninglens.app.missed import evidence_between
from lightninglens.core.remedies import Remedy, RemedyEffect
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MS
from lightninglens.storage.forwards import ForwardStore

FORMAT = "lightninglens/effects/1"


def effects_of(store: ForwardStore, remedies: Iterable[Remedy], *, now_ns: int) -> list[RemedyEffect]:
    """Return what each remedy brought, newest first; those of the last hours are too young to tell.

    Raises DataError when the records cannot be read.
    """
    found = []
    for remedy in remedies:
        days = days_of(remedy, now_ns)
        if days is not None:
            found.append(_effect(store, remedy, days))
    return newest_first(found)


def _effect(store: ForwardStore, remedy: Remedy, days: float) -> RemedyEffect:
    """Return one effect, of whole hours: the hour in which the remedy was taken is part of neither time."""
    hours = max(int(days * NS_PER_DAY) // NS_PER_HOUR - 1, 1)
    at_ns = remedy.at_ns // NS_PER_HOUR * NS_PER_HOUR
    before = (at_ns - hours * NS_PER_HOUR, at_ns)
    after = (at_ns + NS_PER_HOUR, at_ns + (hours + 1) * NS_PER_HOUR)
    return effect_of(
        remedy,
        evidence_between(store, *before),
        evidence_between(store, *after),
        days=hours * NS_PER_HOUR / NS_PER_DAY,
        seen_before=_seen(store, *before),
        seen_after=_seen(store, *after),
    )


def _seen(store: ForwardStore, from_ns: int, to_ns: int) -> float:
    return coverage_of(store.covered(since_ns=from_ns, until_ns=to_ns), (), from_ns=from_ns, to_ns=to_ns).share


def to_plain(effects: Iterable[RemedyEffect], young: Iterable[Remedy], *, made_ns: int) -> dict[str, Any]:
    """Return effects as JSON, and the remedies that are too young to tell."""
    return {
        "format": FORMAT,
        "made_ms": made_ns // NS_PER_MS,
        "effects": [_effect_plain(each) for each in effects],
        "too_young": [_remedy_plain(each) for each in young],
    }


def _remedy_plain(remedy: Remedy) -> dict[str, Any]:
    return {
        "at_ms": remedy.at_ns // NS_PER_MS,
        "channel_id": str(remedy.channel_id),
        "peer_id": str(remedy.peer_id),
        "kind": remedy.kind.value,
        "before": remedy.before,
        "after": remedy.after,
        "cost_msat": remedy.cost_msat,
        "expected_msat_per_day": remedy.expected_msat_per_day,
    }


def _effect_plain(effect: RemedyEffect) -> dict[str, Any]:
    return {
        **_remedy_plain(effect.remedy),
        "days": round(effect.days, 3),
        "seen_before": round(effect.seen_before, 4),
        "seen_after": round(effect.seen_after, 4),
        "earned_before_msat_per_day": round(effect.earned_before_msat),
        "earned_after_msat_per_day": round(effect.earned_after_msat),
        "change_msat_per_day": round(effect.change_msat),
        "lower_msat_per_day": round(effect.lower_msat),
        "upper_msat_per_day": round(effect.upper_msat),
        "refused_before_per_day": round(effect.refused_before, 2),
        "refused_after_per_day": round(effect.refused_after, 2),
        "missed_before_msat_per_day": round(effect.missed_before_msat),
        "missed_after_msat_per_day": round(effect.missed_after_msat),
        "others_before_msat_per_day": round(effect.others_before_msat),
        "others_after_msat_per_day": round(effect.others_after_msat),
    }
