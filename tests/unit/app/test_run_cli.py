"""`lens run`, `lens alerts` and `lens lab record` where nothing has to be waited for."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from tests.support.htlcs import START_NS, P, channel

from lightninglens.app.alerts.series import SeriesRule
from lightninglens.app.cli import run
from lightninglens.app.cli.main import main
from lightninglens.app.events import Alert
from lightninglens.app.node.service import NodeService, NodeServiceOptions
from lightninglens.app.node.sources import ReplaySource
from lightninglens.app.world import WorldOptions, build_lab
from lightninglens.core.attempts import AttemptChanges
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_DAY
from lightninglens.lab.missed.history import record_history
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore
from lightninglens.storage.recorded import RecordedHistory, read_node

NODES = ("02" + 18 * "a", "03" + 18 * "b")


def lens(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--node", "lnd:x"], "replay:FILE"),
        (["--node", "replay:"], "replay:FILE"),
        (["--speed", "2"], "a real node's time is real"),
        (["--node", "replay:/no/such/file"], "no such file"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    wrong: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lens("run", *wrong, "--data-dir", str(tmp_path)) in {1, 2}
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.strip().splitlines()) == 1


def configured(tmp_path: Path, alerts: str) -> list[str]:
    file = tmp_path / "lens.toml"
    file.write_text(f"[data]\ndir = '{tmp_path}'\n{alerts}")
    return ["--config", str(file)]


RULE = '[[alerts.rules]]\nname = "quiet"\nseries = "fees_earned"\nbelow = 10.0\nfor_s = 3600\n'


def test_rules_come_from_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lens(*configured(tmp_path, RULE), "alerts", "list") == 0
    shown = capsys.readouterr().out
    assert "quiet" in shown
    assert "fees earned in the last 24 hours below 10 sat for 1 h" in shown
    assert "disk nearly full" not in shown
    assert lens(*configured(tmp_path, ""), "alerts", "list", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert "disk nearly full" in [each["name"] for each in said["rules"]]
    assert said["series"]["disk_free"]["unit"] == "MB"


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        (RULE + RULE, "two rules are named 'quiet'"),
        (RULE.replace("fees_earned", "weather"), "no series 'weather'"),
        (RULE.replace("below = 10.0", ""), "either above or below"),
        (RULE + "colour = 1\n", "lens.toml, line 3: alerts.rules[1].colour: extra inputs"),
        ('[alerts]\ncommand = ["sh", 5]\n', "alerts.command[2]: input should be a valid string"),
        ('[alerts]\ncommand = ["/no/such/program"]\n', "no program '/no/such/program'"),
    ],
)
def test_rules_and_commands_that_cannot_be_are_refused(
    alerts: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path, NODES[0])
    file = tmp_path / "nodes" / NODES[0] / FORWARDS_FILE
    assert lens(*configured(tmp_path, alerts), "run", "--node", f"replay:{file}") in {1, 2}
    assert said in capsys.readouterr().err


def recorded(data_dir: Path, node: str) -> None:
    with ForwardStore(data_dir / "nodes" / node / FORWARDS_FILE) as store:
        for hour in range(3):
            seen_ns = START_NS + hour * NS_PER_DAY // 24
            store.write(Batch(changes=AttemptChanges(), next_payment=1, channels=(channel(P),), seen_ns=seen_ns))


def test_trying_rules_needs_one_node_and_a_whole_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data-dir", str(tmp_path)]
    assert lens("alerts", "try", *data) == 1
    assert "nothing was recorded" in capsys.readouterr().err
    recorded(tmp_path, NODES[0])
    assert lens("alerts", "try", *data, "--above", "1") == 2
    assert "need --series" in capsys.readouterr().err
    recorded(tmp_path, NODES[1])
    assert lens("alerts", "try", *data) == 2
    assert f"one of {NODES[0]}, {NODES[1]}" in capsys.readouterr().err
    assert lens("alerts", "try", *data, "--node-id", NODES[1] + "ff") == 0
    assert "cannot be tried" in capsys.readouterr().out
    rule = ["--series", "local_share", "--below", "0.9", "--days", "366"]
    assert lens("alerts", "try", *data, "--node-id", NODES[1][:6], *rule, "--json") == 0
    (trial,) = json.loads(capsys.readouterr().out)
    assert trial["condition"] == "share of a channel's balance on the node's side below 0.9"


def test_a_simulated_history_is_recorded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "history"
    assert lens("lab", "record", "--out", str(out), "--hours", "2", "--node", "lnd-bob") == 0
    assert "attempts to forward by lnd-bob" in capsys.readouterr().out
    with RecordedHistory(out / FORWARDS_FILE) as history:
        assert len(list(history.attempts())) > 10
        span = history.span()
        assert span is not None
        assert len(history.channels_at(span[0])) == 3
    node = read_node(out)
    assert isinstance(node, NodeInfo)
    assert node.alias == "lnd-bob"
    assert lens("lab", "record", "--out", str(out), "--hours", "2") == 2
    assert "exists already" in capsys.readouterr().err
    assert lens("lab", "record", "--out", str(tmp_path / "other"), "--node", "zoe") == 2
    assert "no such node" in capsys.readouterr().err


@pytest.mark.asyncio
@pytest.mark.parametrize("as_json", [True, False])
async def test_what_the_service_does_is_said_line_by_line(
    as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "STATISTICS_S", 0.1)
    lab = build_lab(WorldOptions(demand="settlements"))
    history = tmp_path / "history" / FORWARDS_FILE
    record_history(lab.engine, lab.draw, 0, history, hours=1, drawn_until_ns=lab.drawn_until_ns)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    always = SeriesRule(name="any space", series="disk_free", above=0.0)
    options = NodeServiceOptions(data_dir=tmp_path, port=port, dashboard=False, rules=(always,), speed=10_000.0)
    service = NodeService(options, ReplaySource(history, speed=10_000.0))
    task = asyncio.create_task(run._run(service, as_json=as_json))
    async with asyncio.timeout(60):
        watched = await service.state.wait_until_watched()
        while not watched.recording.totals.settled:  # noqa: ASYNC110 - it is counted, not told
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    service.bus.publish(Alert(level="warning", source="any space", text="less", state="cleared"))
    await asyncio.sleep(0.1)
    service.stop()
    await task
    shown = capsys.readouterr().out.splitlines()
    if as_json:
        said = [json.loads(line) for line in shown]
        assert [each["type"] for each in said[:2]] == ["listening", "recording"]
        assert {"alert", "statistics", "ended"} <= {each["type"] for each in said}
        assert said[-1]["data"]["settled"] > 0
    else:
        assert shown[0] == f"dashboard  http://127.0.0.1:{port}/"
        for beginning in ("recording  ", "warning: any space: ", "over: any space: less", "so far: ", "ended: events "):
            assert any(line.startswith(beginning) for line in shown), (beginning, shown)


def test_a_service_that_has_not_begun_has_counted_nothing(tmp_path: Path) -> None:
    lab = build_lab(WorldOptions())
    history = tmp_path / FORWARDS_FILE
    record_history(lab.engine, lab.draw, 0, history, hours=0.5, drawn_until_ns=lab.drawn_until_ns)
    service = NodeService(NodeServiceOptions(data_dir=tmp_path), ReplaySource(history, speed=1.0))
    assert run._statistics(service) == {"events": 0}
