"""`lens config`: the settings in effect."""

import json
from typing import Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app

app = new_app(help="Show the settings in effect and where each came from.")


@app.callback()
def config() -> None:
    """Show the settings in effect and where each came from."""


@app.command(epilog="Example: lens config show --json")
def show(
    ctx: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Show every setting: its value and whether default, file, environment or command line set it."""
    loaded = invocation(ctx).start()
    values = loaded.settings.model_dump(mode="json")
    rows = [
        (key, values[key.partition(".")[0]][key.partition(".")[2]], origin) for key, origin in loaded.origins.items()
    ]
    if as_json:
        report = {key: {"value": value, "origin": origin} for key, value, origin in rows}
        typer.echo(json.dumps({"file": str(loaded.file) if loaded.file else None, "settings": report}, indent=2))
        return
    typer.echo(f"settings file: {loaded.file or 'none'}")
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        typer.echo(f"{key:<{width}} = {json.dumps(value)}" + ("" if origin == "default" else f"  ({origin})"))
