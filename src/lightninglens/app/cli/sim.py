"""`lens sim`: run a scenario on any graph, report on a run, export it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.progress import interruptible
from lightninglens.app.cli.run_answer import answer
from lightninglens.app.cli.sim_again import fork, resume, until_ns_of
from lightninglens.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from lightninglens.lab.scenarios import OpenedScenario
    from lightninglens.storage.files.scenarios import ScenarioFile

app = new_app(
    help="Simulate payments on any graph, and report.",
    epilog="Example: lens sim run --graph graph.json.gz --payments 20000 --seed 7 --out run",
)


class Demand(StrEnum):
    """Who wants to pay whom."""

    ROLES = "roles"
    SETTLEMENTS = "settlements"
    UNIFORM = "uniform"
    MICRO_2023 = "micro-2023"
    EXCHANGE_2025 = "exchange-2025"


class Balances(StrEnum):
    """How channels' liquidity is shared at the start."""

    UNIFORM = "uniform"
    BIMODAL = "bimodal"
    BIMODAL_LND = "bimodal-lnd"
    BALANCED = "balanced"
    OPENER = "opener"


class Senders(StrEnum):
    """How all nodes look for their routes."""

    LND = "lnd"
    LND_BIMODAL = "lnd-bimodal"
    FLOW = "flow"


DEFAULT_GRAPH = "synthetic"

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run.")]


