"""Tools written for LND, unmodified, against a served node; each is skipped where it is not installed.

They are looked for on PATH (`bos`, `lndmanage`, `charge-lnd`) and in tests/npm.
"""

import asyncio
import base64
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.lnd import ALICE, BOB, CAROL, EVE, MACAROONS, Served, serving_lab
from tests.support.node import PACKAGES, node

pytestmark = pytest.mark.asyncio

LN_SERVICE = """
import * as module from 'ln-service';
import fs from 'fs';
const lns = module.default ?? module;
const [cert, macaroon, socket, peer] = questions;
const {lnd} = lns.authenticatedLndGrpc({cert, macaroon, socket});
const found = {};
found.info = await lns.getWalletInfo({lnd});
found.version = await lns.getWalletVersion({lnd});
found.identity = await lns.getIdentity({lnd});
found.height = await lns.getHeight({lnd});
found.channels = (await lns.getChannels({lnd})).channels;
found.graph = await lns.getNetworkGraph({lnd});
found.forwards = (await lns.getForwards({lnd})).forwards;
found.fees = (await lns.getFeeRates({lnd})).channels;
found.peers = (await lns.getPeers({lnd})).peers;
found.balance = await lns.getChannelBalance({lnd});
found.chain = await lns.getChainBalance({lnd});
found.reputations = await lns.getForwardingReputations({lnd});
try { await lns.getNode({lnd, public_key: '02' + '11'.repeat(32)}); } catch (problem) { found.unknown = problem; }
try { await lns.getAutopilot({lnd}); } catch (problem) { found.autopilot = problem; }
const {transaction_id, transaction_vout, id} = found.channels[0];
await lns.updateRoutingFees({lnd, transaction_id, transaction_vout, fee_rate: 77, inbound_rate_discount: 10});
found.channel = await lns.getChannel({lnd, id});
const {route} = await lns.getRouteToDestination({lnd, destination: peer, tokens: 1000});
try { await lns.payViaRoutes({lnd, routes: [route]}); } catch (problem) { found.probe = problem; }
console.log(JSON.stringify(found));
process.exit(0);
"""


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


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(str(PACKAGES / "node_modules/.bin" / name))
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def credentials(lab: Served, name: str) -> tuple[str, str, str]:
    """Return certificate and macaroon in base64, and the socket, as LND's JavaScript tools take them."""
    folder = lab.servers[name].folder
    files = (folder / "tls.cert", folder / MACAROONS / "admin.macaroon")
    certificate, macaroon = (base64.b64encode(path.read_bytes()).decode() for path in files)
    return certificate, macaroon, f"127.0.0.1:{lab.servers[name].rpc_port}"


async def test_ln_service_reads_sets_fees_and_probes(served: Served, tmp_path: Path) -> None:
    program = node()
    if not (PACKAGES / "node_modules/ln-service").is_dir():
        pytest.skip("the npm package ln-service is not installed in tests/npm")
    questions = json.dumps([*credentials(served, ALICE), served.node(BOB).node_id])
    script = PACKAGES / f"ln-service-{os.getpid()}.mjs"  # imports are looked up from where the file is
    script.write_text(f"const questions = {questions};\n{LN_SERVICE}")
    try:
        found = json.loads((await run(program, str(script), home=tmp_path)).splitlines()[-1])
    finally:
        script.unlink()
    assert found["info"]["alias"] == ALICE
    assert found["identity"]["public_key"] == served.node(ALICE).node_id
    assert (len(found["channels"]), len(found["graph"]["channels"])) == (3, 7)
    assert found["unknown"] == [404, "NodeIsUnknown"]
    assert found["autopilot"] == [400, "ExpectedLndBuiltWithAutopilotToGetStatus"]
    mine = [one for one in found["channel"]["policies"] if one["public_key"] == served.node(ALICE).node_id]
    assert (mine[0]["fee_rate"], mine[0]["inbound_rate_discount"]) == (77, 10)
    assert found["probe"][:2] == [404, "UnknownPaymentHash"]


async def test_balance_of_satoshis_reads_probes_and_rebalances(served: Served, tmp_path: Path) -> None:
    bos = tool("bos")
    certificate, macaroon, address = credentials(served, ALICE)
    folder = tmp_path / ".bos" / "alice"
    folder.mkdir(parents=True)
    saved = {"cert": certificate, "macaroon": macaroon, "socket": address}
    (folder / "credentials.json").write_text(json.dumps(saved))

    async def command(*arguments: str) -> str:
        return await run(bos, *arguments, "--node", "alice", home=tmp_path)

    assert BOB in await command("fees")
    assert BOB in await command("peers")
    assert "Earned" in await command("forwards")
    assert int((await command("balance")).split()[0]) > 10 * 100_000_000
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
    assert "channels: 3" in await run(program, "status", home=tmp_path)
    assert CAROL in await run(program, "listchannels", "forwardings", home=tmp_path)
    assert "closings" in await run(program, "report", home=tmp_path)
    shown = await run(program, "update-fees", "--init", home=tmp_path, stdin=b"yes\n", expect=None)
    assert "fee" in shown.lower()


async def test_charge_lnd_sets_fees_and_is_content_with_them(served: Served, tmp_path: Path) -> None:
    program = tool("charge-lnd")
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
