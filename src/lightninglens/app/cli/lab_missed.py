"""`lens lab missed`: missed revenue held against the truth."""

from pathlib import Path
from typing import Annotated

import typer

from lightninglens.app.cli.framework import invocation
from lightninglens.app.cli.lab_support import demand_of, require_no_file, require_some, show_results
from lightninglens.app.cli.progress import interruptible


def missed(
    ctx: typer.Context,
    *,
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="How many worlds.")] = 30,
    first_seed: Annotated[int, typer.Option(min=0, max=2**62, help="The first; the others follow.")] = 1,
    graph: Annotated[str, typer.Option(help="Graph file, or synthetic:NODES.")] = "synthetic:1000",
    payments: Annotated[int, typer.Option(min=1_000, max=10_000_000, help="Payments of each whole network.")] = 100_000,
    demand: Annotated[
        str, typer.Option(help="roles, settlements, uniform, micro-2023 or exchange-2025.")
    ] = "exchange-2025",
    radius: Annotated[int, typer.Option(min=1, max=3, help="Channels from the node to the edge of its twin.")] = 1,
    least_payments: Annotated[
        int, typer.Option(min=1, help="Refused payments below which a channel is left out.")
    ] = 30,
    most_channels: Annotated[int, typer.Option(min=1, max=1_000, help="Of one node: those that refused most.")] = 8,
    processes: Annotated[int, typer.Option(min=1, max=256, help="Worlds at a time.")] = 2,
    out: Annotated[
        Path | None, typer.Option(help="Directory for missed.md and missed.json; they are replaced.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")] = False,
) -> None:
    """Hold missed revenue against the truth, which a simulation can compute and no operator can.

    Of each world one node is watched as its operator could watch it. Then the
    same payments are made again, once per channel, with ample liquidity in that
    one channel: what the node earns more is what it missed.
    """
    invocation(ctx).start()
    from lightninglens.lab.missed.options import MissedOptions
    from lightninglens.lab.missed.report import render
    from lightninglens.lab.missed.run import hold_against_truth

    require_no_file(out)
    options = MissedOptions(
        seeds=seeds,
        first_seed=first_seed,
        graph=graph,
        payments=payments,
        demand=demand_of(demand),
        radius=radius,
        least_payments=least_payments,
        most_channels=most_channels,
    )
    with interruptible(
        "worlds",
        seeds,
        quiet=as_json,
        greeting=f"simulating {seeds:,} worlds; Ctrl-C ends early and keeps what is done",
        farewell="stopping: the worlds under way are finished",
    ) as (advance, stopped):
        found = hold_against_truth(options, processes=processes, progress=advance, stopped=stopped)
    require_some(found.seeds)
    show_results(found, render(found), out, name="missed", as_json=as_json)
