"""What a comparison says, in numbers and in words."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from lightninglens.analytics.comparison import (
    SIGNIFICANT,
    PairedDifference,
    holm,
    mean_with_interval,
    paired_difference,
)
from lightninglens.core.records import STRICT
from lightninglens.core.units import MSAT_PER_SAT, PPM
from lightninglens.lab.compare.ceiling import Ceiling
from lightninglens.lab.compare.options import ActingNodes, CompareOptions
from lightninglens.lab.compare.strategies import BASELINE, LEARNED, NONE
from lightninglens.lab.compare.world import WorldResult

COMPARISON_FORMAT: Final = "lightninglens/comparison/1"
OWN_PAYMENT_WORTH_PPM: Final = 1_000
"""What a node's own payment that arrives is worth to it where predicted gains are held against what came of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One column of the report."""

    label: str
    unit: str
    of: Callable[[WorldResult], float]
    decimals: int = 2
    more_is_better: bool = True


MEASURES: Final[Mapping[str, Measure]] = {
    "success": Measure(label="success", unit="%", of=lambda world: 100 * world.succeeded / max(world.payments, 1)),
    "delivered": Measure(
        label="volume delivered", unit="%", of=lambda world: 100 * world.delivered_msat / max(world.amount_msat, 1)
    ),
    "earned": Measure(label="fees earned", unit="sat", of=lambda world: world.earned_msat / MSAT_PER_SAT, decimals=1),
    "cost": Measure(
        label="rebalancing cost",
        unit="sat",
        of=lambda world: world.cost_msat / MSAT_PER_SAT,
        decimals=1,
        more_is_better=False,
    ),
    "net": Measure(
        label="net",
        unit="sat",
        of=lambda world: (world.earned_msat - world.cost_msat) / MSAT_PER_SAT,
        decimals=1,
    ),
    "attempts": Measure(
        label="attempts per payment",
        unit="",
        of=lambda world: world.attempts / max(world.payments, 1),
        decimals=3,
        more_is_better=False,
    ),
    "depleted": Measure(
        label="depleted channels", unit="%", of=lambda world: 100 * world.depleted_share, more_is_better=False
    ),
}
TESTED: Final = ("success", "net")
"""The measures that verdicts are about; the others are told and not tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A measure of one strategy: mean over worlds with its 95 % interval; None where no world has it."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyFindings:
    """What one strategy did, over all worlds."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    strategy: str
    levels: Mapping[str, Level]
    rebalances_tried: int
    rebalances_succeeded: int
    rebalanced_msat: int
    refused: Mapping[str, int]
    predicted_gain_sat: Level | None
    """What it expected from the rebalances that succeeded, per world; None where it expects nothing."""
    realised_gain_sat: Level | None
    """Difference to `none` in fees earned less cost, and own payments delivered at 1,000 ppm; where it expects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One measure of one strategy against another, in the same worlds."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    strategy: str
    against: str
    measure: str
    difference: PairedDifference
    corrected_p: float | None
    """By Holm over all tested contrasts; None where the measure is not tested."""
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingFindings:
    """Failures without any rebalancing, and how many of them no circle could have helped."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    failed_share: Level
    hopeless_share: Level
    """Of the failed payments."""
    hopeless_volume_share: Level
    """Of the failed volume."""
    most_success: Level
    """Success if every other failure had been helped, in %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A finished comparison."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = COMPARISON_FORMAT
    options: CompareOptions
    complete: bool
    seeds: tuple[int, ...]
    findings: tuple[StrategyFindings, ...]
    contrasts: tuple[Contrast, ...]
    ceiling: CeilingFindings | None
    worlds: tuple[WorldResult, ...]


def summarise(
    options: CompareOptions, *, worlds: tuple[WorldResult, ...], ceilings: Sequence[Ceiling], complete: bool
) -> Comparison:
    """Return what worlds, all strategies of each seed, say about the strategies."""
    by_strategy: dict[str, list[WorldResult]] = {}
    for world in worlds:
        by_strategy.setdefault(world.strategy, []).append(world)
    pairs = [(name, NONE) for name in by_strategy if name != NONE]
    if {LEARNED, BASELINE} <= by_strategy.keys():
        pairs.append((LEARNED, BASELINE))
    return Comparison(
        options=options,
        complete=complete,
        seeds=tuple(sorted({world.seed for world in worlds})),
        findings=tuple(_findings(name, own, by_strategy[NONE]) for name, own in by_strategy.items()),
        contrasts=tuple(_contrasts(by_strategy, pairs, options.nodes)),
        ceiling=_ceiling(ceilings) if ceilings else None,
        worlds=worlds,
    )


def _findings(name: str, own: Sequence[WorldResult], none: Sequence[WorldResult]) -> StrategyFindings:
    expects = any(world.predicted_gain_msat is not None for world in own)
    predicted = [(world.predicted_gain_msat or 0) / MSAT_PER_SAT for world in own]
    realised = [
        (_worth_msat(world) - _worth_msat(before)) / MSAT_PER_SAT for world, before in zip(own, none, strict=True)
    ]
    refused: dict[str, int] = {}
    for world in own:
        for code, count in world.refused.items():
            refused[code] = refused.get(code, 0) + count
    return StrategyFindings(
        strategy=name,
        levels={key: _level(_values(own, key)) for key in MEASURES},
        rebalances_tried=sum(world.rebalances_tried for world in own),
        rebalances_succeeded=sum(world.rebalances_succeeded for world in own),
        rebalanced_msat=sum(world.rebalanced_msat for world in own),
        refused=dict(sorted(refused.items())),
        predicted_gain_sat=_level(predicted) if expects else None,
        realised_gain_sat=_level(realised) if expects else None,
    )


def _worth_msat(world: WorldResult) -> int:
    return world.earned_msat - world.cost_msat + world.own_delivered_msat * OWN_PAYMENT_WORTH_PPM // PPM


def _contrasts(
    by_strategy: Mapping[str, Sequence[WorldResult]], pairs: Sequence[tuple[str, str]], nodes: ActingNodes
) -> Iterable[Contrast]:
    tested = TESTED if nodes is ActingNodes.ALL else ("net",)
    rows = [
        (
            name,
            against,
            key,
            paired_difference(*([of(world) for world in by_strategy[side]] for side in (name, against))),
        )
        for name, against in pairs
        for key, of in ((key, measure.of) for key, measure in MEASURES.items())
    ]
    corrected = holm([difference.p_value if key in tested else None for _, _, key, difference in rows])
    for (name, against, key, difference), p_value in zip(rows, corrected, strict=True):
        verdict = _verdict(MEASURES[key], name, against, difference, p_value) if key in tested else ""
        yield Contrast(
            strategy=name,
            against=against,
            measure=key,
            difference=difference,
            corrected_p=p_value,
            verdict=verdict,
        )


def _values(worlds: Sequence[WorldResult], key: str) -> list[float]:
    return [MEASURES[key].of(world) for world in worlds]


def _verdict(measure: Measure, name: str, against: str, difference: PairedDifference, corrected_p: float | None) -> str:
    """Say in words what the worlds show, and what they cannot show."""
    if difference.low is None or difference.high is None or corrected_p is None:
        return f"{name} against {against}, {measure.label}: {difference.pairs} world(s) are too few to say anything"
    unit = "points" if measure.unit == "%" else measure.unit
    numbers = (
        f"{_signed(difference.mean, measure.decimals)} {unit} (95 % interval"
        f" {_signed(difference.low, measure.decimals)} to {_signed(difference.high, measure.decimals)}),"
        f" above 0 in {difference.wins} of {difference.pairs} worlds"
    )
    if corrected_p >= SIGNIFICANT:
        return (
            f"{name} against {against}, {measure.label}: no difference could be shown; {numbers},"
            f" p = {corrected_p:.2g} after Holm"
        )
    better = (difference.mean > 0) == measure.more_is_better
    return (
        f"{name} against {against}, {measure.label}: {'better' if better else 'worse'}; {numbers},"
        f" p = {corrected_p:.2g} after Holm"
    )


def _ceiling(ceilings: Sequence[Ceiling]) -> CeilingFindings:
    def share(part: int, whole: int) -> float:
        return 100 * part / whole if whole else math.nan

    return CeilingFindings(
        failed_share=_level([share(world.failed, world.payments) for world in ceilings]),
        hopeless_share=_level([share(world.hopeless, world.failed) for world in ceilings]),
        hopeless_volume_share=_level([share(world.hopeless_msat, world.failed_msat) for world in ceilings]),
        most_success=_level([100 - share(world.hopeless, world.payments) for world in ceilings]),
    )


def _level(values: Sequence[float]) -> Level:
    mean, low, high = mean_with_interval(values)
    return Level(mean=None if math.isnan(mean) else mean, low=low, high=high)


def render(comparison: Comparison) -> str:
    """Return the comparison as Markdown: what was run, the levels, the differences, the ceiling, the verdicts."""
    options = comparison.options
    acting = "all nodes act" if options.nodes is ActingNodes.ALL else "one node acts, a different one from seed to seed"
    seeds = comparison.seeds
    parts = [
        f"{len(seeds)} simulated worlds (seeds {seeds[0]} to {seeds[-1]}) of {options.hours:g} h,"
        f" {options.demand.value} demand, {acting}, a decision every {options.every_s:g} s, confidence of at least"
        f" {options.min_confidence:g} where a change has one. Means over worlds; ± and brackets are 95 % intervals."
        + ("" if comparison.complete else " The comparison was interrupted: not all seeds are in it.")
    ]
    parts.append(_levels_table(comparison))
    if comparison.contrasts:
        parts.append(_differences_table(comparison))
    if comparison.ceiling is not None:
        parts.append(_ceiling_words(comparison.ceiling))
    parts += [_gain_words(found) for found in comparison.findings]
    parts += ["\n".join(f"- {contrast.verdict}" for contrast in comparison.contrasts if contrast.verdict)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _levels_table(comparison: Comparison) -> str:
    heads = [_head(measure) for measure in MEASURES.values()]
    lines = [
        "| strategy | " + " | ".join(heads) + " | rebalances done / tried |",
        "|---" * (len(heads) + 2) + "|",
    ]
    for found in comparison.findings:
        cells = [_plus_minus(found.levels[key], measure.decimals) for key, measure in MEASURES.items()]
        done = f"{found.rebalances_succeeded:,} / {found.rebalances_tried:,}"
        lines.append(f"| {found.strategy} | " + " | ".join(cells) + f" | {done} |")
    return "\n".join(lines)


def _differences_table(comparison: Comparison) -> str:
    heads = [_head(measure) for measure in MEASURES.values()]
    lines = ["| difference | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    cells: dict[tuple[str, str], list[str]] = {}
    for contrast in comparison.contrasts:
        decimals, found = MEASURES[contrast.measure].decimals, contrast.difference
        bounds = (
            ""
            if found.low is None or found.high is None
            else f" [{_signed(found.low, decimals)}, {_signed(found.high, decimals)}]"
        )
        cells.setdefault((contrast.strategy, contrast.against), []).append(f"{_signed(found.mean, decimals)}{bounds}")
    lines += [f"| {name} - {against} | " + " | ".join(row) + " |" for (name, against), row in cells.items()]
    return "\n".join(lines)


def _ceiling_words(ceiling: CeilingFindings) -> str:
    return (
        f"Without rebalancing {_plus_minus(ceiling.failed_share, 2)} % of the payments failed;"
        f" {_plus_minus(ceiling.hopeless_share, 1)} % of these ({_plus_minus(ceiling.hopeless_volume_share, 1)} % by"
        " volume) were more than could flow from sender to receiver at all, which no circular rebalance changes."
        f" So none could have brought success above {_plus_minus(ceiling.most_success, 2)} %."
    )


def _gain_words(found: StrategyFindings) -> str:
    predicted, realised = found.predicted_gain_sat, found.realised_gain_sat
    if predicted is None or realised is None or predicted.mean is None or realised.mean is None:
        return ""
    ratio = f", {realised.mean / predicted.mean:.2f} of it" if predicted.mean > 0 else ""
    return (
        f"`{found.strategy}` expected {_plus_minus(predicted, 0)} sat per world from what it moved; against `none` the"
        f" acting nodes had {_plus_minus(realised, 0)} sat more{ratio} (fees earned less cost, and own payments"
        f" delivered at {OWN_PAYMENT_WORTH_PPM:,} ppm)."
    )


def _head(measure: Measure) -> str:
    return f"{measure.label}, {measure.unit}" if measure.unit else measure.label


def _plus_minus(level: Level, decimals: int) -> str:
    if level.mean is None:
        return "none"
    if level.low is None or level.high is None:
        return f"{level.mean:,.{decimals}f}"
    return f"{level.mean:,.{decimals}f} ± {(level.high - level.low) / 2:,.{decimals}f}"


def _signed(value: float, decimals: int) -> str:
    text = f"{value:+,.{decimals}f}"
    return text[1:] if float(text.replace(",", "")) == 0 else text
