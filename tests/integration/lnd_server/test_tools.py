"""Tools written for LND, unmodified, against a served node; each is skipped where it is not installed.

They are looked for in tests/npm and tests/pypi, where `python3 dev.py test` installs them, then on PATH.
docs/reference/compatibility.md says what they were seen to do.
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.lnd import ALICE, BOB, CAROL, EVE, MACAROONS, Served, serving_lab
from tests.support.node import PACKAGES, node, require, tool

from lightninglens.sim.engine import Engine

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving_lab(tmp_path / "nodes") as lab:
        yield lab


async def run(*command: str, home: Path, stdin: bytes = b"", expect: int | None = 0) -> str:
    """Run a tool to its end, and return what it printed."""
    environment = {**os.environ, "HOME": str(home), "NODE_OPTIONS": "--no-deprecation"}
    environment |= {"LNDMANAGE_HOME": str(home), "NO_COLOR": "1"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment, cwd=home
    )
    async with asyncio.timeout(120):
        out, _ = await process.communicate(stdin)
    assert expect is None or process.returncode == expect, out.decode()
    return out.decode()


def credentials(lab: Served, name: str) -> tuple[str, str, str]:
    """Return certificate and macaroon in base64, and the socket, as LND's JavaScript tools take them."""
    folder = lab.servers[name].folder
    files = (folder / "tls.cert", folder / MACAROONS / "admin.macaroon")
    certificate, macaroon = (base64.b64encode(path.read_bytes()).decode() for path in files)
    return certificate, macaroon, f"127.0.0.1:{lab.servers[name].rpc_port}"


async def policies(lab: Served, name: str) -> set[tuple[int, int, int]]:
    """Return base fee, fee rate and time lock of each of a node's channels."""

    def read(engine: Engine) -> set[tuple[int, int, int]]:
        found = [engine.policy(direction) for direction in engine.directions_of(lab.node(name).row)]
        return {(one.base_fee_msat, one.fee_rate_ppm, one.time_lock_delta_blocks) for one in found if one is not None}

    return await lab.network.read(read)


async def test_ln_service_reads_sets_fees_and_pays(served: Served, tmp_path: Path) -> None:
    program = node()
    require("ln-service")
    questions = {
        "payer": credentials(served, ALICE),
        "payee": credentials(served, CAROL),
        "circle": [served.node(name).node_id for name in (BOB, CAROL, ALICE)],
    }
    script = str(PACKAGES / "ln-service.mjs")
    found = json.loads(
        (await run(program, script, home=tmp_path, stdin=json.dumps(questions).encode())).splitlines()[-1]
    )
    me = served.node(ALICE).node_id
    assert found["info"]["alias"] == ALICE
    assert found["identity"]["public_key"] == me
    assert (len(found["channels"]), len(found["graph"]["channels"])) == (3, 7)
    assert [len(found[name]) for name in ("fees", "peers", "forwards", "closed")] == [3, 3, 0, 0]
    assert found["balance"]["channel_balance"] == sum(channel["local_balance"] for channel in found["channels"])
    assert found["node"]["alias"] == CAROL
    assert found["unknownNode"] == [404, "NodeIsUnknown"]
    assert found["unknownChannel"] == [404, "FullChannelDetailsNotFound"]
    assert found["autopilot"] == [400, "ExpectedLndBuiltWithAutopilotToGetStatus"]
    mine = [one for one in found["channel"]["policies"] if one["public_key"] == me]
    assert (mine[0]["fee_rate"], mine[0]["inbound_rate_discount"]) == (77, 10)
    assert found["decoded"]["destination"] == served.node(CAROL).node_id
    assert (found["invoice"]["is_confirmed"], found["invoice"]["received"]) == (True, 1_000)
    assert (found["paid"]["tokens"], found["paidByRequest"]["tokens"]) == (1_000, 2_000)
    assert found["probe"][:2] == [404, "UnknownPaymentHash"]
    assert found["circle"]["hops"][0]["channel"] == found["channel"]["id"]
    assert {payment["id"] for payment in found["payments"] if payment["is_confirmed"]} >= {found["circle"]["id"]}
    assert [invoice["is_confirmed"] for invoice in found["invoices"]] == [True, True]


