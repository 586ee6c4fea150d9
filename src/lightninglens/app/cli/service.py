"""`lens stop`: end a running lab, or the service over a node."""

import json
from typing import Annotated

import typer

from lightninglens.app.cli.framework import LabDataDir, invocation, new_app

app = new_app(help="End a running lab, or the service over a node, cleanly.")


@app.command(epilog="Example: lens stop --data-dir ~/experiment")
def stop(
    ctx: typer.Context,
    *,
    data_dir: LabDataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """End a running lab, or `lens run`, cleanly, and wait until it has ended (10 seconds at most)."""
    from lightninglens.app.running import folder_that_runs, stop_running

    settings = invocation(ctx).start({"data.dir": data_dir}).settings
    outcome = stop_running(folder_that_runs(settings.data.dir))
    typer.echo(json.dumps({"outcome": outcome}) if as_json else outcome)
