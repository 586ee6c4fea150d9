"""docs/reference/commands.md tells the truth about what can be run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from lightninglens.app.cli.main import app
from lightninglens.core.errors import LensError

ROOT = Path(__file__).resolve().parents[2]
STATUSES = {"available now", "planned", "not needed"}
# Every command, script or call that the source documents tell a user to type.
NAMED_IN_THE_DOCUMENTS = """
git clone|setup_environments.sh|pip install -r requirements.txt|pip install -e .|PYTHONPATH|docker --version
docker-compose --version|apt-get install|setup-nodes-continue.sh|start.sh|npm run|stop.sh|start-simple-dashboard.sh
start_simulation.sh|process_data.sh|setup_dependencies.sh|start_proxy.sh|npm start|npm run build|npm install
npm cache clean|http_server --model|new_generate_features.py|/api/status|docker-compose down -v|docker system prune
docker-compose up -d|pip install websockets requests flask|websocket_server.py|http_server.py|websocket_client.py
adapter_proxy.py|simulate_network.py|REBALANCE_FREQUENCY|rebalance-channels.sh|setup-nodes.sh|unlock-wallets.sh
cleanup.sh|docker exec|docker logs|docker restart|lightning_htlc_analyzer.py --help
lightning_htlc_analyzer.py analyze|lightning_htlc_analyzer.py monitor|lightning_htlc_analyzer.py report
lncli --network=mainnet getinfo|ls -la ~/.lnd
"""
NAMED = [name for line in NAMED_IN_THE_DOCUMENTS.split("\n") for name in line.split("|") if name]


class Row(NamedTuple):
    there: str
    here: str
    status: str


def rows() -> list[Row]:
    cells = re.findall(
        r"^\| (`.*?) \| (.*?) \| (.*?) \|$", (ROOT / "docs/reference/commands.md").read_text(), re.MULTILINE
    )
    return [Row(*row) for row in cells]


def calls(row: Row) -> list[list[str]]:
    """Return the calls of our own program in a row, each as its words."""
    quoted = re.findall(r"`([^`]+)`", row.here)
    return [text.split() for text in quoted if text.startswith(("lens ", "python3 dev.py "))]


def exists(words: list[str]) -> bool:
    """Tell whether the program has this command, with these options, now."""
    if words[0] == "python3":
        return words[2] in {"up", "test", "stop"}
    command = typer.main.get_command(app)
    for word in words[1:]:
        inner = getattr(command, "commands", None)
        if word.startswith("--"):
            options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
            if word not in options:
                return False
            continue
        if inner is None or not word.islower():
            continue
        try:
            command = inner[word]
        except (KeyError, LensError):
            return False
    return True


@pytest.mark.parametrize("name", NAMED)
def test_every_command_of_the_documents_has_a_row(name: str) -> None:
    assert any(name in row.there for row in rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.there[:40])
def test_a_row_is_true(row: Row) -> None:
    assert row.status in STATUSES
    if row.status == "not needed":
        assert row.here.startswith("not needed: ")
        return
    found = calls(row)
    assert found or row.there.startswith("`git clone")
    for words in found:
        assert exists(words) == (row.status == "available now"), f"{' '.join(words)}: the table says {row.status}"


@pytest.mark.parametrize(
    "command", sorted({tuple(words[:3]) for row in rows() if row.status == "available now" for words in calls(row)})
)
def test_an_available_command_explains_itself(command: tuple[str, ...]) -> None:
    ours = [
        sys.executable,
        "-m",
        "lightninglens",
        *[word for word in command[1:] if word.isalpha() and word.islower()],
        "--help",
    ]
    if command[0] == "python3":
        ours = [sys.executable, "dev.py", "help"]
    shown = subprocess.run(ours, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert command[-1] in shown
