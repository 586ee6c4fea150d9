"""What `lens analyze` and `lens monitor` share: their options, the node, how a report is shown."""

from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.lnd_options import reading_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lightninglens.analytics.missed.opportunities import OpportunityOptions
    from lightninglens.analytics.missed.report import MissedReport
    from lightninglens.core.node import NodeInfo
    from lightninglens.core.ports import NodeReader
    from lightninglens.core.units import Ppm
    from lightninglens.nodes.lnd.client import LndOptions

LEAST_EVENTS_VERSION = (0, 14, 0)
HELP_OLD = "HTLC monitoring requires LND 0.14+, and this is {version}: only what settled can be shown"
HELP_NOTHING = "No missed routing opportunities found in {hours:g} hours: try a longer window, such as --hours 168"


ManageUrl = Annotated[
    str | None,
    typer.Option(help="lnd-manageJ, for what it knows of each channel; http://localhost:18081 or :8081."),
]
Output = Annotated[Path | None, typer.Option(help="Write the opportunities as JSON to this file.")]
MinFailures = Annotated[int, typer.Option(min=1, help="Leave out channels with fewer failures.")]
MinMissed = Annotated[int, typer.Option(min=0, help="Leave out channels below this missed revenue, in sat.")]
LiquidityCost = Annotated[
    int | None,
    typer.Option(
        min=0, max=1_000_000, help="What bringing liquidity costs, in ppm; otherwise what the node's rebalances did."
    ),
]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is worth showing, and what bringing liquidity is said to cost; None: what the node itself has paid."""

    options: "OpportunityOptions"
    liquidity_cost_ppm: "Ppm | None"


def chosen_by(min_failures: int, min_missed_sat: int, liquidity_cost_ppm: int | None) -> Chosen:
    """Return what the options of the command line choose."""
    from lightninglens.analytics.missed.opportunities import OpportunityOptions
    from lightninglens.core.units import Ppm

    options = OpportunityOptions(min_failures=min_failures, min_missed_sat=min_missed_sat)
    return Chosen(options, None if liquidity_cost_ppm is None else Ppm(liquidity_cost_ppm))


async def show_report(report: "MissedReport", manage_url: str | None, output: Path | None, *, as_json: bool) -> None:
    """Show a report as a table or as JSON, and write it where that is wanted."""
    from lightninglens.analytics.missed.report import row_of, to_plain
    from lightninglens.app.cli.missed_view import show_coverage, show_table, write_json

    plain = to_plain(report)
    if manage_url is not None:
        plain["managed"] = await _managed(manage_url, plain)
    if not as_json:
        if report.coverage is not None:
            show_coverage(report.coverage)
        if report.opportunities:
            show_table([row_of(each) for each in plain["opportunities"]])
            for each in report.opportunities[:5]:
                typer.echo(f"{each.channel_id}: {each.recommended_action}")
        else:
            typer.echo(HELP_NOTHING.format(hours=report.window_hours))
    write_json(plain, output, as_json=as_json)


async def _managed(url: str, plain: dict[str, Any]) -> dict[str, Any]:
    """Return what lnd-manageJ knows of the channels of a report; where it does not answer, why."""
    from lightninglens.core.errors import LensError
    from lightninglens.core.ids import ChannelId
    from lightninglens.nodes.lnd.client import LndManageClient

    found: dict[str, Any] = {}
    try:
        async with LndManageClient(url) as client:
            for each in plain["opportunities"]:
                channel_id = ChannelId.parse(each["channel_id"])
                found[each["channel_id"]] = await client.flow(channel_id, days=30)
    except LensError as problem:
        return {"problem": str(problem)}
    return found


@asynccontextmanager
async def connected_node(options: "LndOptions") -> "AsyncIterator[tuple[NodeReader, NodeInfo]]":
    """Connect to the node, and say what it cannot tell."""
    from lightninglens.nodes.lnd.client.versions import LndVersion

    async with reading_node(options) as (reader, info):
        version = LndVersion.parse(info.version)
        if version.numbers is not None and version.numbers < LEAST_EVENTS_VERSION:
            typer.echo(HELP_OLD.format(version=version.shown), err=True)
        yield reader, info
