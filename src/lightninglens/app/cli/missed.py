"""`lens analyze` and `lens monitor`: what a node of one's own failed to earn."""

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.lnd_options import (
    GRPC_HOST,
    AllowBroad,
    AsJson,
    DataDir,
    GrpcHost,
    LndDir,
    MacaroonFile,
    Network,
    RestHost,
    Timeout,
    TlsCert,
    Transport,
    TransportOption,
    lnd_options,
    reading_node,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lightninglens.analytics.missed.opportunities import OpportunityOptions
    from lightninglens.analytics.missed.report import MissedReport
    from lightninglens.core.node import NodeInfo
    from lightninglens.core.ports import NodeReader
    from lightninglens.nodes.lnd.client import LndOptions
    from lightninglens.operate.recording import Recording

LEAST_EVENTS_VERSION = (0, 14, 0)
STATISTICS_S = 60.0
HELP_OLD = "HTLC monitoring requires LND 0.14+, and this is {version}: only what settled can be shown"
HELP_NOTHING = "No missed routing opportunities found in {hours:g} hours: try a longer window, such as --hours 168"
HELP_UNRECORDED = (
    "No failure was recorded of this node, and LND keeps none: what was missed in the past cannot be known."
    " `lens monitor --duration 24` records from now on"
)

ManageUrl = Annotated[
    str | None,
    typer.Option(help="lnd-manageJ, for what it knows of each channel; http://localhost:18081 or :8081."),
]
Output = Annotated[Path | None, typer.Option(help="Write the opportunities as JSON to this file.")]
MinFailures = Annotated[int, typer.Option(min=1, help="Leave out channels with fewer failures.")]
MinMissed = Annotated[int, typer.Option(min=0, help="Leave out channels below this missed revenue, in sat.")]
LiquidityCost = Annotated[
    int, typer.Option(min=0, max=1_000_000, help="What bringing liquidity costs, in ppm of the amount.")
]

analyze_app = new_app(help="Show what a node of one's own failed to earn, from what was recorded.")
monitor_app = new_app(help="Record what a node is asked to forward, and show what it failed to earn.")


@analyze_app.command(epilog="Example: lens analyze --hours 24 --lnddir ~/.lnd --output opportunities.json")
def analyze(
    ctx: typer.Context,
    *,
    hours: Annotated[float, typer.Option(min=0.1, max=24 * 366, help="How far back, for example 24 or 168.")] = 24.0,
    min_failures: MinFailures = 3,
    min_missed_sats: MinMissed = 100,
    liquidity_cost_ppm: LiquidityCost = 200,
    output: Output = None,
    data_dir: DataDir = None,
    manage_url: ManageUrl = None,
    lnd_dir: LndDir = None,
    network: Network = None,
    grpc_host: GrpcHost = GRPC_HOST,
    rest_host: RestHost = None,
    tls_cert: TlsCert = None,
    macaroon: MacaroonFile = None,
    transport: Transport = TransportOption.AUTO,
    allow_broad_macaroon: AllowBroad = False,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Show missed routing opportunities of the last hours.

    Failures are only known for the time in which `lens monitor` or `lens run`
    recorded them: the share of the window that was seen is shown.
    """
    loaded = invocation(ctx).start({"data.dir": data_dir})
    options = lnd_options(
        lnd_dir=lnd_dir,
        network=network,
        grpc_host=grpc_host,
        rest_host=rest_host,
        tls_cert=tls_cert,
        macaroon=macaroon,
        transport=transport,
        allow_broad_macaroon=allow_broad_macaroon,
        timeout=timeout,
    )
    chosen = _chosen(min_failures, min_missed_sats, liquidity_cost_ppm)
    asyncio.run(_analyze(options, loaded.settings.data.dir, hours, chosen, manage_url, output, as_json=as_json))


@monitor_app.command(epilog="Example: lens monitor --duration 24 --lnddir ~/.lnd --output opportunities.json")
def monitor(
    ctx: typer.Context,
    *,
    duration: Annotated[float, typer.Option(min=0.001, max=24 * 366, help="How many hours to record.")] = 24.0,
    min_failures: MinFailures = 3,
    min_missed_sats: MinMissed = 100,
    liquidity_cost_ppm: LiquidityCost = 200,
    output: Output = None,
    data_dir: DataDir = None,
    manage_url: ManageUrl = None,
    lnd_dir: LndDir = None,
    network: Network = None,
    grpc_host: GrpcHost = GRPC_HOST,
    rest_host: RestHost = None,
    tls_cert: TlsCert = None,
    macaroon: MacaroonFile = None,
    transport: Transport = TransportOption.AUTO,
    allow_broad_macaroon: AllowBroad = False,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Record what the node is asked to forward, show statistics every minute, and what was missed at the end.

    Ctrl-C ends it early and shows what was seen by then. All of it stays
    recorded for `lens analyze`.
    """
    loaded = invocation(ctx).start({"data.dir": data_dir})
    options = lnd_options(
        lnd_dir=lnd_dir,
        network=network,
        grpc_host=grpc_host,
        rest_host=rest_host,
        tls_cert=tls_cert,
        macaroon=macaroon,
        transport=transport,
        allow_broad_macaroon=allow_broad_macaroon,
        timeout=timeout,
    )
    chosen = _chosen(min_failures, min_missed_sats, liquidity_cost_ppm)
    asyncio.run(_monitor(options, loaded.settings.data.dir, duration, chosen, manage_url, output, as_json=as_json))


def _chosen(min_failures: int, min_missed_sat: int, liquidity_cost_ppm: int) -> "OpportunityOptions":
    from lightninglens.analytics.missed.opportunities import OpportunityOptions
    from lightninglens.core.units import Ppm

    return OpportunityOptions(
        min_failures=min_failures, min_missed_sat=min_missed_sat, liquidity_cost_ppm=Ppm(liquidity_cost_ppm)
    )


async def _analyze(
    options: "LndOptions",
    data_dir: Path,
    hours: float,
    chosen: "OpportunityOptions",
    manage_url: str | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    from lightninglens.app.missed import forwards_file
    from lightninglens.core.clock import SystemClock
    from lightninglens.storage.forwards import ForwardStore

    clock = SystemClock()
    async with _node(options) as (reader, info):
        path = forwards_file(data_dir, info.node_id)
        if not path.exists():
            await _show_settled(reader, info, clock.now_ns(), hours)
            return
        channels = await reader.channels()
        with ForwardStore(path) as store:
            from lightninglens.app.missed import analyse

            report = analyse(store, channels, now_ns=clock.now_ns(), hours=hours, options=chosen)
        await _show(report, manage_url, output, as_json=as_json)


async def _monitor(
    options: "LndOptions",
    data_dir: Path,
    duration_h: float,
    chosen: "OpportunityOptions",
    manage_url: str | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    from lightninglens.app.missed import analyse, node_folder
    from lightninglens.core.clock import SystemClock
    from lightninglens.core.units import NS_PER_HOUR
    from lightninglens.operate.costs import CostReading
    from lightninglens.operate.recording import Recording
    from lightninglens.storage.forwards import FORWARDS_FILE, ForwardStore
    from lightninglens.storage.lock import DataDirectoryLock

    clock = SystemClock()
    async with _node(options) as (reader, info):
        folder = node_folder(data_dir, info.node_id)
        with DataDirectoryLock(folder), ForwardStore(folder / FORWARDS_FILE) as store:
            recording = Recording(reader, store, clock, costs=CostReading(reader, store.costs, clock))
            began_ns = clock.now_ns()
            if not as_json:
                typer.echo(
                    f"recording {info.alias or info.node_id[:12]} for {duration_h:g} hours; Ctrl-C ends it early"
                )
            await _record_until(recording, duration_h * 3_600, quiet=as_json)
            now_ns = clock.now_ns()
            hours = max((now_ns - began_ns) / NS_PER_HOUR, 0.01)
            report = analyse(store, await reader.channels(), now_ns=now_ns, hours=hours, options=chosen)
        await _show(report, manage_url, output, as_json=as_json)


async def _record_until(recording: "Recording", seconds: float, *, quiet: bool) -> None:
    """Record until the time is over or a signal comes."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    work = asyncio.create_task(recording.run())
    ending = asyncio.create_task(stopping.wait())
    deadline = loop.time() + seconds
    try:
        while (left := deadline - loop.time()) > 0:
            done, _ = await asyncio.wait(
                {work, ending}, timeout=min(left, STATISTICS_S), return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                break
            if not quiet:
                _say(_statistics(recording))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        ending.cancel()
        work.cancel()
        results = await asyncio.gather(work, return_exceptions=True)
    problem = results[0]
    if isinstance(problem, Exception):
        raise problem
    if not quiet:
        _say(_statistics(recording))


def _say(text: str) -> None:
    """Print a line at once, also into a pipe that somebody watches."""
    typer.echo(text)
    sys.stdout.flush()


def _statistics(recording: "Recording") -> str:
    totals = recording.totals
    line = (
        f"{recording.events:,} events: {totals.settled:,} settled, {totals.refused:,} refused here,"
        f" {totals.failed_downstream:,} failed further down, {recording.accounting.in_flight:,} in flight"
    )
    return f"{line}; NOT WRITTEN: {recording.problem}" if recording.problem else line


async def _show(report: "MissedReport", manage_url: str | None, output: Path | None, *, as_json: bool) -> None:
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


@asynccontextmanager
async def _node(options: "LndOptions") -> "AsyncIterator[tuple[NodeReader, NodeInfo]]":
    """Connect to the node, and say what it cannot tell."""
    from lightninglens.nodes.lnd.client.versions import LndVersion

    async with reading_node(options) as (reader, info):
        version = LndVersion.parse(info.version)
        if version.numbers is not None and version.numbers < LEAST_EVENTS_VERSION:
            typer.echo(HELP_OLD.format(version=version.shown), err=True)
        yield reader, info
