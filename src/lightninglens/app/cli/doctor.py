"""`lens doctor`: what is wrong with this set-up, in words."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app

app = new_app(help="Say in words what is wrong with this set-up.")

_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


@app.command(epilog="Example: lens doctor --node lnd:~/.lnd?network=mainnet")
def doctor(
    ctx: typer.Context,
    *,
    node: Annotated[
        str | None,
        typer.Option(
            help="Also check a node, by reading only: lnd:DIRECTORY, then ?network=, &grpc-host=, &rest-host=,"
            " &tls-cert=, &macaroon=, &transport= as needed."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Check this machine and the settings; each line says what to do. Exit code 1 when something must be mended."""
    from lightninglens.app.doctor import examine
    from lightninglens.core.clock import SystemClock

    clock = SystemClock()
    findings = list(examine(invocation(ctx).config_file, clock))
    if node is not None:
        import asyncio

        from lightninglens.app.node_checks import examine_node

        findings += asyncio.run(examine_node(node, clock))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            mark = typer.style(f"{finding.status:<4}", fg=_COLOURS[finding.status])
            advice = f" -> {finding.advice}" if finding.advice else ""
            typer.echo(f"{mark}  {finding.check:<{width}}  {finding.detail}{advice}")
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(1)
