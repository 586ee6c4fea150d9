"""`lens serve-lnd` as a program: where it says the nodes are, how it ends, what it refuses."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from lightninglens.app.cli.main import main
from lightninglens.core.ids import derive_node_id
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning

LENS = (sys.executable, "-m", "lightninglens", "serve-lnd")


async def start(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*LENS, *arguments, stdout=pipe, stderr=pipe)


async def listening(process: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    assert process.stdout is not None
    async with asyncio.timeout(400):  # the kernels may have to be compiled
        line = await process.stdout.readline()
    assert line, (await process.communicate())[1]
    found: list[dict[str, Any]] = json.loads(line)
    return found


async def info(node: dict[str, Any]) -> lnrpc.GetInfoResponse:
    folder = Path(node["directory"])
    credentials = grpc.ssl_channel_credentials((folder / "tls.cert").read_bytes())
    macaroon = (folder / "data/chain/bitcoin/regtest/readonly.macaroon").read_bytes().hex()
    async with aio.secure_channel(node["rpc"], credentials) as channel:
        return await Lightning.GetInfo.on(channel)(
            lnrpc.GetInfoRequest(), metadata=[("macaroon", macaroon)], timeout=20
        )


@pytest.mark.asyncio
async def test_the_lab_is_served_until_it_is_interrupted(tmp_path: Path) -> None:
    process = await start("--lnddir", str(tmp_path / "nodes"), "--rpc-port", "0", "--rest-port", "0", "--json")
    try:
        nodes = await listening(process)
        assert [node["name"] for node in nodes] == ["lnd-alice", "lnd-bob", "lnd-carol", "lnd-dave", "lnd-eve"]
        answers = await asyncio.gather(*map(info, nodes))
        assert [answer.identity_pubkey for answer in answers] == [node["node_id"] for node in nodes]
        assert json.loads((tmp_path / "nodes/nodes.json").read_text()) == nodes
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            out, problems = await process.communicate()
        assert (process.returncode, out) == (0, b"")
        assert b"Traceback" not in problems
    finally:
        if process.returncode is None:
            process.kill()


@pytest.mark.asyncio
async def test_a_node_of_another_network_gets_a_key_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    original = derive_node_id(4, "synthetic/0")
    process = await start(
        "--graph", "synthetic:30", "--seed", "4", "--node", original, "--lnddir", str(folder), "--rpc-port", "0",
        "--no-rest", "--lnd-version", "0.18", "--duration", "2", "--json",
    )  # fmt: skip
    try:
        (node,) = await listening(process)
        assert node["original_node_id"] == original
        assert node["node_id"] != original
        assert (node["directory"], node["rest"]) == (str(folder), None)
        async with asyncio.timeout(20):
            await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--node", "lnd-mallory"], 2, "no node is called 'lnd-mallory'; there are lnd-alice"),
        (["--lnd-version", "0.9"], 2, "LND 0.9 is not emulated; there are 0.17"),
        (["--graph", "synthetic:40"], 2, "name the nodes to serve with --node: the network has 40"),
        (["--graph", "nothing.json"], 2, "nothing.json: no such file"),
        (["--node", "lnd-alice", "--rpc-port", "TAKEN"], 1, "cannot listen on 127.0.0.1:TAKEN: it is in use"),
        (
            ["--node", "lnd-alice", "--rpc-port", "0", "--rest-port", "TAKEN"],
            1,
            "cannot listen on 127.0.0.1 port TAKEN",
        ),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = [one.replace("TAKEN", port) for one in arguments]
        with pytest.raises(SystemExit) as ended:
            main(["serve-lnd", "--lnddir", str(tmp_path / "x"), *given])
    shown = capsys.readouterr().err
    assert ended.value.code == code
    assert text.replace("TAKEN", port) in shown
    assert "Traceback" not in shown


async def lens(*arguments: str) -> Any:
    """Return what a command of `lens` answers in JSON."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*LENS[:-1], *arguments, "--json", stdout=pipe, stderr=pipe)
    async with asyncio.timeout(60):
        out, problems = await process.communicate()
    assert process.returncode == 0, problems
    return json.loads(out)


@pytest.mark.asyncio
async def test_lens_reads_and_checks_a_node_that_it_serves(tmp_path: Path) -> None:
    process = await start(
        "--node", "lnd-bob", "--lnddir", str(tmp_path / "bob"), "--rpc-port", "0", "--no-rest", "--json"
    )  # fmt: skip
    try:
        (node,) = await listening(process)
        where = ("--lnd-dir", node["directory"], "--grpc-host", node["rpc"])
        baked = await lens("node", "bake", "--role", "monitor", *where)
        assert Path(baked["path"]).name == "lens-monitor.macaroon"
        told = await lens("node", "info", *where)
        channels = await lens("node", "channels", *where)
        assert (told["node_id"], told["alias"], told["network"]) == (node["node_id"], "lnd-bob", "regtest")
        assert len(channels) == told["channel_count"]
        findings = await lens("doctor", "--node", f"lnd:{node['directory']}?grpc-host={node['rpc']}")
        assert [each for each in findings if each["status"] == "fail"] == []
    finally:
        process.kill()
        await process.communicate()
