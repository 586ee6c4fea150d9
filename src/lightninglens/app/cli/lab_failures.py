"""`lens lab failures`: how well one can tell that the next HTLC will be refused."""

from pathlib import Path
from typing import Annotated

import typer

from lightninglens.app.cli.framework import invocation
from lightninglens.app.cli.lab_support import demand_of, require_no_file, require_some, show_results
from lightninglens.app.cli.progress import interruptible


def failures(
    ctx: typer.Context,
    *,
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="How many worlds.")] = 10,
    first_seed: Annotated[int, typer.Option(min=0, max=2**62, help="The first; the others follow.")] = 1,
    graph: Annotated[str, typer.Option(help="Graph file, or synthetic:NODES.")] = "synthetic:500",
    payments: Annotated[int, typer.Option(min=1_000, max=10_000_000, help="Payments of each whole network.")] = 60_000,
    demand: Annotated[
        str, typer.Option(help="roles, settlements, uniform, micro-2023 or exchange-2025.")
    ] = "exchange-2025",
    processes: Annotated[int, typer.Option(min=1, max=256, help="Worlds at a time.")] = 2,
    out: Annotated[
        Path | None, typer.Option(help="Directory for failures.md and failures.json; they are replaced.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")] = False,
) -> None:
    """Score how well one can tell that the next HTLC will be refused for want of balance.

    Of each world one node is watched. A model learns from the earlier half of its
    attempts; on the later half it is held against the channel's plain rate, the
    balance last seen, and LND's own two estimators.
    """
    invocation(ctx).start()
    from lightninglens.lab.failures import FailureOptions, render, score_failures

    require_no_file(out)
    options = FailureOptions(
        seeds=seeds, first_seed=first_seed, graph=graph, payments=payments, demand=demand_of(demand)
    )
    with interruptible(
        "worlds",
        seeds,
        quiet=as_json,
        greeting=f"simulating {seeds:,} worlds; Ctrl-C ends early and keeps what is done",
        farewell="stopping: the worlds under way are finished",
    ) as (advance, stopped):
        found = score_failures(options, processes=processes, progress=advance, stopped=stopped)
    require_some(found.seeds)
    show_results(found, render(found), out, name="failures", as_json=as_json)
