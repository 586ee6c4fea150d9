"""What the commands that run a simulation say at the end."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from lightninglens.lab.batch import RunResult


def answer(result: "RunResult", out: Path, report: Path, *, as_json: bool) -> None:
    """Print what a run found."""
    from lightninglens.lab.circulation import netted_share_of_run

    summary, timings = result.summary, result.timings
    netted = netted_share_of_run(out)
    if as_json:
        from dataclasses import asdict

        facts = asdict(summary) | {
            "complete": result.manifest.complete,
            "conservation_drift_msat": result.conservation_drift_msat,
            "events": result.events,
            "seed": result.manifest.scenario.seed,
            "netted_share": netted,
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
    if netted is not None:
        typer.echo(f"{100 * netted:.1f} % of the demand nets out at the nodes; no more can circulate")
    if not result.manifest.complete:
        typer.echo(f"the run is not complete; go on with: lens sim resume {out}")
    typer.echo(f"report: {report}")
