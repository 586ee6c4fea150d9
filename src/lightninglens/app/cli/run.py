"""`lens run`: the service over a node of one's own, or over a recorded history."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.lnd_options import on_lnd
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.app.node.service import NodeService
    from lightninglens.app.node.sources import NodeSource
    from lightninglens.nodes.lnd.client import LndOptions

STATISTICS_S = 60.0
Say = Callable[[str, dict[str, object]], None]
"""Shows something of a kind."""

app = new_app(help="Watch a node of your own around the clock: recorder, analysis, alerts, dashboard.")


@app.command(epilog="Example: lens run --lnddir ~/.lnd --network mainnet")
@on_lnd
def run(
    ctx: typer.Context,
    *,
    node: Annotated[
        str | None, typer.Option(help="`replay:FILE`: a recorded history (forwards.db) instead of a node.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.01, max=10_000, help="Recorded seconds per real second; only with --node replay.")
    ] = 1.0,
    lnd: "LndOptions",
    backup_file: Annotated[
        Path | None,
        typer.Option(help="Channel backup whose age is watched, such as a copy elsewhere; otherwise LND's own."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of dashboard, API and metrics.")] = None,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Where recordings and token are kept.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard; API and metrics only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print alerts and statistics as JSON lines.")] = False,
) -> None:
    """Record, analyse, alert and show one node, until Ctrl-C. Nothing is ever changed at the node.

    Other commands (`lens analyze`, `lens alerts`, `lens monitor`) use what this one records while it runs.
    """
    from lightninglens.app.cli.node_settings import alert_command, alert_rules
    from lightninglens.app.cli.up import webhook_options
    from lightninglens.app.node.service import NodeService, NodeServiceOptions
    from lightninglens.app.node.sources import REPLAY, LndSource, ReplaySource

    settings = invocation(ctx).start({"data.dir": data_dir, "service.port": port}).settings
    rules, command = alert_rules(settings), alert_command(settings)
    source: NodeSource
    if node is not None:
        if not node.startswith(REPLAY) or node == REPLAY:
            raise ConfigError(f"--node: {node[:60]!r} is not understood; write replay:FILE, or leave it out for LND")
        source = ReplaySource(Path(node.removeprefix(REPLAY)).expanduser(), speed=speed)
        backup_file = None
    else:
        if speed != 1.0:
            raise ConfigError("--speed is for --node replay:FILE; a real node's time is real")
        source = LndSource(lnd)
        backup_file = backup_file.expanduser() if backup_file is not None else source.backup_file()
    service = NodeService(
        NodeServiceOptions(
            data_dir=settings.data.dir,
            host=settings.service.host,
            port=settings.service.port,
            token_file=settings.service.token_file,
            allowed_origins=settings.service.allowed_origins,
            dashboard=not headless,
            rules=rules,
            webhook=webhook_options(settings),
            command=command,
            backup_file=backup_file,
            speed=speed,
        ),
        source,
    )
    asyncio.run(_run(service, as_json=as_json))


async def _run(service: "NodeService", *, as_json: bool) -> None:
    """Run the service until a signal ends it, and say what happens."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.stop)
    say = _json_line if as_json else _line
    telling = [asyncio.create_task(_tell_alerts(service, say)), asyncio.create_task(_tell_statistics(service, say))]
    say(
        "listening",
        {"url": service.options.url, "token_file": str(service.token_path), "node": service.source.place},
    )
    try:
        await service.run()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        service.bus.close()
        telling[1].cancel()
        await asyncio.gather(*telling, return_exceptions=True)
    say("ended", _statistics(service))


async def _tell_alerts(service: "NodeService", say: Say) -> None:
    from lightninglens.app.events import Alert

    async for event in service.bus.subscribe("terminal", limit=100_000):
        if isinstance(event, Alert):
            said: dict[str, object] = {
                "level": event.level,
                "source": event.source,
                "state": event.state,
                "text": event.text,
            }
            say("alert", said)


async def _tell_statistics(service: "NodeService", say: Say) -> None:
    info = (await service.state.wait_until_watched()).info
    say("recording", {"alias": info.alias, "node_id": str(info.node_id), "folder": str(service.folder)})
    while True:
        await asyncio.sleep(STATISTICS_S)
        say("statistics", _statistics(service))


def _statistics(service: "NodeService") -> dict[str, object]:
    watched = next(iter(service.state.watched.values()), None)
    if watched is None:
        return {"events": 0}
    totals = watched.recording.totals
    found: dict[str, object] = {
        "events": watched.recording.events,
        "settled": totals.settled,
        "refused": totals.refused,
        "failed_downstream": totals.failed_downstream,
        "in_flight": watched.recording.accounting.in_flight,
    }
    return found | ({"problem": watched.recording.problem} if watched.recording.problem else {})


def _json_line(kind: str, data: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"type": kind, "data": data}) + "\n")
    sys.stdout.flush()


def _line(kind: str, data: dict[str, object]) -> None:
    match kind:
        case "listening":
            text = f"dashboard  {data['url']}\ntoken      {data['token_file']}\nnode       {data['node']}"
        case "alert" if data["state"] == "cleared":
            text = f"over: {data['source']}: {data['text']}"
        case "alert":
            text = f"{data['level']}: {data['source']}: {data['text']}"
        case "recording":
            text = f"recording  {data['alias'] or data['node_id']} into {data['folder']}"
        case _:
            figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in data.items())
            text = f"{'ended' if kind == 'ended' else 'so far'}: {figures}"
    typer.echo(text)
    sys.stdout.flush()
