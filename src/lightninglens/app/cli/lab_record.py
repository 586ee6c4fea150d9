"""`lens lab record`: the history of a simulated node, as `lens run` would have recorded it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation
from lightninglens.app.cli.progress import interruptible
from lightninglens.app.cli.up import Demand
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.app.world import World


def record(
    ctx: typer.Context,
    *,
    out: Annotated[Path, typer.Option(help="Directory for forwards.db and node.json; it must hold neither.")],
    hours: Annotated[float, typer.Option(min=0.2, max=24 * 366, help="World time.")] = 48.0,
    graph: Annotated[str | None, typer.Option(help="Graph file, or synthetic:NODES; otherwise the lab.")] = None,
    node: Annotated[
        str | None, typer.Option(help="Name or key of the node; otherwise the one with most capacity.")
    ] = None,
    demand: Annotated[
        Demand, typer.Option(help="Nodes with habits, large payments whose money comes back, or any two at random.")
    ] = Demand.SETTLEMENTS,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="The same seed gives the same history.")] = 1,
) -> None:
    """Record a simulated node for some days of its time, within seconds.

    `lens run --node replay:OUT/forwards.db` shows it, and rules for alerts can be tried on it.
    """
    invocation(ctx).start()
    from lightninglens.core.units import NS_PER_HOUR
    from lightninglens.lab.missed.history import WINDOW_NS, record_history
    from lightninglens.storage.forwards import FORWARDS_FILE

    world = _world(graph, demand, seed)
    row = _row(world, node)
    windows = int(hours * NS_PER_HOUR) // WINDOW_NS
    with interruptible(
        "windows",
        windows,
        quiet=False,
        greeting=f"recording {world.names[row]} for {hours:g} hours of its time; Ctrl-C ends early",
        farewell="stopping",
    ) as (advance, stopped):
        attempts = record_history(
            world.engine,
            world.draw,
            row,
            out / FORWARDS_FILE,
            hours=hours,
            drawn_until_ns=world.drawn_until_ns,
            progress=lambda done: advance(done, windows),
            stopped=stopped,
        )
    typer.echo(f"written: {out / FORWARDS_FILE}, {attempts:,} attempts to forward by {world.names[row]}")


def _world(graph: str | None, demand: Demand, seed: int) -> "World":
    from lightninglens.app.world import WorldOptions, build_from_graph, build_lab
    from lightninglens.lab.worlds import open_world

    options = WorldOptions(demand=demand.value, seed=seed)
    if graph is None:
        return build_lab(options)
    found = open_world(graph, seed=seed)
    return build_from_graph(found.graph, found.source.name or found.format, options)


def _row(world: "World", node: str | None) -> int:
    import numpy as np

    graph = world.graph
    if node is None:
        capacity_sat = np.bincount(graph.node1, graph.capacity_sat, graph.node_count)
        capacity_sat += np.bincount(graph.node2, graph.capacity_sat, graph.node_count)
        return int(capacity_sat.argmax())
    for row, (name, node_id) in enumerate(zip(world.names, graph.node_ids, strict=True)):
        if node in {name, str(node_id)}:
            return row
    raise ConfigError(f"--node {node[:70]!r}: there is no such node in this network")
