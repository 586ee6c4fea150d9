"""`lens learn`: from recordings to a trained model and its predictions, a stage at a time or all at once."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.core.model_card import ModelCard
    from lightninglens.lab.learning.bootstrap import SimulatedLab
    from lightninglens.lab.learning.report import StageReport
    from lightninglens.lab.learning.training import SavedModel
    from lightninglens.learn.dataset import DatasetOptions
    from lightninglens.learn.training import TrainedModel
    from lightninglens.storage.models import ModelStore

app = new_app(
    help="Train a model on what was recorded, and predict with it.",
    epilog="Example: lens learn pipeline --input recordings --out learning",
)
models_app = typer.Typer(
    help="List the models, or take another one into use.",
    epilog="Example: lens learn models use 20261120T101500Z-3f9a1c",
    rich_markup_mode=None,
    add_completion=False,
    invoke_without_command=True,
)
app.add_typer(models_app, name="models")

MOST_SEEDS = 1_000
_SEEDS = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?")


class Demand(StrEnum):
    """Who wants to pay whom in simulated labs."""

    ROLES = "roles"
    UNIFORM = "uniform"


AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
DataDir = Annotated[Path | None, typer.Option(help="Data directory with recordings and models; else the configured.")]
Inputs = Annotated[
    list[Path] | None,
    typer.Option("--input", help="Recording, run, CSV of transactions, or a directory of them; may be repeated."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="OURS=THEIRS", help="What a CSV calls one of our columns; may be repeated."),
]
Horizon = Annotated[float, typer.Option("--horizon-hours", min=0.25, max=240, help="How far a model looks ahead.")]
Step = Annotated[float, typer.Option("--step-minutes", min=1, max=1_440, help="Time between two rows of a side.")]
Reduced = Annotated[bool, typer.Option("--reduced", help="Use only features that need no single attempts.")]
Use = Annotated[bool, typer.Option("--use", help="Take the new model into use, even if another one is.")]
Model = Annotated[
    str | None, typer.Option("--model", help="Version, or a model's directory; otherwise the one in use.")
]


@app.command(epilog="Example: lens learn pipeline --input recordings --out learning --json")
def pipeline(
    ctx: typer.Context,
    *,
    inputs: Inputs = None,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, typer.Option("--out", "--output", help="Directory that keeps every stage's output.")
    ] = None,
    column: Columns = None,
    horizon_hours: Horizon = 6.0,
    step_minutes: Step = 10.0,
    reduced: Reduced = False,
    use: Use = False,
    as_json: AsJson = False,
) -> None:
    """Run all stages: recordings to CSV, to features, to a trained model, to predictions.

    Without --input it reads what the lab has recorded in the data directory.
    """
    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    from lightninglens.core.clock import SystemClock
    from lightninglens.lab.learning import pipeline as stages

    now_ns = SystemClock().now_ns()
    moment = datetime.fromtimestamp(now_ns // 10**9, UTC)
    result = stages.run_pipeline(
        inputs or [settings.data.dir],
        out or settings.data.dir / "learning" / f"{moment:%Y%m%dT%H%M%SZ}",
        _store(settings.data.dir),
        created_ns=now_ns,
        command=_command_line(),
        options=_options(horizon_hours, step_minutes, reduced=reduced),
        columns=_column_names(column),
        select=use,
        tell=(lambda _report: None) if as_json else _show,
    )
    if as_json:
        typer.echo(json.dumps(stages.as_json(result), indent=2))
        return
    typer.echo(result.saved.card.verdict)
    typer.echo(f"everything is kept in {result.out}")
    typer.echo(f"new model: {result.saved.directory}")


@app.command(epilog="Example: lens learn collect --input recordings --out collected")
def collect(
    ctx: typer.Context,
    *,
    inputs: Inputs = None,
    data_dir: DataDir = None,
    out: Annotated[Path, typer.Option("--out", "--output", help="Directory for the three CSV files.")],
    column: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Turn recordings, runs or somebody's CSV into CSV files of transactions, attempts and channel states."""
    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    from lightninglens.lab.learning import collect as stage

    _tell(stage.collect(inputs or [settings.data.dir], out, columns=_column_names(column)), as_json=as_json)


@app.command(epilog="Example: lens learn transform --input collected --out transformed")
def transform(
    ctx: typer.Context,
    *,
    source: Annotated[Path, typer.Option("--input", help="Directory that `collect` wrote.")],
    out: Annotated[Path, typer.Option("--out", "--output", help="Directory for the same files with derived columns.")],
    as_json: AsJson = False,
) -> None:
    """Add what follows from the rows; what is not in the data stays missing."""
    invocation(ctx).start()
    from lightninglens.lab.learning import transform as stage

    _tell(stage.transform(source, out), as_json=as_json)


