"""`lens lab`: experiments in simulated worlds."""

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import LabDataDir, invocation, new_app
from lightninglens.app.cli.lab_ego import ego
from lightninglens.app.cli.lab_failures import failures
from lightninglens.app.cli.lab_missed import missed
from lightninglens.app.cli.lab_record import record
from lightninglens.app.cli.lab_support import require_no_file, write_results
from lightninglens.app.cli.progress import interruptible
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.lab.compare import CompareOptions, Comparison
    from lightninglens.lab.fidelity import Fidelity, Study

app = new_app(help="Experiments in simulated worlds.")


class Demand(StrEnum):
    """What is paid."""

    EVERYDAY = "everyday"
    SETTLEMENTS = "settlements"
    UNIFORM = "uniform"


class Nodes(StrEnum):
    """Who rebalances."""

    ALL = "all"
    ONE = "one"


@app.callback()
def lab() -> None:
    """Experiments in simulated worlds."""


@app.command(epilog="Example: lens lab compare --strategies none,baseline --seeds 30 --demand settlements")
def compare(
    ctx: typer.Context,
    *,
    strategies: Annotated[
        str, typer.Option(help="none, baseline, learned, or your own as MODULE:FUNCTION; separated by commas.")
    ] = "none,baseline,learned",
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="How many worlds; the unit of every interval.")] = 30,
    first_seed: Annotated[int, typer.Option(min=0, help="Seed of the first; the others follow it.")] = 1,
    hours: Annotated[float, typer.Option(min=0.1, max=1_440, help="How long payments begin in each world.")] = 12.0,
    demand: Annotated[
        Demand,
        typer.Option(
            help="everyday: nodes with habits; settlements: large payments whose money comes back;"
            " uniform: 500 to 3000 sat at random."
        ),
    ] = Demand.EVERYDAY,
    nodes: Annotated[Nodes, typer.Option(help="Who rebalances: all nodes, or one per world, in turn.")] = Nodes.ALL,
    every: Annotated[float, typer.Option(min=1, max=86_400, help="World seconds between two decisions.")] = 600.0,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Changes that say a lower confidence are refused.")
    ] = 0.5,
    model: Annotated[
        str | None,
        typer.Option(help="Version or directory of the model of `learned`; without it one is trained in other worlds."),
    ] = None,
    own_payment_worth_ppm: Annotated[
        int,
        typer.Option(min=0, max=1_000_000, help="Without --model: what an own payment is worth, in ppm of it."),
    ] = 0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Worlds that are simulated at the same time.")] = 2,
    out: Annotated[
        Path | None, typer.Option(help="Directory for comparison.md and comparison.json; they are replaced.")
    ] = None,
    data_dir: LabDataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")] = False,
) -> None:
    """Compare rebalancing strategies in the same simulated worlds, with intervals over worlds.

    Payments, balances and delays are the same for all strategies of a seed. Ctrl-C
    ends early and keeps the seeds that are done.
    """
    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    from lightninglens.lab.compare import compare as run
    from lightninglens.lab.compare import render

    require_no_file(out)
    with TemporaryDirectory(prefix="lens-compare-") as scratch:
        options = _options(
            strategies=_names(strategies),
            seeds=seeds,
            first_seed=first_seed,
            hours=hours,
            demand=demand.value,
            nodes=nodes.value,
            every_s=every,
            min_confidence=min_confidence,
            own_payment_worth_ppm=own_payment_worth_ppm,
        )
        options = _with_model(options, model, settings.data.dir, Path(scratch), quiet=as_json)
        with interruptible(
            "worlds",
            seeds,
            quiet=as_json,
            greeting=f"simulating {seeds:,} worlds under each strategy; Ctrl-C ends early and keeps what is done",
            farewell="stopping: the worlds under way are finished and compared",
        ) as (advance, stopped):
            found = run(options, processes=processes, progress=advance, stopped=stopped)
    if not found.seeds:
        typer.echo("stopped before any seed was done; there is nothing to compare", err=True)
        raise typer.Exit(1)
    text = render(found)
    document = _as_json(found)
    if out is not None:
        write_results(out, text, document, name="comparison")
    typer.echo(document if as_json else text, nl=False)


