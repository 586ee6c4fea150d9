"""`lens profit`: what each channel of a node of one's own earns and costs."""

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.lnd_options import AsJson, DataDir, on_lnd, reading_node

if TYPE_CHECKING:
    from lightninglens.app.profit import ProfitReport
    from lightninglens.nodes.lnd.client import LndOptions

_NS_PER_SECOND = 10**9


class ByOption(StrEnum):
    """What a row is about."""

    CHANNEL = "channel"
    PEER = "peer"
    PAIR = "pair"
    HOUR = "hour"


app = new_app(help="Show what each channel of a node earns and costs, from the node's books and what was recorded.")


@app.command(epilog="Example: lens profit --days 30 --by peer --lnddir ~/.lnd --output profit.csv")
@on_lnd
def profit(
    ctx: typer.Context,
    *,
    days: Annotated[float, typer.Option(min=0.04, max=3_660, help="How many days, for example 7 or 30.")] = 30.0,
    until: Annotated[
        str | None, typer.Option(help="The end of the range, UTC, such as 2026-11-01 or 2026-11-01T12:00; default now.")
    ] = None,
    by: Annotated[ByOption, typer.Option(help="What a row is about; hour is the hour of the week, UTC.")] = (
        ByOption.CHANNEL
    ),
    output: Annotated[
        Path | None, typer.Option(help="Write all rows to this file: CSV, or JSON if it ends so.")
    ] = None,
    data_dir: DataDir = None,
    lnd: "LndOptions",
    as_json: AsJson = False,
) -> None:
    """Show fees earned, what rebalancing and the chain cost, and what is left, for any range of days.

    The node's books tell this for all of the past. How often payments to a peer
    settle, and how long it was there, is known while `lens monitor` runs.
    """
    loaded = invocation(ctx).start({"data.dir": data_dir})
    until_ns = None if until is None else _time_ns(until)
    report = asyncio.run(_report(lnd, loaded.settings.data.dir, days, until_ns, by))
    _show(report, output, as_json=as_json)


def _time_ns(text: str) -> int:
    """Return a moment, UTC where it says nothing else; raises BadParameter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text[:40]!r} is no date: write 2026-11-01 or 2026-11-01T12:00") from None
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(int(at.timestamp()), 1) * _NS_PER_SECOND


async def _report(lnd: "LndOptions", data_dir: Path, days: float, until_ns: int | None, by: ByOption) -> "ProfitReport":
    from lightninglens.app.missed import node_folder
    from lightninglens.app.profit import By, fill_in, profit_report
    from lightninglens.core.clock import SystemClock
    from lightninglens.storage.forwards import FORWARDS_FILE, ForwardStore

    clock = SystemClock()
    async with reading_node(lnd) as (reader, info):
        folder = node_folder(data_dir, info.node_id)
        with ForwardStore(folder / FORWARDS_FILE) as store:
            if problem := await fill_in(store, reader, folder, clock):
                typer.echo(f"not all of the node's books could be read: {problem}", err=True)
            channels = await reader.channels()
            return profit_report(store, channels, now_ns=clock.now_ns(), days=days, by=By(by), until_ns=until_ns)


def _show(report: "ProfitReport", output: Path | None, *, as_json: bool) -> None:
    from lightninglens.app.cli.missed_view import write_json
    from lightninglens.app.cli.profit_view import show_head, show_rows, write_csv
    from lightninglens.app.profit import to_plain

    plain = to_plain(report)
    if not as_json:
        show_head(plain)
        show_rows(plain)
    if output is not None and output.suffix.lower() != ".json":
        write_csv(plain["rows"], output)
        if not as_json:
            typer.echo(f"written: {output}")
        output = None
    write_json(plain, output, as_json=as_json)
