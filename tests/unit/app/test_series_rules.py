from pathlib import Path

import pytest
from tests.support.htlcs import START_NS, P, channel

from lightninglens.app.alerts.backtest import HELD_MS, history, try_rule
from lightninglens.app.alerts.series import DEFAULT_RULES, SERIES, Reading, RuleSet, SeriesRule, alert_of
from lightninglens.core.attempts import AttemptChanges
from lightninglens.core.errors import ConfigError
from lightninglens.core.forwards import Gap, GapReason
from lightninglens.core.units import NS_PER_HOUR, NS_PER_MS, Msat, UnixNs
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore
from lightninglens.storage.readings import ReadingStore, StoredReading
from lightninglens.storage.recorded import RecordedHistory

MINUTE_MS = 60_000
EMPTY = SeriesRule(name="empty", series="local_share", below=0.1, clear=0.2, for_s=600)


def reading(minute: float, value: float, *, series: str = "local_share", subject: str = "a") -> Reading:
    return Reading(series=series, subject=subject, at_ms=int(minute * MINUTE_MS), value=value)


def fired(rules: RuleSet, *readings: Reading) -> list[tuple[int, bool]]:
    return [(firing.at_ms // MINUTE_MS, firing.raised) for each in readings for firing in rules.take(each)]


def test_an_alert_is_raised_when_it_has_lasted_and_cleared_at_another_limit() -> None:
    values = [(0, 0.05), (5, 0.05), (10, 0.05), (20, 0.15), (30, 0.15), (40, 0.25), (50, 0.25)]
    assert fired(RuleSet([EMPTY]), *(reading(*each) for each in values)) == [(10, True), (50, False)]


def test_a_short_dip_raises_nothing() -> None:
    values = [(0, 0.05), (5, 0.5), (8, 0.05), (12, 0.5), (30, 0.5)]
    assert fired(RuleSet([EMPTY]), *(reading(*each) for each in values)) == []


def test_subjects_are_watched_one_by_one_and_a_rule_can_be_for_one() -> None:
    rule = SeriesRule(name="only b", series="local_share", below=0.1, subject="b")
    rules = RuleSet([rule])
    assert fired(rules, reading(0, 0.0, subject="a"), reading(0, 0.0, subject="b")) == [(0, True)]
    assert fired(rules, reading(1, 0.0, series="disk_free", subject="b")) == []


def test_what_is_raised_of_a_channel_that_is_gone_ends() -> None:
    rules = RuleSet([SeriesRule(name="empty", series="local_share", below=0.1)])
    assert fired(rules, reading(0, 0.0, subject="a"), reading(0, 0.5, subject="b")) == [(0, True)]
    ended = list(rules.forget("local_share", ["b"], 5 * MINUTE_MS))
    assert [(each.subject, each.raised) for each in ended] == [("a", False)]
    assert list(rules.forget("local_share", ["b"], 5 * MINUTE_MS)) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"series": "weather", "above": 1.0}, "no series 'weather'"),
        ({"series": "disk_free"}, "either above or below"),
        ({"series": "disk_free", "above": 1.0, "below": 2.0}, "either above or below"),
        ({"series": "disk_free", "above": 1.0, "clear": 2.0}, "quiet side"),
        ({"series": "disk_free", "below": 1.0, "clear": 0.5}, "quiet side"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SeriesRule(name="wrong", **wrong)  # type: ignore[arg-type]


def test_the_rules_of_the_reference_are_of_series_that_there_are_and_have_their_own_names() -> None:
    assert len({each.name for each in DEFAULT_RULES}) == len(DEFAULT_RULES)
    assert {each.series for each in DEFAULT_RULES} <= set(SERIES)
    assert EMPTY.condition == "share of a channel's balance on the node's side below 0.1 for 10 min"


def test_an_alert_says_what_it_is_about() -> None:
    rules = RuleSet([SeriesRule(name="disk nearly full", series="disk_free", below=500.0, level="error")])
    (firing,) = rules.take(reading(3, 12.5, series="disk_free", subject=""))
    alert = alert_of(firing, "")
    assert (alert.level, alert.state, alert.alert_id) == ("error", "raised", "disk-nearly-full")
    assert alert.text == "free space where recordings are kept is 12.5 MB"
    (over,) = rules.take(reading(4, 900.0, series="disk_free", subject=""))
    assert alert_of(over, "").state == "cleared"
    assert alert_of(over, "").alert_id == alert.alert_id


def test_a_trial_counts_how_often_and_when_it_would_have_fired() -> None:
    values = [(0, 0.05), (20, 0.5), (40, 0.5), (60, 0.01), (75, 0.01), (80, 0.9), (100, 0.9), (120, 0.02), (140, 0.02)]
    trial = try_rule(EMPTY, [reading(*each) for each in values])
    spans = [(each.from_ms // MINUTE_MS, each.to_ms and each.to_ms // MINUTE_MS) for each in trial.spans]
    assert spans == [(10, 30), (70, 90), (130, None)]
    assert trial.verdict == "would have fired 3 times"
    assert try_rule(EMPTY, []).verdict.startswith("cannot be tried")
    assert try_rule(EMPTY, [reading(0, 0.9)]).verdict == "would have fired 0 times"


def test_a_value_holds_only_as_long_as_somebody_watched() -> None:
    rule = SeriesRule(name="long", series="local_share", below=0.1, for_s=3_600)
    later = HELD_MS / MINUTE_MS * 4
    assert try_rule(rule, [reading(0, 0.05), reading(later, 0.5)]).fired == 0
    watched = [reading(30 * each, 0.05) for each in range(4)]
    assert try_rule(rule, watched).fired == 1


def test_before_readings_were_kept_balances_and_gaps_tell_what_they_can(tmp_path: Path) -> None:
    hour_ms = NS_PER_HOUR // NS_PER_MS
    first_hour = START_NS // NS_PER_HOUR + 1
    path = tmp_path / FORWARDS_FILE
    with ForwardStore(path) as store:
        for hour, (local_msat, active) in enumerate([(500_000_000, True), (20_000_000, False), (20_000_000, False)]):
            seen_ns = (first_hour + hour) * NS_PER_HOUR
            state = channel(P, local_msat=Msat(local_msat), remote_msat=Msat(1_000_000_000 - local_msat), active=active)
            store.write(Batch(changes=AttemptChanges(), next_payment=1, channels=(state,), seen_ns=seen_ns))
        from_ns = UnixNs(first_hour * NS_PER_HOUR)
        gap = Gap(from_ns=from_ns, to_ns=UnixNs(from_ns + 600 * 10**9), reason=GapReason.DISCONNECTED, detail="gone")
        store.write(Batch(changes=AttemptChanges(), next_payment=1, gaps=(gap,)))
    span = {"since_ms": first_hour * hour_ms, "until_ms": (first_hour + 3) * hour_ms}
    peer = channel(P).peer_id
    with RecordedHistory(path) as forwards, ReadingStore(tmp_path / "readings.db") as readings:
        shares = history("local_share", readings, forwards, **span)
        assert [each.value for each in shares[::2]] == [0.5, 0.02, 0.02]
        assert try_rule(EMPTY, shares).fired == 1
        offline = history("peer_offline", None, forwards, **span)
        assert [(each.subject, each.value) for each in offline[::2]] == [(peer, 0.0), (peer, 60.0), (peer, 120.0)]
        assert [each.value for each in history("stream_gap", None, forwards, **span)] == [10.0, 0.0]
        assert history("disk_free", None, forwards, **span) == []
        at_ms = (first_hour + 1) * hour_ms
        readings.append([StoredReading("local_share", str(P), at_ms, 0.7)])
        assert [each.value for each in history("local_share", readings, forwards, **span)] == [0.5, 0.5, 0.7]