@app.command(epilog="Example: lens learn features --input your_transactions.csv --output your_features.csv")
def features(
    ctx: typer.Context,
    *,
    source: Annotated[Path, typer.Option("--input", help="What `transform` wrote, or anything that `collect` reads.")],
    out: Annotated[Path, typer.Option("--output", "--out", help="CSV file to write.")],
    column: Columns = None,
    horizon_hours: Horizon = 6.0,
    step_minutes: Step = 10.0,
    reduced: Reduced = False,
    as_json: AsJson = False,
) -> None:
    """Make features of every channel side at fixed steps of time, with the target where it is known."""
    invocation(ctx).start()
    from lightninglens.lab.learning.features import make_features

    options = _options(horizon_hours, step_minutes, reduced=reduced)
    with _prepared(source, column) as (folder, reports):
        reports.append(make_features(folder, out, options, described=source.name))
    _tell(*reports, as_json=as_json)


@app.command(epilog="Example: lens learn train --simulate 48 --seeds 900000-900003 --json")
def train(
    ctx: typer.Context,
    *,
    source: Annotated[Path | None, typer.Option("--input", help="File that `features` wrote.")] = None,
    simulate: Annotated[
        float | None, typer.Option(min=1, max=10_000, help="Hours of simulated lab to learn from, per seed.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds of the labs: 900000-900003, or 900000,900007.")] = "900000-900003",
    demand: Annotated[Demand | None, typer.Option(help="Payments in the labs; otherwise as configured.")] = None,
    data_dir: DataDir = None,
    horizon_hours: Horizon = 6.0,
    step_minutes: Step = 10.0,
    reduced: Reduced = False,
    use: Use = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on features, or on simulated labs, and keep it with the errors it made on time it had not seen."""
    overrides = {"data.dir": data_dir, "lab.demand": demand.value if demand else None}
    settings = invocation(ctx).start(overrides).settings
    if (source is None) == (simulate is None):
        raise ConfigError("name either features (--input FILE) or hours of simulated lab (--simulate HOURS)")
    from lightninglens.core.clock import SystemClock
    from lightninglens.lab.learning import training

    now_ns, store = SystemClock().now_ns(), _store(settings.data.dir)
    if source is not None:
        saved = training.train_on_features(source, store, created_ns=now_ns, command=_command_line(), select=use)
    else:
        from lightninglens.lab.learning.bootstrap import train_in_simulation

        model = train_in_simulation(
            created_ns=now_ns,
            hours=simulate or 0.0,
            seeds=_seeds(seeds),
            lab=_lab(settings.lab),
            options=_options(horizon_hours, step_minutes, reduced=reduced),
            command=_command_line(),
            progress=lambda text: typer.echo(text, err=True),
        )
        saved = training.save_model(model, store, rows_in=model.card.rows_trained, select=use)
    _tell_saved(saved, as_json=as_json)


@app.command(epilog="Example: lens learn predict --input recordings --output predictions.csv --model VERSION")
def predict(
    ctx: typer.Context,
    *,
    source: Annotated[Path, typer.Option("--input", help="What `transform` wrote, or anything that `collect` reads.")],
    out: Annotated[Path, typer.Option("--output", "--out", help="CSV file to write.")],
    model: Model = None,
    column: Columns = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say for every channel side, at the end of the data, which share would fail the least volume."""
    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    from lightninglens.lab.learning.predicting import predict as stage

    trained = _model(settings.data.dir, model)
    with _prepared(source, column) as (folder, reports):
        reports.append(stage(trained, folder, out))
    _tell(*reports, as_json=as_json)


@app.command(epilog="Example: lens learn evaluate --model VERSION --out evaluation")
def evaluate(
    ctx: typer.Context,
    *,
    model: Model = None,
    source: Annotated[
        Path | None, typer.Option("--input", help="File that `features` wrote; otherwise what the model's card says.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "--output", help="Directory for a figure (PNG) and its numbers (JSON).")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show a model's errors beside those of what needs no learning, its reliability, and a verdict."""
    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    from lightninglens.lab.learning import evaluating
    from lightninglens.storage.files.codec import to_json

    trained = _model(settings.data.dir, model)
    found = evaluating.of_card(trained.card) if source is None else evaluating.evaluate(trained, source)
    written = evaluating.write_evaluation(found, out) if out is not None else ()
    if as_json:
        typer.echo(to_json(found).decode(), nl=False)
        return
    for line in [*evaluating.in_words(found), *(f"wrote {path}" for path in written)]:
        typer.echo(line)


@models_app.callback(epilog="Example: lens learn models --json")
def models(ctx: typer.Context, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the models, newest first, or take another one into use."""
    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    ctx.obj = invocation(ctx)
    ctx.meta["models"] = store = _store(settings.data.dir)
    if ctx.invoked_subcommand is not None:
        return
    chosen, cards, damaged = store.selected(), store.cards(), store.damaged()
    if as_json:
        listed = [_model_row(card, chosen) for card in cards]
        typer.echo(json.dumps({"models": listed, "damaged": dict(damaged)}, indent=2))
        return
    for card in cards:
        mark = "in use" if card.version == chosen else ""
        typer.echo(f"{card.version}  {mark:<6}  {card.trained_on}")
        typer.echo(f"  {card.verdict}")
    for version, problem in damaged.items():
        typer.echo(f"{version}  cannot be used: {problem}")
    if not cards:
        typer.echo(f"no models in {store.directory}; `lens learn train --simulate 48` makes one")


@models_app.command("use", epilog="Example: lens learn models use 20261120T101500Z-3f9a1c")
def use_model(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="Version, as `lens learn models` lists them.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Take a model into use from the next start of the lab on."""
    store: ModelStore = ctx.meta["models"]
    store.select(version)
    typer.echo(json.dumps({"selected": version}) if as_json else f"{version} is in use from the next start on")


def _store(data_dir: Path) -> "ModelStore":
    from lightninglens.storage.models import FOLDER, ModelStore

    return ModelStore(data_dir / FOLDER)


def _model(data_dir: Path, name: str | None) -> "TrainedModel":
    from lightninglens.learn.training import TrainedModel

    store = _store(data_dir)
    chosen = name or store.selected()
    if chosen is None:
        raise ConfigError(f"no model is in use in {store.directory}: train one (`lens learn train --simulate 48`)")
    card, estimators, _ = store.open(chosen)
    return TrainedModel(card=card, estimators=estimators)


def _options(horizon_hours: float, step_minutes: float, *, reduced: bool) -> "DatasetOptions":
    from lightninglens.core.units import NS_PER_HOUR
    from lightninglens.learn.dataset import DatasetOptions

    return DatasetOptions(
        horizon_ns=round(horizon_hours * NS_PER_HOUR),
        step_ns=round(step_minutes * NS_PER_HOUR / 60),
        reduced=True if reduced else None,
    )


def _lab(settings: Any) -> "SimulatedLab":
    """Return the kind of lab that is configured."""
    from lightninglens.lab.learning.bootstrap import SimulatedLab
    from lightninglens.sim.demand.model import LAB_DEMAND, UniformDemand

    return SimulatedLab(
        drawn=settings.topology == "drawn",
        balanced=settings.opening == "balanced",
        capacity_sat=settings.capacity_sat,
        demand=UniformDemand() if settings.demand == "uniform" else LAB_DEMAND,
        demand_name=settings.demand,
    )


def _seeds(text: str) -> list[int]:
    """Return the seeds that `900000-900003` or `900000,900007` means; raises ConfigError."""
    seeds: list[int] = []
    for part in text.split(","):
        match = _SEEDS.fullmatch(part.strip())
        if match is None:
            raise ConfigError(f"--seeds: {part.strip()[:40]!r} is no seed and no range like 900000-900003")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 <= last - first < MOST_SEEDS or len(seeds) + last - first >= MOST_SEEDS:
            raise ConfigError(f"--seeds: {part.strip()} is empty, or more than {MOST_SEEDS:,} in all")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise ConfigError("--seeds: a seed stands there twice, which would count one world twice")
    return seeds


def _column_names(given: list[str] | None) -> dict[str, str]:
    names = {}
    for text in given or []:
        ours, sign, theirs = text.partition("=")
        if not sign or not ours or not theirs:
            raise ConfigError(f"--column: {text[:80]!r} must be OURS=THEIRS, for example amount=sats_sent")
        names[ours.strip()] = theirs.strip()
    return names


def _command_line() -> str:
    return shlex.join(["lens", *sys.argv[1:]])


@contextmanager
def _prepared(source: Path, column: list[str] | None) -> "Iterator[tuple[Path, list[StageReport]]]":
    """Yield a directory in the form that `transform` writes; made in a temporary place where `source` is not one."""
    import tempfile

    from lightninglens.lab.learning.pipeline import prepare

    if source.is_dir() and (source / "transactions.csv").is_file():
        yield source, []
        return
    with tempfile.TemporaryDirectory(prefix="lens-learn-") as name:
        folder, reports = prepare([source], Path(name), columns=_column_names(column))
        from dataclasses import replace

        yield folder, [replace(report, paths=()) for report in reports]


def _show(report: "StageReport") -> None:
    for line in report.lines():
        typer.echo(line)


def _tell(*reports: "StageReport", as_json: bool) -> None:
    if as_json:
        shown = [report.as_json() for report in reports]
        typer.echo(json.dumps(shown[0] if len(shown) == 1 else {"stages": shown}, indent=2))
        return
    for report in reports:
        _show(report)


def _tell_saved(saved: "SavedModel", *, as_json: bool) -> None:
    if as_json:
        row = _model_row(saved.card, saved.card.version if saved.selected else None)
        typer.echo(json.dumps({**row, "path": str(saved.directory)}, indent=2))
        return
    _show(saved.report)
    typer.echo(saved.card.verdict)
    typer.echo(f"new model: {saved.directory}")


def _model_row(card: "ModelCard", chosen: str | None) -> dict[str, object]:
    return {
        "version": card.version,
        "selected": card.version == chosen,
        "created_ms": card.created_ns // 1_000_000,
        "trained_on": card.trained_on,
        "reduced": card.reduced,
        "rows_trained": card.rows_trained,
        "rows_held_out": card.rows_held_out,
        "verdict": card.verdict,
    }
