"""`lens serve-lnd`: simulated nodes that answer as LND."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app

if TYPE_CHECKING:
    from lightninglens.app.lnd_nodes import Listening
    from lightninglens.app.serve_lnd import LndService

app = new_app(help="Let simulated nodes answer as LND, for tools written for LND.")


class Demand(StrEnum):
    """What is paid meanwhile."""

    ROLES = "roles"
    SETTLEMENTS = "settlements"
    UNIFORM = "uniform"


@app.command(
    epilog="Examples: lens serve-lnd --lnddir lab-nodes"
    " | lens serve-lnd --node lnd-alice --lnddir alice --speed 10"
    " | lens serve-lnd --graph graph.json.gz --node 'ACINQ' --lnddir acinq --rpc-port 10019."
    " Exit codes: 0 ended by Ctrl-C or by its duration, 1 failed, 2 wrong usage or settings."
)
def serve_lnd(
    ctx: typer.Context,
    *,
    lnddir: Annotated[
        Path, typer.Option(help="LND's directory of the node, or where each of several nodes gets one by its name.")
    ],
    graph: Annotated[
        str | None, typer.Option(help="Graph file, `synthetic` or `synthetic:NODES`; otherwise the five-node lab.")
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option(help="Name or public key of a node to serve; may be repeated. Default: all nodes of the lab."),
    ] = None,
    rpc_port: Annotated[
        int, typer.Option(min=0, max=65_000, help="gRPC port of the first node; the others' follow. 0: any free ones.")
    ] = 10_009,
    rest_port: Annotated[
        int, typer.Option(min=0, max=65_000, help="REST port of the first node; the others' follow. 0: any free ones.")
    ] = 8_080,
    no_rest: Annotated[bool, typer.Option("--no-rest", help="gRPC only.")] = False,
    lnd_version: Annotated[str, typer.Option(help="Version of LND to be: 0.17 to 0.21, with its limits.")] = "0.20",
    speed: Annotated[float | None, typer.Option(help="Simulated seconds per real second.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same payments and keys.")] = None,
    demand: Annotated[Demand | None, typer.Option(help="Who pays whom meanwhile.")] = None,
    duration: Annotated[float | None, typer.Option(help="Simulated seconds to run; 0 is for ever.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print where the nodes are as one line of JSON.")] = False,
) -> None:
    """Let nodes of a simulated network answer as LND, over gRPC and REST, until Ctrl-C.

    Payments run in the network meanwhile. What tools do (fees, rebalances,
    invoices, payments) happens in the simulation, and to nobody's money. Of a
    graph file, a served node gets a key of its own; nodes.json in the directory
    says which.
    """
    import asyncio

    from lightninglens.app.lab import LabOptions
    from lightninglens.app.lnd_nodes import LndOptions
    from lightninglens.app.serve_lnd import LAB, LndService, build_served
    from lightninglens.app.world import WorldOptions
    from lightninglens.nodes.lnd.server.versions import LndVersion

    overrides = {
        "lab.speed": speed,
        "lab.seed": seed,
        "lab.duration_s": duration,
        "lab.demand": demand and demand.value,
    }
    lab = invocation(ctx).start(overrides).settings.lab
    LndVersion.of(lnd_version)
    options = LndOptions(
        folder=lnddir, rpc_port=rpc_port, rest_port=None if no_rest else rest_port, version=lnd_version
    )
    world = WorldOptions(
        topology=lab.topology, opening=lab.opening, capacity_sat=lab.capacity_sat, demand=lab.demand, seed=lab.seed
    )
    service = LndService(
        lambda: build_served(graph or LAB, node or [], world),
        options,
        LabOptions(speed=lab.speed, duration_s=lab.duration_s, snapshot_s=0),
    )
    asyncio.run(_run(service, as_json=as_json))


async def _run(service: "LndService", *, as_json: bool) -> None:
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.stop)
    if not as_json:
        typer.echo("preparing the simulator", err=True)
    try:
        await service.run(lambda listening: _show(listening, as_json=as_json))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _show(listening: "list[Listening]", *, as_json: bool) -> None:
    import json

    from lightninglens.app.lnd_nodes import as_json as to_json

    if as_json:
        typer.echo(json.dumps([to_json(one) for one in listening]))
        return
    for one in listening:
        was = f" (was {one.original_node_id})" if one.original_node_id else ""
        typer.echo(f"{one.name}  {one.node_id}{was}")
        typer.echo(f"  gRPC {one.rpc}  REST {one.rest or 'off'}  network {one.network}  lnddir {one.directory}")
    typer.echo("Ctrl-C ends it")
