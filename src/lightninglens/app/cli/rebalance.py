"""`lens rebalance`: ask a running lab to rebalance."""

from typing import Annotated, Any

import typer

from lightninglens.app.cli.framework import LabDataDir, invocation, new_app

app = new_app(help="Rebalance channels by circular self-payments.")


@app.callback()
def rebalance() -> None:
    """Rebalance channels by circular self-payments."""


@app.command(epilog="Example: lens rebalance baseline --json")
def baseline(
    ctx: typer.Context,
    *,
    data_dir: LabDataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Run the baseline rebalancer once in the running lab, and show what it moved and what that cost."""
    import json

    from lightninglens.app.client import ask_running

    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    report = ask_running(settings.data.dir, settings.service.token_file, "/api/v1/baseline", {})
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    for change in report["changes"]:
        typer.echo(_line(change))
    if not report["changes"]:
        typer.echo("nothing to rebalance")
    if report["reason"]:
        typer.echo(f"left as it is: {report['reason']}")


def _line(change: dict[str, Any]) -> str:
    circle = f"{change['from_node']} -> {change['to_node']} -> ... -> {change['from_node']}"
    if change["executed"]:
        return f"{circle}: moved {change['moved_msat'] // 1000:,} sat for {change['fee_msat'] / 1000:,.3f} sat"
    return f"{circle}: {change['amount_sat']:,} sat not moved: {change['reason']}"
