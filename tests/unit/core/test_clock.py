import math
import time

import pytest

from lightninglens.core.clock import PacedClock, Stopwatch, SystemClock, VirtualClock
from lightninglens.core.units import NS_PER_SECOND


def test_virtual_time_moves_when_told_and_never_back() -> None:
    clock = VirtualClock(5)
    clock.advance_to(9)
    clock.advance_to(9)
    assert clock.now_ns() == 9
    with pytest.raises(ValueError, match="cannot go back: 8 is before 9"):
        clock.advance_to(8)


def test_the_system_clock_is_this_century() -> None:
    assert SystemClock().now_ns() > 1_700_000_000 * NS_PER_SECOND


def test_paced_time_runs_at_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    real_ns = 100 * NS_PER_SECOND
    monkeypatch.setattr("lightninglens.core.clock.time.monotonic_ns", lambda: real_ns)
    clock = PacedClock(start_ns=1_000, speed=10.0)
    assert (clock.speed, clock.now_ns()) == (10.0, 1_000)
    real_ns += 2 * NS_PER_SECOND
    assert clock.now_ns() == 1_000 + 20 * NS_PER_SECOND
    assert clock.real_seconds_until(1_000 + 30 * NS_PER_SECOND) == pytest.approx(1.0)
    assert clock.real_seconds_until(0) == 0.0


@pytest.mark.parametrize("speed", [0, -1.0, float("nan")])
def test_a_speed_must_be_above_zero(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        PacedClock(start_ns=0, speed=speed)


def test_a_stopwatch_runs() -> None:
    watch = Stopwatch()
    time.sleep(0.01)
    assert watch.wall_s() >= 0.01
    assert watch.cpu_s() >= 0.0


def test_a_paced_clock_can_stand_still_and_go_on_at_another_pace() -> None:
    clock = PacedClock(start_ns=1_000, speed=10.0)
    clock.set_pace(at_ns=5_000, speed=20.0, paused=True)
    assert (clock.paused, clock.speed, clock.now_ns()) == (True, 20.0, 5_000)
    assert clock.real_seconds_until(5_001) == math.inf
    assert clock.real_seconds_until(5_000) == 0.0
    clock.set_pace(at_ns=5_000, speed=20.0)
    assert not clock.paused
    assert clock.now_ns() >= 5_000
