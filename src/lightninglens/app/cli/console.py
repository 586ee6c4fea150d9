"""What `lens up` shows: where to look first, then live statistics, then what came of it all."""

import asyncio
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table

from lightninglens.app.events import Alert, Event, RebalanceDone, Stats, WorldAdvanced
from lightninglens.app.runtime import Service, ServiceOptions
from lightninglens.app.world import World
from lightninglens.core.jit import is_cached
from lightninglens.core.units import MSAT_PER_SAT

_PROGRESS_S = 5.0
_REFRESH_PER_S = 4
_BAR_CELLS = 24


async def run_on_console(
    options: ServiceOptions, build: Callable[[], World], *, live: bool, as_json: bool, every_payments: int
) -> None:
    """Run the service until it ends or a signal ends it, and show what happens."""
    console = Console(highlight=False, soft_wrap=True)
    service = Service(options, build)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.stop)
    screen = _make_screen(service, console, live=live, as_json=as_json, every_payments=every_payments)
    watcher = asyncio.create_task(screen.watch())
    try:
        await service.run(on_listening=screen.begin)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        service.bus.close()
        await watcher
    screen.conclude()


def _make_screen(service: Service, console: Console, *, live: bool, as_json: bool, every_payments: int) -> "_Screen":
    if as_json:
        return _JsonScreen(service, console, every_payments)
    if live and console.is_terminal:
        return _LiveScreen(service, console, every_payments)
    return _Screen(service, console, every_payments)


class _Screen:
    """Plain lines, as for a pipe or a log."""

    def __init__(self, service: Service, console: Console, every_payments: int) -> None:
        self.service = service
        self.console = console
        self._every_payments = every_payments
        self._shown_payments = 0
        self.stats: Stats | None = None
        self._news = service.bus.subscribe("terminal")
        self._started_s = time.monotonic()
        self._warming_up: asyncio.Task[None] | None = None

    def announce(self) -> None:
        """Say where everything is."""
        options = self.service.options
        if options.dashboard:
            self.console.print(f"dashboard  {options.url}")
        else:
            self.console.print(f"service    {options.url}api/v1/health")
        if options.feed is not None:
            self.console.print(f"feed       ws://localhost:{options.feed.port}")
        if options.lnd is not None:
            self.console.print(f"LND        {options.lnd.folder} (nodes.json says who listens where)")
        self.console.print(f"token      {self.service.token_path}")
        self.console.print(f"data       {options.data_dir}")

    async def watch(self) -> None:
        """Show what happens until the bus closes."""
        try:
            async for event in self._news:
                self._end_warm_up()
                if isinstance(event, WorldAdvanced):
                    self.stats = event.stats
                self.show(event)
        finally:
            self._end_warm_up()

    def begin(self) -> None:
        """The page is served: say where, and that the simulator is being made ready."""
        self.announce()
        self._warming_up = asyncio.create_task(self._show_warm_up())

    def _end_warm_up(self) -> None:
        if self._warming_up is not None:
            self._warming_up.cancel()

    async def _show_warm_up(self) -> None:
        if not is_cached():
            self.say("compiling the simulator for this machine; only the first start takes this long, up to a minute")
        while True:
            await asyncio.sleep(_PROGRESS_S)
            self.say(f"still preparing the simulator: {time.monotonic() - self._started_s:.0f} s")

    def say(self, text: str) -> None:
        """Show one line of progress."""
        self.console.print(text)

    def show(self, event: Event) -> None:
        """Show one event: alerts and rebalances at once, statistics now and then."""
        match event:
            case Alert():
                self.console.print(f"{event.level}: {event.source}: {event.text}")
            case RebalanceDone():
                self.console.print(_rebalance_line(event))
            case WorldAdvanced():
                due = self._every_payments and event.stats.payments >= self._shown_payments + self._every_payments
                if due:
                    self._shown_payments = event.stats.payments
                    self.console.print(_stats_line(event.stats))
            case _:
                pass

    def conclude(self) -> None:
        """Show what came of it all."""
        if self.stats is not None:
            self.console.print(f"ended: {_stats_line(self.stats)}")


class _LiveScreen(_Screen):
    """A table that renews itself, below lines for what is worth keeping."""

    async def watch(self) -> None:
        with Live(console=self.console, get_renderable=self._table, refresh_per_second=_REFRESH_PER_S, transient=True):
            await super().watch()

    def show(self, event: Event) -> None:
        if not isinstance(event, WorldAdvanced):
            super().show(event)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, title_justify="left")
        lab = self.service.state.lab
        if self.stats is None or lab is None:
            return table
        table.title = _stats_line(self.stats)
        table.add_column("channel")
        table.add_column("local", justify="right")
        table.add_column("")
        table.add_column("remote", justify="right")
        table.add_column("in flight", justify="right")
        names = {node.node_id: node.name for node in lab.observer.nodes}
        for channel in lab.observer.channels()[:12]:
            table.add_row(
                f"{names[channel.node1_id]} - {names[channel.node2_id]}",
                f"{channel.node1_local_msat // MSAT_PER_SAT:,}",
                _bar(channel.node1_local_msat, channel.node2_local_msat),
                f"{channel.node2_local_msat // MSAT_PER_SAT:,}",
                f"{channel.unsettled_msat // MSAT_PER_SAT:,}" if channel.unsettled_msat else "",
            )
        return table


class _JsonScreen(_Screen):
    """One JSON object per line."""

    def announce(self) -> None:
        options = self.service.options
        feed = f"ws://localhost:{options.feed.port}" if options.feed else None
        self._put("listening", {"url": options.url, "feed": feed, "token_file": str(self.service.token_path)})

    def say(self, text: str) -> None:
        self._put("progress", {"text": text})

    def show(self, event: Event) -> None:
        if isinstance(event, Alert | RebalanceDone):
            self._put("alert" if isinstance(event, Alert) else "rebalance", dataclasses.asdict(event))

    def conclude(self) -> None:
        self._put("ended", dataclasses.asdict(self.stats) if self.stats else {})

    def _put(self, kind: str, data: object) -> None:
        sys.stdout.write(json.dumps({"type": kind, "data": data}) + "\n")
        sys.stdout.flush()


def _bar(local_msat: int, remote_msat: int) -> str:
    filled = round(_BAR_CELLS * local_msat / max(local_msat + remote_msat, 1))
    return "#" * filled + "-" * (_BAR_CELLS - filled)


def _stats_line(stats: Stats) -> str:
    rate = "no payments yet" if stats.success_rate is None else f"{stats.success_rate:.1%} succeeded"
    minutes, seconds = divmod(stats.world_ms // 1_000 % 86_400, 60)
    return (
        f"world {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}  {stats.payments:,} payments, {rate},"
        f" {stats.volume_msat // MSAT_PER_SAT:,} sat paid, {stats.fees_msat / MSAT_PER_SAT:,.1f} sat fees;"
        f" {stats.rebalances:,} rebalances of {stats.rebalanced_msat // MSAT_PER_SAT:,} sat"
        f" for {stats.rebalance_cost_msat / MSAT_PER_SAT:,.1f} sat"
    )


def _rebalance_line(done: RebalanceDone) -> str:
    if done.executed:
        return (
            f"rebalance ({done.author}): {done.from_node} moved {done.moved_msat // MSAT_PER_SAT:,} sat out over"
            f" its channel with {done.to_node}, for {done.fee_msat / MSAT_PER_SAT:,.3f} sat"
        )
    return f"rebalance ({done.author}) of {done.from_node} failed: {done.reason}"
