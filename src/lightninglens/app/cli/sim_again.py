"""`lens sim resume` and `lens sim fork`: a run that was stopped goes on, as it was or otherwise."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import invocation
from lightninglens.app.cli.progress import interruptible
from lightninglens.app.cli.run_answer import answer
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightninglens.lab.batch import RunResult
    from lightninglens.lab.scenarios import OpenedScenario
    from lightninglens.lab.what_if import NodeForwards
    from lightninglens.sim.counterfactual import AddedLiquidity
    from lightninglens.sim.scenario import Scenario

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
StoppedRun = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run that was stopped.")]
GraphFile = Annotated[str | None, typer.Option(help="Graph file, where the run was made on one.")]
PaymentListFile = Annotated[Path | None, typer.Option(help="CSV of payments, where the run was made on one.")]
BalancesFile = Annotated[Path | None, typer.Option(help="CSV of balances, where the run was made on one.")]
Until = Annotated[
    float | None, typer.Option(min=0.001, max=4e9, help="World seconds after which to stop; default: the end.")
]

BASE, FORK = "base", "fork"


def until_ns_of(scenario: "Scenario", until_s: float | None) -> int:
    """Return the time after so many seconds of the world; a time after everything for None."""
    from lightninglens.core.units import NS_PER_SECOND
    from lightninglens.sim.engine import FOREVER_NS

    if until_s is None:
        return FOREVER_NS
    return round((scenario.world.start_unix_s + until_s) * NS_PER_SECOND)


def resume(
    ctx: typer.Context,
    run: StoppedRun,
    *,
    out: Annotated[Path | None, typer.Option(help="Directory to write the whole run to; default: RUN itself.")] = None,
    until: Until = None,
    graph: GraphFile = None,
    payment_list: PaymentListFile = None,
    balances_file: BalancesFile = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was stopped, by Ctrl-C or --until.

    The result is, to the byte, the run that was never stopped.
    """
    invocation(ctx).start()
    from lightninglens.lab.report import write_report

    target = run if out is None else out
    opened = _opened(run, graph, payment_list, balances_file)
    until_ns = until_ns_of(opened.scenario, until)
    result = _go_on(run, opened, target, (), until_ns, words="resuming", quiet=as_json)
    answer(result, target, write_report(target), as_json=as_json)


def fork(
    ctx: typer.Context,
    run: StoppedRun,
    *,
    out: Annotated[Path, typer.Option(help=f"Directory for both runs, {BASE} and {FORK}, each with its report.")],
    add_liquidity: Annotated[
        list[str],
        typer.Option(
            metavar="CHANNEL:NODE:SAT",
            help="A node's side of a channel has so much more, or less if below 0; the network is not told."
            " May be repeated.",
        ),
    ],
    node: Annotated[
        list[str] | None,
        typer.Option(help="Id or alias of a further node whose forwards and fees are shown; may be repeated."),
    ] = None,
    until: Until = None,
    graph: GraphFile = None,
    payment_list: PaymentListFile = None,
    balances_file: BalancesFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a stopped run go on twice, as it was and with other liquidity, and compare.

    Both have the same past and the same payments ahead of them.
    """
    invocation(ctx).start()
    from lightninglens.core.lookup import Lookup
    from lightninglens.lab.report import write_report
    from lightninglens.lab.what_if import checkpoint_time_ns, forwards_of_run, parse_added_liquidity
    from lightninglens.storage.files.runs import check_target

    opened = _opened(run, graph, payment_list, balances_file)
    network, time_ns = opened.world.graph, checkpoint_time_ns(run)
    changes = tuple(parse_added_liquidity(text, network, time_ns=time_ns) for text in add_liquidity)
    lookup = Lookup(network)
    shown = [lookup.node(text) for text in (*(change.node_id for change in changes), *(node or ()))]
    shown = list(dict.fromkeys(shown))
    targets = {BASE: out / BASE, FORK: out / FORK}
    if run.resolve() in {target.resolve() for target in targets.values()}:
        raise ConfigError(f"{run} would be written over; name another directory with --out")
    for target in targets.values():
        check_target(target)
    until_ns = until_ns_of(opened.scenario, until)
    results: dict[str, RunResult] = {}
    for name, made in ((FORK, changes), (BASE, ())):
        results[name] = _go_on(run, opened, targets[name], made, until_ns, words=f"{name}: simulating", quiet=as_json)
        write_report(targets[name])
        if not results[name].manifest.complete and until is None:
            typer.echo("stopped: there is nothing to compare", err=True)
            raise typer.Exit(1)
    earned = {name: forwards_of_run(target, network, shown) for name, target in targets.items()}
    _answer_fork(results, earned, targets, as_json=as_json)


def _opened(run: Path, graph: str | None, payment_list: Path | None, balances_file: Path | None) -> "OpenedScenario":
    from lightninglens.lab.scenarios import reopen_scenario
    from lightninglens.storage.files.runs import read_manifest

    manifest = read_manifest(run)
    if manifest.complete:
        raise ConfigError(f"{run} is complete: only a run that was stopped, by Ctrl-C or --until, can go on")
    return reopen_scenario(manifest.scenario, graph=graph, payment_list=payment_list, balances=balances_file)


def _go_on(
    run: Path,
    opened: "OpenedScenario",
    target: Path,
    changes: "Sequence[AddedLiquidity]",
    until_ns: int,
    *,
    words: str,
    quiet: bool,
) -> "RunResult":
    from lightninglens.lab.batch import resume_run

    with interruptible(
        "payments",
        opened.scenario.payments,
        quiet=quiet,
        greeting=f"{words} {opened.scenario.payments:,} payments; Ctrl-C ends early and keeps what was computed",
        farewell="stopping: what was computed is being written",
    ) as (advance, stopped):
        return resume_run(
            run,
            opened.world.graph,
            target,
            opener_side=opened.world.opener_side,
            demand=opened.demand,
            changes=changes,
            until_ns=until_ns,
            progress=advance,
            stopped=stopped,
        )


def _answer_fork(
    results: "dict[str, RunResult]",
    earned: "dict[str, tuple[NodeForwards, ...]]",
    targets: dict[str, Path],
    *,
    as_json: bool,
) -> None:
    if as_json:
        facts: dict[str, Any] = {
            name: {
                "payments": result.summary.payments,
                "succeeded": result.summary.succeeded,
                "success_rate": result.summary.success_rate,
                "fees_msat_total": result.summary.fees_msat_total,
                "nodes": [asdict(node) for node in earned[name]],
                "complete": result.manifest.complete,
                "run": str(targets[name]),
            }
            for name, result in sorted(results.items())
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    base, fork_ = results[BASE].summary, results[FORK].summary
    rows = [
        ("payments that succeeded", base.succeeded, fork_.succeeded),
        ("fees that all earned, sat", base.fees_msat_total // 1000, fork_.fees_msat_total // 1000),
    ]
    for before, after in zip(earned[BASE], earned[FORK], strict=True):
        name = before.alias or before.node_id[:12]
        rows.append((f"{name}: forwards", before.forwards, after.forwards))
        rows.append((f"{name}: sent on, sat", before.volume_msat // 1000, after.volume_msat // 1000))
        rows.append((f"{name}: fees, sat", before.fees_msat // 1000, after.fees_msat // 1000))
    typer.echo(f"{'':<40}{'base':>16}{'fork':>16}{'difference':>16}")
    for name, was, now in rows:
        typer.echo(f"{name:<40}{was:>16,}{now:>16,}{now - was:>+16,}")
    typer.echo(f"reports: {targets[BASE] / 'report.html'}, {targets[FORK] / 'report.html'}")
