"""`lens report`: opportunities that were written to a file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app

REPORT_ROWS = 10

app = new_app(help="Show opportunities from a file that `lens analyze` or the documents' program wrote.")


@app.command(epilog="Example: lens report opportunities.json")
def report(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `--output` wrote.")],
    *,
    rows: Annotated[int, typer.Option(min=1, max=10_000, help="How many to show.")] = REPORT_ROWS,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON: the lines as they were understood.")] = False,
) -> None:
    """Show missed routing opportunities from a file."""
    from dataclasses import asdict

    from lightninglens.app.cli.missed_view import show_table
    from lightninglens.app.missed import read_report

    invocation(ctx).start()
    head, found = read_report(file)
    if as_json:
        typer.echo(json.dumps({**head, "rows": [asdict(each) for each in found[:rows]]}, indent=2))
        return
    typer.echo(f"analysis of {head.get('analysis_timestamp', 'an unknown time')}")
    if not found:
        typer.echo("No missed routing opportunities in it")
        return
    show_table(found, most=rows)
    for each in found[:rows]:
        typer.echo(f"{each.channel}: {each.action or each.recommendation}")
