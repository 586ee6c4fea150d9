"""`lens sim`: run a scenario on any graph, report on a run, export it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.progress import interruptible
from lightninglens.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from lightninglens.lab.batch import RunResult
    from lightninglens.sim.scenario import Scenario

app = new_app(
    help="Simulate payments on any graph, and report.",
    epilog="Example: lens sim run --graph graph.json.gz --payments 20000 --seed 7 --out run",
)

DEFAULT_PAYMENTS = 10_000


class Demand(StrEnum):
    """Who wants to pay whom."""

    ROLES = "roles"
    SETTLEMENTS = "settlements"
    UNIFORM = "uniform"


class Balances(StrEnum):
    """How channels' liquidity is shared at the start."""

    UNIFORM = "uniform"
    BIMODAL = "bimodal"
    BALANCED = "balanced"
    OPENER = "opener"


AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run.")]


@app.command(epilog="Example: lens sim run --graph graph.json.gz --payments 20000 --seed 7 --out run --json")
def run(
    ctx: typer.Context,
    *,
    out: Annotated[Path, typer.Option(help="Directory to write the run to; an earlier run there is replaced.")],
    graph: Annotated[
        str | None,
        typer.Option(help="Graph file, or lab, lab-drawn, synthetic:NODES. Default: a synthetic network of 1,000."),
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(
            help="Scenario file, or manifest.json of a run to repeat; takes the place of the options that describe one."
        ),
    ] = None,
    payments: Annotated[int | None, typer.Option(min=1, max=10_000_000, help="How many payments.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Same seed, same run.")] = None,
    demand: Annotated[
        Demand | None,
        typer.Option(
            help="roles: hot receivers, drift, time of day; settlements: money that comes back;"
            " uniform: small random payments."
        ),
    ] = None,
    balances: Annotated[Balances | None, typer.Option(help="How liquidity starts.")] = None,
    snapshot_every: Annotated[
        int | None, typer.Option(min=0, help="Seconds between channel snapshots; 0: none.")
    ] = None,
    observe: Annotated[
        list[str] | None, typer.Option(help="Node id whose HTLC events are kept; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate payments HTLC by HTLC, and write the run with its report.

    Ctrl-C ends the run early and keeps what was computed.
    """
    invocation(ctx).start()
    from lightninglens.lab.batch import run_scenario
    from lightninglens.lab.report import write_report
    from lightninglens.lab.worlds import open_world, reopen_world
    from lightninglens.storage.files.runs import check_target

    given: dict[str, Any] = {
        "--payments": payments,
        "--seed": seed,
        "--demand": demand,
        "--balances": balances,
        "--snapshot-every": snapshot_every,
        "--observe": observe or None,
    }
    check_target(out)
    if scenario is not None:
        _refuse_with_scenario(given)
        made = _read_scenario(scenario)
        world = reopen_world(made.graph, seed=made.seed, file=graph)
    else:
        world = open_world(graph or "synthetic", seed=seed or 0)
        made = _scenario(world.source, graph or "synthetic", given)
    with interruptible(
        "payments",
        made.payments,
        quiet=as_json,
        greeting=f"simulating {made.payments:,} payments; Ctrl-C ends early and keeps what was computed",
        farewell="stopping: what was computed is being written",
    ) as (advance, stopped):
        try:
            result = run_scenario(
                made, world.graph, out, opener_side=world.opener_side, progress=advance, stopped=stopped
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
    path = write_report(out)
    _answer(result, out, path, as_json=as_json)


def _refuse_with_scenario(given: dict[str, object]) -> None:
    both = [name for name, value in given.items() if value is not None]
    if both:
        raise ConfigError(f"--scenario says everything, so {', '.join(both)} cannot stand beside it")


def _read_scenario(path: Path) -> "Scenario":
    from lightninglens.sim.scenario import Scenario
    from lightninglens.storage.files.codec import read_record
    from lightninglens.storage.files.runs import MANIFEST, Manifest

    return read_record(Manifest, path).scenario if path.name == MANIFEST else read_record(Scenario, path)


def _scenario(source: Any, name: str, given: dict[str, Any]) -> "Scenario":
    from lightninglens.sim.balances import BalanceModel
    from lightninglens.sim.demand import named_demand
    from lightninglens.sim.scenario import Scenario

    return Scenario(
        name=Path(name).name,
        seed=given["--seed"] or 0,
        graph=source,
        payments=given["--payments"] or DEFAULT_PAYMENTS,
        balances=BalanceModel(given["--balances"] or Balances.UNIFORM),
        demand=named_demand(given["--demand"] or Demand.ROLES, lab=name.startswith("lab")),
        observed_nodes=tuple(given["--observe"] or ()),
        snapshot_interval_s=given["--snapshot-every"] or 0,
    )


def _answer(result: "RunResult", out: Path, report: Path, *, as_json: bool) -> None:
    summary, timings = result.summary, result.timings
    if as_json:
        from dataclasses import asdict

        facts = asdict(summary) | {
            "complete": result.manifest.complete,
            "conservation_drift_msat": result.conservation_drift_msat,
            "events": result.events,
            "seed": result.manifest.scenario.seed,
            "depletion": [asdict(level) for level in result.depletion],
            "wall_s": timings.wall_s,
            "cpu_s": timings.cpu_s,
            "peak_rss_mb": timings.peak_rss_mb,
            "machine": timings.machine,
            "run": str(out),
            "report": str(report),
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    rate = "no payments" if summary.success_rate is None else f"{100 * summary.success_rate:.2f} %"
    typer.echo(f"{summary.payments:,} payments, {rate} succeeded, {summary.fees_msat_total / 1000:,.0f} sat in fees")
    typer.echo(
        f"conservation drift {result.conservation_drift_msat} msat; {timings.cpu_s:.1f} CPU s, "
        f"{timings.wall_s:.1f} s, {timings.peak_rss_mb:.0f} MB"
    )
    if not result.manifest.complete:
        typer.echo("the run was interrupted and is not complete")
    typer.echo(f"report: {report}")


@app.command(epilog="Example: lens sim report run --json")
def report(ctx: typer.Context, directory: RunDirectory, *, as_json: AsJson = False) -> None:
    """Check a run against its manifest and write its report anew."""
    invocation(ctx).start()
    from dataclasses import asdict

    from lightninglens.lab.report import read_findings, write_report
    from lightninglens.storage.files.runs import read_manifest

    path = write_report(directory)
    if as_json:
        manifest = read_manifest(directory)
        findings = read_findings(directory, manifest)
        facts = asdict(findings.summary) | {"complete": manifest.complete, "report": str(path)}
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"report: {path}")


@app.command(epilog="Example: lens sim export run --out payments.csv")
def export(
    ctx: typer.Context,
    directory: RunDirectory,
    *,
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write a run as the CSV of 17 columns that the source documents' simulator wrote."""
    invocation(ctx).start()
    from lightninglens.storage.files.csv_export import export_csv

    if out.is_dir():
        raise DataError("this is a directory; name a file", where=str(out))
    rows = export_csv(directory, out)
    typer.echo(json.dumps({"rows": rows, "file": str(out)}) if as_json else f"{rows:,} rows: {out}")
