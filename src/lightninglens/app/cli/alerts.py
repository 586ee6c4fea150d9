"""`lens alerts`: the rules for alerts of a watched node, and what they would have done."""

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.lnd_options import AsJson, DataDir
from lightninglens.app.cli.recorded_folder import NodeKey, recorded_folder
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.app.alerts.backtest import Trial
    from lightninglens.app.alerts.series import SeriesRule

SHOWN_SPANS = 5

app = new_app(
    help="Show the rules for alerts of `lens run`, and try them on what was recorded.",
    epilog="Example: lens alerts try --days 30",
)


@app.command(name="list", epilog="Example: lens alerts list")
def list_rules(ctx: typer.Context, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the rules in force, and the series that rules may be about."""
    from lightninglens.app.alerts.series import SERIES
    from lightninglens.app.cli.node_settings import alert_rules

    rules = alert_rules(invocation(ctx).start({"data.dir": data_dir}).settings)
    if as_json:
        said = {
            "rules": [{**dataclasses.asdict(each), "condition": each.condition} for each in rules],
            "series": {name: dataclasses.asdict(each) for name, each in SERIES.items()},
        }
        typer.echo(json.dumps(said, indent=2))
        return
    typer.echo("Rules in force:")
    for each in rules:
        typer.echo(f"  {each.name:<22} {each.level:<8} {each.condition}")
    typer.echo("Series:")
    for name, series in SERIES.items():
        unit = f" ({series.unit})" if series.unit else ""
        typer.echo(f"  {name:<22} {series.of:<8} {series.text}{unit}")


@app.command(name="try", epilog="Example: lens alerts try --days 30 --series local_share --below 0.05 --for 21600")
def try_rules(
    ctx: typer.Context,
    *,
    days: Annotated[float, typer.Option(min=0.01, max=366, help="How far back.")] = 30.0,
    series: Annotated[str | None, typer.Option(help="Try one rule, over this series.")] = None,
    above: Annotated[float | None, typer.Option(help="The alert is raised above this.")] = None,
    below: Annotated[float | None, typer.Option(help="The alert is raised below this.")] = None,
    clear: Annotated[float | None, typer.Option(help="It is over again here; otherwise at the limit.")] = None,
    for_s: Annotated[float, typer.Option("--for", min=0, help="Seconds for which it must last.")] = 0.0,
    subject: Annotated[str | None, typer.Option(help="Only this channel or peer.")] = None,
    node_id: NodeKey = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Tell how often each rule would have fired on what was recorded, also while `lens run` records."""
    from lightninglens.app.alerts.series import SeriesRule
    from lightninglens.app.cli.node_settings import alert_rules

    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    if series is None:
        if (above, below, clear, subject) != (None, None, None, None) or for_s:
            raise ConfigError("--above, --below, --clear, --for and --subject need --series")
        rules = alert_rules(settings)
    else:
        rules = (
            SeriesRule(
                name="tried", series=series, above=above, below=below, clear=clear, for_s=for_s, subject=subject
            ),
        )
    trials = _trials(recorded_folder(settings.data.dir, node_id), rules, days)
    if as_json:
        typer.echo(json.dumps([{**dataclasses.asdict(each), "verdict": each.verdict} for each in trials], indent=2))
        return
    for trial in trials:
        typer.echo(f"{trial.rule}: {trial.verdict} ({trial.condition})")
        for span in trial.spans[-SHOWN_SPANS:]:
            until = "still" if span.to_ms is None else f"until {_time(span.to_ms)}"
            about = f" {span.subject}" if span.subject else ""
            typer.echo(f"    {_time(span.from_ms)} {until}, at {span.value:,.2f}{about}")


def _trials(folder: Path, rules: "tuple[SeriesRule, ...]", days: float) -> "list[Trial]":
    import contextlib

    from lightninglens.app.alerts.backtest import try_rules
    from lightninglens.core.clock import SystemClock
    from lightninglens.core.units import NS_PER_DAY, NS_PER_MS
    from lightninglens.storage.forwards import FORWARDS_FILE
    from lightninglens.storage.readings import READINGS_FILE, ReadingStore
    from lightninglens.storage.recorded import RecordedHistory

    until_ms = SystemClock().now_ns() // NS_PER_MS
    since_ms = int(until_ms - days * NS_PER_DAY / NS_PER_MS)
    with contextlib.ExitStack() as stack:
        forwards = stack.enter_context(RecordedHistory(folder / FORWARDS_FILE))
        path = folder / READINGS_FILE
        readings = stack.enter_context(ReadingStore(path)) if path.exists() else None
        return try_rules(rules, readings, forwards, since_ms=since_ms, until_ms=until_ms)


def _time(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1_000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
