"""`lens analyze`: what a node of one's own failed to earn, from what was recorded."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.lnd_options import AsJson, DataDir, on_lnd
from lightninglens.app.cli.missed import (
    Chosen,
    LiquidityCost,
    ManageUrl,
    MinFailures,
    MinMissed,
    Output,
    chosen_by,
    connected_node,
    show_report,
)

if TYPE_CHECKING:
    from lightninglens.core.node import NodeInfo
    from lightninglens.core.ports import NodeReader
    from lightninglens.nodes.lnd.client import LndOptions

HELP_UNRECORDED = (
    "No failure was recorded of this node, and LND keeps none: what was missed in the past cannot be known."
    " `lens monitor --duration 24` records from now on"
)

app = new_app(help="Show what a node of one's own failed to earn, from what was recorded.")


@app.command(epilog="Example: lens analyze --hours 24 --lnddir ~/.lnd --output opportunities.json")
@on_lnd
def analyze(
    ctx: typer.Context,
    *,
    hours: Annotated[float, typer.Option(min=0.1, max=24 * 366, help="How far back, for example 24 or 168.")] = 24.0,
    min_failures: MinFailures = 3,
    min_missed_sats: MinMissed = 100,
    liquidity_cost_ppm: LiquidityCost = None,
    output: Output = None,
    data_dir: DataDir = None,
    manage_url: ManageUrl = None,
    lnd: "LndOptions",
    as_json: AsJson = False,
) -> None:
    """Show missed routing opportunities of the last hours.

    Failures are only known for the time in which `lens monitor` or `lens run`
    recorded them: the share of the window that was seen is shown.
    """
    loaded = invocation(ctx).start({"data.dir": data_dir})
    chosen = chosen_by(min_failures, min_missed_sats, liquidity_cost_ppm)
    asyncio.run(_analyze(lnd, loaded.settings.data.dir, hours, chosen, manage_url, output, as_json=as_json))


async def _analyze(
    lnd: "LndOptions",
    data_dir: Path,
    hours: float,
    chosen: Chosen,
    manage_url: str | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    from lightninglens.app.missed import forwards_file
    from lightninglens.core.clock import SystemClock
    from lightninglens.storage.forwards import ForwardStore

    clock = SystemClock()
    async with connected_node(lnd) as (reader, info):
        path = forwards_file(data_dir, info.node_id)
        if not path.exists():
            await _show_settled(reader, info, clock.now_ns(), hours)
            return
        channels = await reader.channels()
        with ForwardStore(path) as store:
            from lightninglens.app.missed import analyse

            report = analyse(
                store,
                channels,
                now_ns=clock.now_ns(),
                hours=hours,
                options=chosen.options,
                liquidity_cost_ppm=chosen.liquidity_cost_ppm,
            )
        await show_report(report, manage_url, output, as_json=as_json)


async def _show_settled(reader: "NodeReader", info: "NodeInfo", now_ns: int, hours: float) -> None:
    """Say what can be known without a record of failures, and what to do."""
    from collections import Counter

    from lightninglens.core.units import NS_PER_HOUR

    typer.echo(HELP_UNRECORDED)
    forwards: Counter[Any] = Counter()
    fees: Counter[Any] = Counter()
    since_ns = int(now_ns - hours * NS_PER_HOUR)
    async for page in reader.forwarding_history(since_ns=since_ns, until_ns=now_ns):
        for each in page.forwards:
            forwards[each.outgoing_channel_id] += 1
            fees[each.outgoing_channel_id] += each.fee_msat
    typer.echo(f"What did settle at {info.alias or info.node_id[:12]} in {hours:g} hours, by outgoing channel:")
    for channel_id, count in forwards.most_common(10):
        typer.echo(f"  {channel_id!s:<20} {count:>8,} forwards {fees[channel_id] / 1_000:>14,.3f} sats in fees")
    if not forwards:
        typer.echo("  nothing")
