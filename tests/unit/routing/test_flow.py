"""Min-cost flow: splitting by capacity, by cost and by risk, and the limits that a part must keep."""

import sys
from typing import Any

import numpy as np
import pytest

from lightninglens.core.errors import ConfigError
from lightninglens.routing.flow import FlowChannels, FlowPart, plan_parts
from lightninglens.routing.liquidity import HALF_LIFE_NS, LiquidityBounds

A, B, C, D = 0, 1, 2, 3
ENDS = [(A, B), (B, D), (A, C), (C, D)]
BY_B, BY_C = (0, 1), (2, 3)


def diamond(**columns: list[int]) -> FlowChannels:
    """Return two ways from A to D, each sure to carry 1,000,000, free but for what is given."""
    rows = len(ENDS)
    made: dict[str, Any] = {
        "least_msat": [1_000_000] * rows,
        "most_msat": [1_000_000] * rows,
        "base_fee_msat": [0] * rows,
        "fee_rate_ppm": [0] * rows,
        "min_htlc_msat": [1] * rows,
        "max_htlc_msat": [1_000_000] * rows,
    }
    made.update(columns)
    arrays = {name: np.array(values, np.int64) for name, values in made.items()}
    return FlowChannels(
        direction=np.arange(rows),
        source=np.array([low for low, _ in ENDS]),
        target=np.array([high for _, high in ENDS]),
        **arrays,
    )


def plan(channels: FlowChannels, amount_msat: int, *, most_parts: int = 16, risk_msat: float = 1e5) -> set[FlowPart]:
    """Return the parts as a set."""
    parts = plan_parts(
        channels, sender=A, receiver=D, amount_msat=amount_msat, most_parts=most_parts, risk_msat=risk_msat
    )
    assert sum(part.amount_msat for part in parts) in (0, amount_msat)
    return set(parts)


def test_one_way_is_enough() -> None:
    """The cheaper way takes all that it surely carries; a base fee counts as a rate does."""
    for column, values in (("fee_rate_ppm", [0, 100, 0, 50]), ("base_fee_msat", [0, 2_000, 0, 1_000])):
        assert plan(diamond(**{column: values}), 999_999) == {FlowPart(BY_C, 999_999)}


def test_what_one_way_does_not_carry_is_split() -> None:
    """1,500,001 go over both ways, to the millisatoshi; with one part allowed there is no plan, nor for 2,000,001."""
    parts = plan(diamond(fee_rate_ppm=[0, 100, 0, 50]), 1_500_001)
    assert {part.directions for part in parts} == {BY_B, BY_C}
    assert plan(diamond(), 1_500_001, most_parts=1) == set()
    assert plan(diamond(), 2_000_001) == set()


def test_risk_and_fees_are_weighed() -> None:
    """The dearer way is taken when it is surer, and not when failing costs nothing."""
    channels = diamond(least_msat=[10**6, 0, 10**6, 10**6], fee_rate_ppm=[0, 1, 0, 1_000])
    assert plan(channels, 600_000) == {FlowPart(BY_C, 600_000)}
    assert plan(channels, 600_000, risk_msat=0.0) == {FlowPart(BY_B, 600_000)}


def test_uncertain_ways_share() -> None:
    """Of two ways of which nothing is known each takes half, since half of one is likelier than all of it."""
    parts = plan(diamond(least_msat=[10**6, 0, 10**6, 0]), 800_000)
    assert parts == {FlowPart(BY_B, 400_000), FlowPart(BY_C, 400_000)}


def test_limits_of_single_htlcs() -> None:
    """A largest HTLC makes more parts of the same way; a smallest one that a unit may be below rules a way out."""
    parts = plan_parts(
        diamond(max_htlc_msat=[10**6, 300_000, 10, 10]),
        sender=A,
        receiver=D,
        amount_msat=600_000,
        most_parts=16,
        risk_msat=1.0,
    )
    assert [part.directions for part in parts] == [BY_B, BY_B]
    assert {part.amount_msat for part in parts} == {300_000}
    assert plan(diamond(min_htlc_msat=[1, 30_001, 1, 1]), 600_000) == {FlowPart(BY_C, 600_000)}


def test_without_or_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "ortools.graph.python", None)
    with pytest.raises(ConfigError, match=r"lightninglens\[flow\]"):
        plan(diamond(), 1_000)


def at(bounds: LiquidityBounds, now_ns: int = 0) -> list[tuple[int, int]]:
    """Return (least, most) of the directions."""
    least, most = bounds.at(now_ns)
    return list(zip(least.tolist(), most.tolist(), strict=True))


def test_bounds_of_both_sides() -> None:
    """What a direction can carry its other side cannot; what settled changes sides; what is in flight is set apart."""
    bounds = LiquidityBounds(np.array([1_000]))
    assert at(bounds) == [(0, 1_000_000)] * 2
    bounds.refused(0, 600_001, 0)
    assert at(bounds) == [(0, 600_000), (400_000, 1_000_000)]
    bounds.passed(0, 200_000, 0)
    assert at(bounds) == [(200_000, 600_000), (400_000, 800_000)]
    bounds.settled(0, 300_000, 0)
    assert at(bounds) == [(0, 300_000), (700_000, 1_000_000)]
    bounds.set_out((0,), (100_000,))
    assert at(bounds) == [(0, 200_000), (700_000, 1_000_000)]
    bounds.set_out((0,), (100_000,), sign=-1)
    bounds.refused(0, 0, 0)
    assert at(bounds) == [(0, 0), (1_000_000, 1_000_000)]


def test_bounds_fade() -> None:
    """After a half-life a bound is half as far from knowing nothing, learned anew or only looked at."""
    bounds = LiquidityBounds(np.array([1_000]))
    bounds.refused(0, 200_001, 0)
    assert at(bounds, HALF_LIFE_NS) == [(0, 600_000), (400_000, 1_000_000)]
    bounds.passed(0, 100_000, HALF_LIFE_NS)
    assert at(bounds, HALF_LIFE_NS) == [(100_000, 600_000), (400_000, 900_000)]
