"""`lens learn`: from recordings to a trained model and its predictions, a stage at a time or all at once."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.learn_support import (
    command_line,
    configured_lab,
    dataset_options,
    model_row,
    model_store,
    parse_columns,
    parse_seeds,
    prepared,
    show,
    tell,
    tell_saved,
    trained_model,
)
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
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
        model_store(settings.data.dir),
        created_ns=now_ns,
        command=command_line(),
        options=dataset_options(horizon_hours, step_minutes, reduced=reduced),
        columns=parse_columns(column),
        select=use,
        tell=(lambda _report: None) if as_json else show,
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

    tell(stage.collect(inputs or [settings.data.dir], out, columns=parse_columns(column)), as_json=as_json)


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

    tell(stage.transform(source, out), as_json=as_json)


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

    options = dataset_options(horizon_hours, step_minutes, reduced=reduced)
    with prepared(source, column) as (folder, reports):
        reports.append(make_features(folder, out, options, described=source.name))
    tell(*reports, as_json=as_json)


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

    now_ns, store = SystemClock().now_ns(), model_store(settings.data.dir)
    if source is not None:
        saved = training.train_on_features(source, store, created_ns=now_ns, command=command_line(), select=use)
    else:
        from lightninglens.lab.learning.bootstrap import train_in_simulation

        model = train_in_simulation(
            created_ns=now_ns,
            hours=simulate or 0.0,
            seeds=parse_seeds(seeds),
            lab=configured_lab(settings.lab),
            options=dataset_options(horizon_hours, step_minutes, reduced=reduced),
            command=command_line(),
            progress=lambda text: typer.echo(text, err=True),
        )
        saved = training.save_model(model, store, rows_in=model.card.rows_trained, select=use)
    tell_saved(saved, as_json=as_json)


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

    trained = trained_model(settings.data.dir, model)
    with prepared(source, column) as (folder, reports):
        reports.append(stage(trained, folder, out))
    tell(*reports, as_json=as_json)


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

    trained = trained_model(settings.data.dir, model)
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
    ctx.meta["models"] = store = model_store(settings.data.dir)
    if ctx.invoked_subcommand is not None:
        return
    chosen, cards, damaged = store.selected(), store.cards(), store.damaged()
    if as_json:
        listed = [model_row(card, chosen) for card in cards]
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