@app.command(epilog="Example: lens sim run lab-day --seed 7 --out run --json")
def run(
    ctx: typer.Context,
    scenario_file: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCENARIO]",
            help="Scenario file (.toml), or the name of a ready one (`lens sim scenarios`)."
            " Options beside it take the place of its keys.",
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Directory to write the run to; an earlier run there is replaced.")],
    graph: Annotated[
        str | None,
        typer.Option(help="Graph file, or lab, lab-drawn, synthetic:NODES. Default: a synthetic network of 1,000."),
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(
            help="Scenario as JSON, or manifest.json of a run to repeat; takes the place of the options that describe"
            " one. Files that it names are given with --graph, --payment-list and --balances-file."
        ),
    ] = None,
    payments: Annotated[int | None, typer.Option(min=1, max=10_000_000, help="How many payments.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Same seed, same run.")] = None,
    demand: Annotated[
        Demand | None,
        typer.Option(
            help="roles: hot receivers, drift, time of day; settlements: money that comes back;"
            " uniform: small random payments; micro-2023, exchange-2025: wallets, merchants, exchanges, with the rate"
            " and the mean amount of those years."
        ),
    ] = None,
    payment_list: Annotated[
        Path | None, typer.Option(help="CSV of payments, in place of drawn ones: docs/reference/scenarios.md.")
    ] = None,
    balances: Annotated[Balances | None, typer.Option(help="How liquidity starts.")] = None,
    balances_file: Annotated[
        Path | None, typer.Option(help="CSV of known balances; --balances has the other channels'.")
    ] = None,
    senders: Annotated[
        Senders | None,
        typer.Option(help="How all nodes look for routes: LND's search with either estimator; flow needs its extra."),
    ] = None,
    snapshot_every: Annotated[
        int | None, typer.Option(min=0, help="Seconds between channel snapshots; 0: none.")
    ] = None,
    observe: Annotated[
        list[str] | None, typer.Option(help="Id or alias of a node whose HTLC events are kept; may be repeated.")
    ] = None,
    until: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=4e9,
            help="World seconds after which the run stops and leaves a checkpoint, for `lens sim resume` and `fork`.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate payments HTLC by HTLC, and write the run with its report.

    Ctrl-C ends the run early and keeps what was computed, with a checkpoint.
    """
    invocation(ctx).start()
    from lightninglens.lab.batch import run_scenario
    from lightninglens.lab.report import write_report
    from lightninglens.storage.files.runs import check_target

    given: dict[str, Any] = {
        "--payments": payments,
        "--seed": seed,
        "--demand": demand,
        "--balances": balances,
        "--senders": senders,
        "--snapshot-every": snapshot_every,
        "--observe": observe or None,
    }
    check_target(out)
    if scenario is not None:
        _refuse_with_scenario(given | {"SCENARIO": scenario_file})
        opened = _reopened(scenario, graph, payment_list, balances_file)
    else:
        opened = _opened(scenario_file, graph, payment_list, balances_file, given)
    made = opened.scenario
    with interruptible(
        "payments",
        made.payments,
        quiet=as_json,
        greeting=f"simulating {made.payments:,} payments; Ctrl-C ends early and keeps what was computed",
        farewell="stopping: what was computed is being written",
    ) as (advance, stopped):
        try:
            result = run_scenario(
                made,
                opened.world.graph,
                out,
                opener_side=opened.world.opener_side,
                demand=opened.demand,
                node1_local_msat=opened.node1_local_msat,
                until_ns=until_ns_of(made, until),
                progress=advance,
                stopped=stopped,
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
    path = write_report(out)
    answer(result, out, path, as_json=as_json)


def _refuse_with_scenario(given: dict[str, object]) -> None:
    both = [name for name, value in given.items() if value is not None]
    if both:
        raise ConfigError(f"--scenario says everything, so {', '.join(both)} cannot stand beside it")


def _reopened(path: Path, graph: str | None, payment_list: Path | None, balances_file: Path | None) -> "OpenedScenario":
    from lightninglens.lab.scenarios import reopen_scenario
    from lightninglens.sim.scenario import Scenario
    from lightninglens.storage.files.codec import read_record
    from lightninglens.storage.files.runs import MANIFEST, Manifest

    made = read_record(Manifest, path).scenario if path.name == MANIFEST else read_record(Scenario, path)
    return reopen_scenario(made, graph=graph, payment_list=payment_list, balances=balances_file)


def _opened(
    name: str | None,
    graph: str | None,
    payment_list: Path | None,
    balances_file: Path | None,
    given: dict[str, Any],
) -> "OpenedScenario":
    """Open a scenario file, or one made of the options alone, with what the options say in place of its keys."""
    from lightninglens.lab.scenarios import open_scenario_file, overridden
    from lightninglens.sim.balances import BalanceModel
    from lightninglens.sim.demand import DemandName, PaymentListFile
    from lightninglens.sim.sender_groups import SenderName
    from lightninglens.storage.files.scenarios import scenario_of_options, senders_of_all

    if name is None:
        graph = graph or DEFAULT_GRAPH
        written = scenario_of_options(Path(graph).name)
    else:
        written = _scenario_file(name)
    if payment_list is not None and given["--demand"] is not None:
        raise ConfigError("--payment-list says who pays whom, so --demand cannot stand beside it")
    demand: Any = given["--demand"] and DemandName(given["--demand"])
    if payment_list is not None:
        demand = PaymentListFile(file=str(payment_list.absolute()), sha256="")
    changed = overridden(
        written,
        graph=graph,
        seed=given["--seed"],
        payments=given["--payments"],
        demand=demand,
        balances=given["--balances"] and BalanceModel(given["--balances"]),
        senders=given["--senders"] and senders_of_all(SenderName(given["--senders"])),
        balances_file=balances_file and str(balances_file.absolute()),
        balances_sha256=balances_file and "",
        observed_nodes=given["--observe"] and tuple(given["--observe"]),
        snapshot_interval_s=given["--snapshot-every"],
    )
    if name is not None:
        for key in ("graph", "seed", "payments", "balances", "balances_file", "snapshot_interval_s"):
            before, after = getattr(written, key), getattr(changed, key)
            if before != after:
                typer.echo(f"{key} {after} in place of the file's {before or 'none'}", err=True)
    return open_scenario_file(changed)


def _scenario_file(name: str) -> "ScenarioFile":
    from lightninglens.lab.scenarios import ready_file
    from lightninglens.storage.files.scenarios import read_scenario_file

    path = Path(name)
    if path.suffix == ".json":
        raise ConfigError(f"{name}: a scenario as JSON is given with --scenario")
    return read_scenario_file(path if path.suffix == ".toml" else ready_file(name))


@app.command(epilog="Example: lens sim scenarios lab-day > my.toml")
def scenarios(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this one's file.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the scenarios that come with LightningLens, or print one, to begin from."""
    invocation(ctx).start()
    from lightninglens.lab.scenarios import ready_file, ready_names
    from lightninglens.storage.files.scenarios import read_scenario_file

    if name is not None:
        typer.echo(ready_file(name).read_text(), nl=False)
        return
    found = {each: read_scenario_file(ready_file(each)) for each in ready_names()}
    if as_json:
        facts = [
            {"name": each, "title": file.name, "about": file.about, "graph": file.graph, "payments": file.payments}
            for each, file in found.items()
        ]
        typer.echo(json.dumps(facts, indent=2))
        return
    for each, file in found.items():
        typer.echo(f"{each}\n    {file.about} Graph: {file.graph or 'yours, with --graph'}.")


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


app.command(epilog="Example: lens sim resume run --out whole --json")(resume)
app.command(epilog="Example: lens sim fork run --out fork --add-liquidity 800000x1x0:lnd-alice:2000000 --json")(fork)