@app.command(epilog="Example: lens lab fidelity --graph graph.json.gz --cloth cloth/cloth --out found")
def fidelity(
    ctx: typer.Context,
    *,
    graph: Annotated[
        str | None, typer.Option(help="Snapshot of the network for a1 and a2: a graph file, or synthetic:NODES.")
    ] = None,
    cloth: Annotated[
        Path | None,
        typer.Option(help="CLoTH's program with its CSV files beside it, to run it; or their folder alone."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Studies, separated by commas: cloth, a1, a2, a4. Without it: all with data.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=50, help="Repetitions of cloth and a4.")] = 3,
    samples: Annotated[int, typer.Option(min=2, max=100_000, help="Max-flows per network of a1.")] = 512,
    pairs: Annotated[int, typer.Option(min=2, max=1_000_000, help="Payments per amount and sender of a2.")] = 1_000,
    payments: Annotated[int, typer.Option(min=10, max=1_000_000, help="Payments per run of cloth.")] = 5_000,
    out: Annotated[
        Path | None, typer.Option(help="Directory for fidelity.md and fidelity.json; they are replaced.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Markdown page whose tables, marked as in docs/explanation/fidelity.md, are replaced."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")] = False,
) -> None:
    """Run published results again and print ours beside them, with a verdict for each.

    cloth: CLoTH's success, searches, hops and fees on its own data. a1: the
    greatest flow between random nodes. a2: success against amount, with and
    without splitting. a4: how a replenished network depletes.
    """
    invocation(ctx).start()
    from lightninglens.lab.fidelity import FidelityOptions, render, run_fidelity
    from lightninglens.storage.files.codec import to_json

    require_no_file(out)
    options = FidelityOptions(
        studies=_studies(only, graph=graph, cloth=cloth),
        graph=graph,
        cloth=cloth,
        seeds=seeds,
        flow_samples=samples,
        pairs=pairs,
        cloth_payments=payments,
    )
    page = None if write is None else _page(write)
    found = run_fidelity(options, say=lambda text: None if as_json else typer.echo(text, err=True))
    text, document = render(found), to_json(found).decode()
    if out is not None:
        write_results(out, text, document, name="fidelity")
    if write is not None and page is not None:
        _replace_tables(write, page, found)
    typer.echo(document if as_json else text, nl=False)


def _studies(only: str | None, *, graph: str | None, cloth: Path | None) -> "tuple[Study, ...]":
    """Return the studies asked for, or those whose data are at hand."""
    from lightninglens.lab.fidelity.options import NEEDS_GRAPH, Study

    if only is None:
        lacking = {*(NEEDS_GRAPH if graph is None else ()), *((Study.CLOTH,) if cloth is None else ())}
        return tuple(study for study in Study if study not in lacking)
    try:
        return tuple(Study(name) for name in _names(only))
    except ValueError as problem:
        raise ConfigError(f"--only: {problem}; there are {', '.join(Study)}") from None


def _page(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"--write: {path} cannot be read: {problem}") from None


def _replace_tables(path: Path, page: str, found: "Fidelity") -> None:
    from lightninglens.lab.fidelity.report import fill_page
    from lightninglens.storage.files.atomic import atomic_writer

    with atomic_writer(path) as file:
        file.write(fill_page(page, found).encode())
    typer.echo(f"written: {path}", err=True)


def _names(strategies: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in strategies.split(",") if name.strip())


def _options(*, demand: str, nodes: str, **values: Any) -> "CompareOptions":
    from lightninglens.lab.compare.options import ActingNodes, ComparedDemand, CompareOptions

    try:
        return CompareOptions(demand=ComparedDemand(demand), nodes=ActingNodes(nodes), **values)
    except ValueError as problem:
        raise ConfigError(str(problem)) from None


def _with_model(
    options: "CompareOptions", model: str | None, data_dir: Path, scratch: Path, *, quiet: bool
) -> "CompareOptions":
    """Return the options with the directory of a checked model, if a strategy needs one."""
    from dataclasses import replace

    from lightninglens.lab.compare.strategies import LEARNED
    from lightninglens.storage.models import FOLDER, ModelStore

    if LEARNED not in options.strategies:
        if model is not None:
            raise ConfigError("--model is for the strategy `learned`, which is not among --strategies")
        return options
    if model is None:
        return replace(options, model=str(_train(options, scratch, quiet=quiet)))
    store = ModelStore(data_dir / FOLDER)
    card, _, _ = store.open(model)
    directory = Path(model) if Path(model).is_dir() else store.directory / model
    return replace(options, model=str(directory.resolve()), own_payment_worth_ppm=card.own_payment_worth_ppm)


def _train(options: "CompareOptions", scratch: Path, *, quiet: bool) -> Path:
    """Train a model in worlds of the same demand that are compared nowhere, and return its directory."""
    from lightninglens.core.clock import SystemClock
    from lightninglens.lab.learning.bootstrap import SimulatedLab, train_in_simulation
    from lightninglens.learn.dataset import DatasetOptions
    from lightninglens.storage.models import ModelStore

    lab_kind = SimulatedLab(demand=options.demand.model(), demand_name=options.demand.value)
    trained = train_in_simulation(
        created_ns=SystemClock().now_ns(),
        lab=lab_kind,
        options=DatasetOptions(own_payment_worth_ppm=options.own_payment_worth_ppm),
        command="lens lab compare",
        progress=lambda text: None if quiet else typer.echo(text, err=True),
    )
    return ModelStore(scratch).save(trained.card, trained.estimators)


def _as_json(found: "Comparison") -> str:
    from lightninglens.storage.files.codec import to_json

    return to_json(found).decode()


app.command(epilog="Example: lens lab ego --graph synthetic:300 --node 02ab... --radius 2 --fee-factor 2 --json")(ego)
app.command(epilog="Example: lens lab missed --seeds 30 --out found")(missed)
app.command(epilog="Example: lens lab record --hours 48 --out history")(record)
app.command(epilog="Example: lens lab failures --seeds 10 --json")(failures)
