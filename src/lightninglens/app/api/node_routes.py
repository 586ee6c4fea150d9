"""What is recorded of a watched node: missed revenue, the recording itself, and rules for alerts tried on the past."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from lightninglens.analytics.missed.opportunities import OpportunityOptions
from lightninglens.analytics.missed.report import MissedReport, to_plain
from lightninglens.app.alerts.backtest import Span
from lightninglens.app.alerts.series import SERIES, Level, SeriesRule
from lightninglens.app.api.dependencies import MAX_PAGE, Named, Text, WatchedHere
from lightninglens.app.api.errors import Problem
from lightninglens.app.node.watched import RecordingStatus
from lightninglens.app.profit import By
from lightninglens.app.profit import to_plain as profit_to_plain
from lightninglens.core.attempts import ForwardAttempt
from lightninglens.core.errors import ConfigError
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MAX_MONEY_SAT, NS_PER_MS, Ppm
from lightninglens.storage.files.spreadsheets import spreadsheet

router = APIRouter()

Hours = Annotated[float, Query(ge=0.1, le=24 * 366, allow_inf_nan=False, description="How far back.")]
MinFailures = Annotated[int, Query(ge=1, le=1_000_000)]
MinMissed = Annotated[int, Query(ge=0, le=MAX_MONEY_SAT)]
LiquidityCost = Annotated[
    int | None,
    Query(ge=0, le=1_000_000, description="What liquidity costs; otherwise what the node's rebalances did."),
]
Limit = Annotated[float | None, Query(allow_inf_nan=False)]
Days = Annotated[float, Query(gt=0, le=366, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedAttempt:
    """One HTLC that the node refused to send out over a channel."""

    began_ms: int
    incoming_channel_id: str
    incoming_peer: str
    amount_msat: int
    fee_msat: int
    """What it offered."""
    cause: str
    outgoing_spendable_msat: int | None
    """What the peer's channels together could have sent at that moment; null where nobody looked."""
    incoming_spendable_msat: int | None
    remaining_blocks: int | None
    payment: int
    """Attempts with the same number are taken for one payment; 0: of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesItem:
    """A series that rules may be about."""

    name: str
    unit: str
    of: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleItem:
    """A rule that is in force."""

    name: str
    series: str
    condition: str
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """The rules in force, and the series there are."""

    rules: list[RuleItem]
    series: list[SeriesItem]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedRule:
    """What a rule would have done."""

    rule: str
    condition: str
    verdict: str
    fired: int
    readings: int
    history_from_ms: int | None
    spans: list[Span]
    """The newest hundred, oldest first."""


async def _report(
    watched: WatchedHere,
    hours: Hours = 24.0,
    min_failures: MinFailures = 3,
    min_missed_sats: MinMissed = 100,
    liquidity_cost_ppm: LiquidityCost = None,
) -> MissedReport:
    options = OpportunityOptions(min_failures=min_failures, min_missed_sat=min_missed_sats)
    cost_ppm = None if liquidity_cost_ppm is None else Ppm(liquidity_cost_ppm)
    return await watched.missed(hours, options, cost_ppm)


Report = Annotated[MissedReport, Depends(_report)]
"""What was missed in the time that is asked for."""


@router.get("/missed")
async def missed(report: Report) -> dict[str, Any]:
    """Return what the node failed to earn in the last hours, as `lens analyze --json` says it."""
    return to_plain(report)


@router.get("/missed.csv")
async def missed_csv(report: Report) -> Response:
    """Return the same as a table, a line for each channel."""
    rows: list[dict[str, Any]] = to_plain(report)["opportunities"]
    headers = {"Content-Disposition": 'attachment; filename="missed.csv"'}
    return Response(spreadsheet(rows) if rows else "", media_type="text/csv", headers=headers)


@router.get("/missed/{channel_id}")
async def missed_at(
    channel_id: Named,
    watched: WatchedHere,
    hours: Hours = 24.0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> list[RefusedAttempt]:
    """Return what was refused towards one channel in the last hours, newest first."""
    try:
        wanted = ChannelId.parse(channel_id)
    except ValueError as problem:
        raise Problem(422, str(problem), where="path", what_to_do="write it as 800000x1x0, or as one number") from None
    names = {each.channel_id: each.peer_alias or each.peer_id[:12] for each in watched.channels()}
    return [_shown(each, names) for each in await watched.refused(wanted, hours=hours, limit=limit)]


@router.get("/profit")
async def profit(
    watched: WatchedHere,
    days: Annotated[float, Query(gt=0, le=366 * 5, allow_inf_nan=False, description="How far back.")] = 30.0,
    by: By = By.CHANNEL,
) -> dict[str, Any]:
    """Return what was earned and spent in the last days, as `lens profit --json` says it."""
    return profit_to_plain(await watched.profit(days, by))


@router.get("/remedies")
async def remedies(
    watched: WatchedHere,
    days: Days = 30.0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Return what was done for channels in the last days, by whomever, with the days before and after it."""
    return await watched.effects(days=days, limit=limit)