async def test_balance_of_satoshis_reads_probes_and_rebalances(served: Served, tmp_path: Path) -> None:
    program, bos = node(), tool("bos")
    certificate, macaroon, address = credentials(served, ALICE)
    folder = tmp_path / ".bos" / "alice"
    folder.mkdir(parents=True)
    saved = {"cert": certificate, "macaroon": macaroon, "socket": address}
    (folder / "credentials.json").write_text(json.dumps(saved))

    async def command(*arguments: str) -> str:
        return await run(program, bos, *arguments, "--node", "alice", home=tmp_path)

    assert BOB in await command("fees")
    assert BOB in await command("peers")
    assert "Earned" in await command("forwards")
    assert int((await command("balance")).split()[0]) > 10 * 100_000_000
    assert " 10.00000000" in await command("utxos")
    assert CAROL in await command("find", CAROL)
    assert "success" in await command("probe", served.node(CAROL).node_id, "5000")
    before = (await served.edge(ALICE, BOB)).local_balance, (await served.edge(ALICE, EVE)).local_balance
    shown = await command(
        "rebalance", "--out", served.node(BOB).node_id, "--in", served.node(EVE).node_id, "--amount", "50000",
        "--max-fee", "1000", "--max-fee-rate", "5000", "--minutes", "2",
    )  # fmt: skip
    assert "rebalanced" in shown
    after = (await served.edge(ALICE, BOB)).local_balance, (await served.edge(ALICE, EVE)).local_balance
    assert before[0] - after[0] >= 50_000
    assert after[1] - before[1] >= 50_000
    paid = [payment for payment in served.node(ALICE).payments.all() if payment.preimage]
    fee_sat = sum(payment.fee_msat for payment in paid) / 1_000
    assert sum(before) - sum(after) == pytest.approx(fee_sat, abs=2)
    assert len(served.node(BOB).forwards) == len(paid)


async def test_lndmanage_reports_and_sets_fees(served: Served, tmp_path: Path) -> None:
    program = tool("lndmanage")
    folder = served.servers[BOB].folder
    lines = {
        "lnd_grpc_host": f"127.0.0.1:{served.servers[BOB].rpc_port}",
        "tls_cert_file": str(folder / "tls.cert"),
        "macaroon_file": str(folder / MACAROONS / "admin.macaroon"),
    }
    config = tmp_path / "config.ini"
    sample = next(Path(program).parents[1].rglob("lndmanage/templates/config_sample.ini"), None)
    if sample is None:
        pytest.skip("lndmanage's sample configuration was not found beside it")
    kept = [line for line in sample.read_text().splitlines() if line.partition(" ")[0] not in lines]
    place = kept.index("[network]") + 1
    kept[place:place] = [f"{name} = {value}" for name, value in lines.items()]
    config.write_text("\n".join(kept))

    async def command(*arguments: str, stdin: bytes = b"") -> str:
        return await run(program, *arguments, home=tmp_path, stdin=stdin)

    assert "channels: 3" in await command("status")
    for listed in (["listchannels"], ["listchannels", "forwardings"], ["listpeers"]):
        assert CAROL in await command(*listed)
    assert "Did not find any channels" in await command("listchannels", "rebalance")
    assert "closings" in await command("report")
    await command("update-fees", "--init", stdin=b"yes\n")
    assert await policies(served, BOB) == {(0, 2_500, 40)}
    await command("update-fees", "--cltv", "50", stdin=b"yes\n")
    assert await policies(served, BOB) == {(0, 2_500, 50)}


async def test_charge_lnd_sets_fees_and_is_content_with_them(served: Served, tmp_path: Path) -> None:
    program = tool("charge-lnd", "it is in no package registry; install it from its repository and put it on PATH")
    folder = served.servers[ALICE].folder
    policy = tmp_path / "charge.config"
    policy.write_text("[all]\nstrategy = static\nbase_fee_msat = 0\nfee_ppm = 321\ninbound_fee_ppm = -12\n")
    common = (
        "--grpc", f"127.0.0.1:{served.servers[ALICE].rpc_port}", "--tlscert", str(folder / "tls.cert"),
        "--macaroon", str(folder / MACAROONS / "admin.macaroon"), "-c", str(policy),
    )  # fmt: skip
    planned = await run(program, *common, "--dry-run", home=tmp_path)
    assert planned.count("321") == 3
    direction = await served.network.read(lambda engine: engine.directions_of(0)[0])
    before = await served.network.read(lambda engine: engine.policy(direction))
    assert before is not None
    assert before.fee_rate_ppm != 321
    await run(program, *common, home=tmp_path)
    after = await served.network.read(lambda engine: engine.policy(direction))
    assert after is not None
    assert (after.fee_rate_ppm, after.base_fee_msat, after.inbound_fee_rate_ppm) == (321, 0, -12)
    assert "321" not in await run(program, *common, home=tmp_path)
