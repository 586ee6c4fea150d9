"""Series that a watched node has, and rules over them: each raises at one limit and clears at another.

Pure. A rule is told readings in the order of their time, live or from a recorded
history, and says what changes: so what it would have done can be tried before it is used.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lightninglens.app.events import Alert
from lightninglens.core.errors import ConfigError

_MS_PER_S = 1_000

Level = Literal["warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What is measured over and over."""

    unit: str
    of: Literal["node", "channel", "peer"]
    text: str


SERIES: Mapping[str, Series] = {
    "missed_revenue": Series(unit="sat", of="node", text="expected missed revenue of the last 24 hours"),
    "channel_missed_revenue": Series(
        unit="sat", of="channel", text="expected missed revenue of a channel in the last 24 hours"
    ),
    "fees_earned": Series(unit="sat", of="node", text="fees earned in the last 24 hours"),
    "refused_share": Series(
        unit="", of="node", text="share of the attempts of the last hour that the node itself refused, 20 at least"
    ),
    "local_share": Series(unit="", of="channel", text="share of a channel's balance on the node's side"),
    "peer_offline": Series(unit="min", of="peer", text="time for which no channel with a peer has been active"),
    "stuck_htlc": Series(unit="min", of="node", text="age of the oldest HTLC that is in flight"),
    "force_closing": Series(unit="", of="node", text="channels that are being closed by force"),
    "backup_behind": Series(
        unit="min", of="node", text="time since the channels changed that the channel backup does not hold"
    ),
    "stream_gap": Series(unit="min", of="node", text="time of the last hour in which events were not seen"),
    "unreachable": Series(unit="min", of="node", text="time since the node last answered"),
    "unwritten": Series(unit="", of="node", text="1 while what is recorded cannot be written, otherwise 0"),
    "disk_free": Series(unit="MB", of="node", text="free space where recordings are kept"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of a series. The subject is a channel's or a peer's id; empty for the node."""

    series: str
    subject: str
    at_ms: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRule:
    """Raise an alert while a series is above, or below, a limit for some time."""

    name: str
    series: str
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    """Where it is over again; None: at the limit itself."""
    for_s: float = 0.0
    """How long it must last, either way."""
    level: Level = "warning"
    subject: str | None = None
    """Only this channel or peer."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises ConfigError."""
        if self.series not in SERIES:
            raise ConfigError(f"rule {self.name!r}: no series {self.series!r}; there are {', '.join(SERIES)}")
        if (self.above is None) == (self.below is None):
            raise ConfigError(f"rule {self.name!r}: give either above or below")
        if self.clear is not None and (
            (self.above is not None and self.clear > self.above) or (self.below is not None and self.clear < self.below)
        ):
            raise ConfigError(f"rule {self.name!r}: clear must be on the quiet side of the limit")

    def is_beyond(self, value: float, *, raised: bool) -> bool:
        """Tell whether a value keeps, or makes, an alert raised."""
        limit = self.above if self.above is not None else self.below
        assert limit is not None  # noqa: S101 - __post_init__ says so
        if raised and self.clear is not None:
            limit = self.clear
        return value > limit if self.above is not None else value < limit

    @property
    def condition(self) -> str:
        """The rule in words."""
        series = SERIES[self.series]
        side, limit = ("above", self.above) if self.above is not None else ("below", self.below)
        lasting = f" for {_duration(self.for_s)}" if self.for_s else ""
        return f"{series.text} {side} {limit:g}{f' {series.unit}' if series.unit else ''}{lasting}"


DEFAULT_RULES = (
    SeriesRule(name="missed revenue", series="missed_revenue", above=1_000.0, clear=500.0, for_s=3_600.0),
    SeriesRule(name="channel nearly empty", series="local_share", below=0.03, clear=0.1, for_s=6 * 3_600.0),
    SeriesRule(name="channel nearly full", series="local_share", above=0.97, clear=0.9, for_s=6 * 3_600.0),
    SeriesRule(name="peer offline", series="peer_offline", above=60.0, clear=1.0),
    SeriesRule(name="stuck HTLC", series="stuck_htlc", above=180.0, level="error"),
    SeriesRule(name="force close", series="force_closing", above=0.0, level="error"),
    SeriesRule(name="stale backup", series="backup_behind", above=15.0, level="error"),
    SeriesRule(name="stream gap", series="stream_gap", above=5.0),
    SeriesRule(name="node unreachable", series="unreachable", above=5.0, level="error"),
    SeriesRule(name="not recorded", series="unwritten", above=0.0, level="error"),
    SeriesRule(name="disk nearly full", series="disk_free", below=500.0, clear=1_000.0, level="error"),
)


@dataclass(slots=True)
class _Watched:
    """One rule over one subject."""

    raised: bool = False
    changing_since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """That a rule's alert began or ended."""

    rule: SeriesRule
    subject: str
    at_ms: int
    raised: bool
    value: float


class RuleSet:
    """Rules, and what is raised by them now."""

    def __init__(self, rules: Iterable[SeriesRule]) -> None:
        self.rules = tuple(rules)
        self._of_series: dict[str, list[SeriesRule]] = {}
        for rule in self.rules:
            self._of_series.setdefault(rule.series, []).append(rule)
        self._states: dict[tuple[str, str], _Watched] = {}

    def take(self, reading: Reading) -> Iterator[Firing]:
        """Take in a reading, and yield the alerts that begin or end with it."""
        for rule in self._of_series.get(reading.series, ()):
            if rule.subject is not None and rule.subject != reading.subject:
                continue
            state = self._states.setdefault((rule.name, reading.subject), _Watched())
            if rule.is_beyond(reading.value, raised=state.raised) == state.raised:
                state.changing_since_ms = None
                continue
            if state.changing_since_ms is None:
                state.changing_since_ms = reading.at_ms
            due_ms = state.changing_since_ms + round(rule.for_s * _MS_PER_S)
            if reading.at_ms >= due_ms:
                state.raised, state.changing_since_ms = not state.raised, None
                yield Firing(rule=rule, subject=reading.subject, at_ms=due_ms, raised=state.raised, value=reading.value)

    def forget(self, series: str, subjects: Iterable[str], at_ms: int) -> Iterator[Firing]:
        """End what is raised of subjects that are no more, such as closed channels."""
        known = set(subjects)
        for rule in self._of_series.get(series, ()):
            for (name, subject), state in list(self._states.items()):
                if name == rule.name and subject not in known:
                    del self._states[name, subject]
                    if state.raised:
                        yield Firing(rule=rule, subject=subject, at_ms=at_ms, raised=False, value=0.0)


def alert_of(firing: Firing, name: str) -> Alert:
    """Return what is told of a firing; `name` is the subject's, for people."""
    rule, series = firing.rule, SERIES[firing.rule.series]
    about = f"{name}: " if name else ""
    unit = f" {series.unit}" if series.unit else ""
    value = f"{firing.value:,.2f}".rstrip("0").rstrip(".")
    text = f"{about}{series.text} is {value}{unit}" if firing.raised else f"{about}{series.text} is {value}{unit} again"
    return Alert(
        level=rule.level,
        source=rule.name,
        text=text,
        state="raised" if firing.raised else "cleared",
        alert_id=f"{rule.name}-{firing.subject}".replace(" ", "-").rstrip("-"),
        channel_id=firing.subject if series.of == "channel" else None,
        world_ms=firing.at_ms,
    )


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