@router.get("/recording")
async def recording(watched: WatchedHere, hours: Hours = 24.0) -> RecordingStatus:
    """Return how the recording is doing, and how much of the last hours was seen."""
    return await watched.status(hours)


@router.get("/alert-rules")
async def alert_rules(watched: WatchedHere) -> RuleBook:
    """Return the rules in force, and the series that rules may be about."""
    return RuleBook(
        rules=[
            RuleItem(name=each.name, series=each.series, condition=each.condition, level=each.level)
            for each in watched.rules
        ],
        series=[SeriesItem(name=name, unit=each.unit, of=each.of, text=each.text) for name, each in SERIES.items()],
    )


@router.get("/alert-rules/tried")
async def alert_rules_tried(watched: WatchedHere, days: Days = 30.0) -> list[TriedRule]:
    """Return what the rules in force would have done in the last days."""
    return await _tried(watched, watched.rules, days)


@router.get("/alert-rules/try")
async def try_alert_rule(
    watched: WatchedHere,
    series: Annotated[str, Query(min_length=1, max_length=40)],
    above: Limit = None,
    below: Limit = None,
    clear: Limit = None,
    for_s: Annotated[float, Query(ge=0, le=86_400 * 31, allow_inf_nan=False)] = 0.0,
    subject: Text = None,
    days: Days = 30.0,
) -> TriedRule:
    """Return what a rule would have done in the last days; it is in force nowhere by that."""
    try:
        rule = SeriesRule(
            name="tried", series=series, above=above, below=below, clear=clear, for_s=for_s, subject=subject
        )
    except ConfigError as problem:
        raise Problem(422, str(problem), where="query", what_to_do="see /api/v1/alert-rules for the series") from None
    return (await _tried(watched, (rule,), days))[0]


async def _tried(watched: WatchedHere, rules: tuple[SeriesRule, ...], days: float) -> list[TriedRule]:
    return [
        TriedRule(
            rule=each.rule,
            condition=each.condition,
            verdict=each.verdict,
            fired=each.fired,
            readings=each.readings,
            history_from_ms=each.from_ms,
            spans=each.spans[-100:],
        )
        for each in await watched.try_rules(rules, days=days)
    ]


def _shown(attempt: ForwardAttempt, names: dict[ChannelId, str]) -> RefusedAttempt:
    incoming = attempt.incoming_channel_id
    return RefusedAttempt(
        began_ms=attempt.began_ns // NS_PER_MS,
        incoming_channel_id=str(incoming),
        incoming_peer=names.get(incoming, f"channel {incoming}"),
        amount_msat=attempt.outgoing_amount_msat,
        fee_msat=attempt.fee_msat,
        cause=attempt.cause.label,
        outgoing_spendable_msat=attempt.outgoing_spendable_msat,
        incoming_spendable_msat=attempt.incoming_spendable_msat,
        remaining_blocks=attempt.remaining_blocks,
        payment=attempt.payment,
    )
