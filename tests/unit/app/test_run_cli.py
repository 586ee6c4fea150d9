"""`lens run`, `lens alerts` and `lens lab record` where nothing has to be waited for."""

import json
from pathlib import Path

import pytest
from tests.support.htlcs import START_NS, P, channel

from lightninglens.app.cli.main import main
from lightninglens.core.attempts import AttemptChanges
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_DAY
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
