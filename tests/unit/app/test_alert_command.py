import asyncio
import json
import sys
from pathlib import Path

import pytest

from lightninglens.app.alerts.command import AlertCommand, CommandOptions
from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert

pytestmark = pytest.mark.asyncio

KEEP = (
    "import json, os, sys; said = json.load(sys.stdin);"
    " said['level'] = os.environ['LENS_ALERT_LEVEL']; open(sys.argv[1], 'a').write(json.dumps(said) + '\\n')"
)


def alert(text: str) -> Alert:
    return Alert(level="error", source="disk", text=text, state="raised", alert_id=text)


async def tell(options: CommandOptions, *alerts: Alert) -> AlertCommand:
    bus = Bus()
    command = AlertCommand(options)
    task = asyncio.create_task(command.run(bus))
    await asyncio.sleep(0)
    for each in alerts:
        bus.publish(each)
    async with asyncio.timeout(30):
        while command.sent + command.lost < len(alerts):  # noqa: ASYNC110 - it is counted, not told
            await asyncio.sleep(0.01)
    bus.close()
    await task
    return command


async def test_a_program_is_told_of_each_alert(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    options = CommandOptions(arguments=(sys.executable, "-c", KEEP, str(kept)))
    command = await tell(options, alert("full; $(touch x)\0"), alert("again"))
    assert (command.sent, command.lost) == (2, 0)
    said = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [each["alert"]["text"] for each in said] == ["full; $(touch x)\0", "again"]
    assert said[0]["level"] == "error"


async def test_a_program_that_fails_hangs_or_is_missing_is_counted_and_holds_nothing_up() -> None:
    failing = CommandOptions(arguments=(sys.executable, "-c", "raise SystemExit(3)"))
    assert (await tell(failing, alert("a"))).lost == 1
    hanging = CommandOptions(arguments=(sys.executable, "-c", "import time; time.sleep(60)"), timeout_s=0.2)
    assert (await tell(hanging, alert("a"))).lost == 1
    assert (await tell(CommandOptions(arguments=("/no/such/program",)), alert("a"))).lost == 1


async def test_closing_ends_a_program_that_is_still_running() -> None:
    bus = Bus()
    command = AlertCommand(CommandOptions(arguments=(sys.executable, "-c", "import time; time.sleep(60)")))
    task = asyncio.create_task(command.run(bus))
    await asyncio.sleep(0)
    bus.publish(alert("a"))
    await asyncio.sleep(0.3)
    bus.close()
    async with asyncio.timeout(10):
        await task
