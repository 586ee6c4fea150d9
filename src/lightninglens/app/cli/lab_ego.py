"""`lens lab ego`: the twin of one node, beside the full network."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation
from lightninglens.app.cli.lab_support import demand_of
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.lab.ego import Comparison, NodeChange


def ego(
    ctx: typer.Context,
    *,
    graph: Annotated[str, typer.Option(help="Graph file, or lab, lab-drawn, synthetic:NODES.")] = "synthetic",
    node: Annotated[str, typer.Option(help="Id or alias of the node.")],
    radius: Annotated[int, typer.Option(min=1, max=3, help="Channels from the node to the edge of its twin.")] = 2,
    payments: Annotated[int, typer.Option(min=1, max=1_000_000, help="Payments of the full run.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same answer.")] = 0,
    demand: Annotated[
        str, typer.Option(help="roles, settlements, uniform, micro-2023 or exchange-2025.")
    ] = "micro-2023",
    fee_factor: Annotated[
        float | None, typer.Option(min=0, max=1_000, help="Compare also with the node's fee rates times this.")
    ] = None,
    add_liquidity: Annotated[
        str | None,
        typer.Option(metavar="CHANNEL:SAT", help="Compare also with so much more on the node's side of a channel."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory for the twin, as files that `lens sim run` takes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")] = False,
) -> None:
    """Cut the twin of a node out of a full run, and show what it is off by.

    A twin is the network around the node, with what the full run brought to its
    boundary. It answers in less time what a change to the node would do.
    """
    invocation(ctx).start()
    from lightninglens.core.lookup import Lookup
    from lightninglens.lab.ego import NodeChange, compare, cut, record, save_twin
    from lightninglens.lab.worlds import open_world
    from lightninglens.sim.demand import named_demand
    from lightninglens.sim.scenario import Scenario

    wanted = demand_of(demand)
    world = open_world(graph, seed=seed)
    centre = Lookup(world.graph).node(node)
    changes: dict[str, NodeChange] = {}
    if fee_factor is not None:
        changes[f"fee rates x {fee_factor:g}"] = NodeChange(fee_factor=fee_factor)
    if add_liquidity is not None:
        changes[f"liquidity {add_liquidity}"] = _added(add_liquidity)
    scenario = Scenario(
        name="full run",
        seed=seed,
        graph=world.source,
        payments=payments,
        demand=named_demand(wanted, lab=graph.startswith("lab")),
    )
    base = record(scenario, world.graph, opener_side=world.opener_side)
    try:
        (found,) = compare(base, centre, (radius,), tuple(changes.values()))
        saved = None if out is None else save_twin(cut(base, centre, radius), out)
    except ValueError as problem:
        raise ConfigError(str(problem)) from None
    if as_json:
        facts = asdict(found) | {"runs": ["unchanged", *changes], "scenario": None if saved is None else str(saved)}
        typer.echo(json.dumps(facts, indent=2))
        return
    _show(found, ["unchanged", *changes])
    if saved is not None:
        typer.echo(f"twin: lens sim run {saved} --out run")


def _added(text: str) -> "NodeChange":
    from lightninglens.core.ids import ChannelId
    from lightninglens.lab.ego import NodeChange

    channel, _, amount = text.rpartition(":")
    try:
        return NodeChange(channel_id=ChannelId.parse(channel), added_sat=int(amount))
    except ValueError as problem:
        raise ConfigError(f"{text!r} is not CHANNEL:SAT, like 800000x1x0:2000000 ({problem})") from None


def _show(found: "Comparison", names: list[str]) -> None:
    typer.echo(
        f"radius {found.radius}: {found.nodes:,} nodes, {found.channels:,} channels, {found.payments:,} crossings;"
        f" cut in {found.cut_cpu_s:.2f} CPU s"
    )
    typer.echo(f"{'':<34}{'forwards':>10}{'sent on, sat':>16}{'fees, sat':>12}{'refused':>10}{'CPU s':>8}")
    for number, name in enumerate(names):
        for where, earned, cpu_s in (
            ("full", found.full[number], found.full_cpu_s[number]),
            ("twin", found.twin[number], found.twin_cpu_s[number]),
        ):
            typer.echo(
                f"{f'{name}, {where}':<34}{earned.forwards:>10,}{earned.volume_msat // 1000:>16,}"
                f"{earned.fees_msat // 1000:>12,}{earned.failures:>10,}{cpu_s:>8.2f}"
            )
