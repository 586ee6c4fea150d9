"""`lens monitor`: recording for some hours, and what was missed in them."""

import asyncio
import contextlib
import signal
import sys
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
    from collections.abc import Callable, Coroutine

    from lightninglens.nodes.lnd.client import LndOptions
    from lightninglens.operate.recording import Recording

STATISTICS_S = 60.0

app = new_app(help="Record what a node is asked to forward, and show what it failed to earn.")


@app.command(epilog="Example: lens monitor --duration 24 --lnddir ~/.lnd --output opportunities.json")
@on_lnd
def monitor(
    ctx: typer.Context,
    *,
    duration: Annotated[float, typer.Option(min=0.001, max=24 * 366, help="How many hours to record.")] = 24.0,
    min_failures: MinFailures = 3,
    min_missed_sats: MinMissed = 100,
    liquidity_cost_ppm: LiquidityCost = None,
    output: Output = None,
    data_dir: DataDir = None,
    manage_url: ManageUrl = None,
    lnd: "LndOptions",
    as_json: AsJson = False,
) -> None:
    """Record what the node is asked to forward, show statistics every minute, and what was missed at the end.

    Ctrl-C ends it early and shows what was seen by then. All of it stays
    recorded for `lens analyze`. Where `lens run` records the node already, its
    recording is followed.
    """
    loaded = invocation(ctx).start({"data.dir": data_dir})
    chosen = chosen_by(min_failures, min_missed_sats, liquidity_cost_ppm)
    asyncio.run(_monitor(lnd, loaded.settings.data.dir, duration, chosen, manage_url, output, as_json=as_json))


async def _monitor(
    lnd: "LndOptions",
    data_dir: Path,
    duration_h: float,
    chosen: Chosen,
    manage_url: str | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    from lightninglens.app.missed import analyse, node_folder
    from lightninglens.app.running import find_running
    from lightninglens.core.clock import SystemClock
    from lightninglens.core.units import NS_PER_HOUR
    from lightninglens.operate.costs import CostReading
    from lightninglens.operate.recording import Recording
    from lightninglens.storage.forwards import FORWARDS_FILE, ForwardStore
    from lightninglens.storage.lock import DataDirectoryLock
    from lightninglens.storage.recorded import write_node

    clock = SystemClock()
    async with connected_node(lnd) as (reader, info):
        folder = node_folder(data_dir, info.node_id)
        name, began_ns, seconds = info.alias or info.node_id[:12], clock.now_ns(), duration_h * 3_600
        with contextlib.ExitStack() as stack:
            running = find_running(folder)
            if running is None:
                stack.enter_context(DataDirectoryLock(folder))
            store = stack.enter_context(ForwardStore(folder / FORWARDS_FILE))
            if not as_json:
                by = "" if running is None else f" by `lens run` at {running.url}"
                typer.echo(f"recording {name}{by} for {duration_h:g} hours; Ctrl-C ends it early")
            if running is None:
                write_node(folder, info)
                recording = Recording(reader, store, clock, costs=CostReading(reader, store.costs, clock))
                await _until(seconds, lambda: _statistics(recording), recording.run(), quiet=as_json)
            else:
                url = running.url
                await _until(seconds, lambda: _statistics_of(url), asyncio.sleep(seconds), quiet=as_json)
            now_ns = clock.now_ns()
            hours = max((now_ns - began_ns) / NS_PER_HOUR, 0.01)
            report = analyse(
                store,
                await reader.channels(),
                now_ns=now_ns,
                hours=hours,
                options=chosen.options,
                liquidity_cost_ppm=chosen.liquidity_cost_ppm,
            )
        await show_report(report, manage_url, output, as_json=as_json)


async def _until(
    seconds: float, statistics: "Callable[[], str]", working: "Coroutine[Any, Any, None]", *, quiet: bool
) -> None:
    """Let something work until the time is over or a signal comes, and say every minute how it is going."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    work = asyncio.create_task(working)
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
                _say(await asyncio.to_thread(statistics))
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
        _say(await asyncio.to_thread(statistics))


def _say(text: str) -> None:
    """Print a line at once, also into a pipe that somebody watches."""
    typer.echo(text)
    sys.stdout.flush()


def _statistics(recording: "Recording") -> str:
    totals = recording.totals
    return _line(
        events=recording.events,
        settled=totals.settled,
        refused=totals.refused,
        failed_downstream=totals.failed_downstream,
        in_flight=recording.accounting.in_flight,
        problem=recording.problem,
    )


def _statistics_of(url: str) -> str:
    """Return how the recording of `lens run` is going."""
    from lightninglens.app.client import read_running

    said = read_running(url, "/api/v1/recording")
    names = ("events", "settled", "refused", "failed_downstream", "in_flight", "problem")
    return _line(**{name: said[name] for name in names})


def _line(*, events: int, settled: int, refused: int, failed_downstream: int, in_flight: int, problem: str) -> str:
    line = (
        f"{events:,} events: {settled:,} settled, {refused:,} refused here,"
        f" {failed_downstream:,} failed further down, {in_flight:,} in flight"
    )
    return f"{line}; NOT WRITTEN: {problem}" if problem else line
