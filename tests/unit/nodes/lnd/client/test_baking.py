"""Making a role's macaroon: exactly its permissions, private from its first byte on, never over another."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.support.lnd_stand_in import ROOT_KEY, StandIn, stand_in

from lightninglens.core.clock import SystemClock, VirtualClock
from lightninglens.core.errors import ConfigError, NodeRefused
from lightninglens.core.units import NS_PER_DAY
from lightninglens.nodes.lnd.client.baking import BakeOrder, bake
from lightninglens.nodes.lnd.client.credentials import lncli_command
from lightninglens.nodes.lnd.client.roles import BAKEABLE, Role, permissions
from lightninglens.nodes.lnd.client.session import connected
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.macaroon import Macaroon, mint
from lightninglens.nodes.lnd.permissions import Permission

pytestmark = pytest.mark.asyncio


async def baked(request: Any) -> lnrpc.BakeMacaroonResponse:
    granted = [Permission(each.entity, each.action) for each in request.permissions]
    return lnrpc.BakeMacaroonResponse(macaroon=mint(ROOT_KEY, granted, nonce=bytes(16)).to_hex())


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path / "lnd") as made:
        made.answers[Lightning.BakeMacaroon.path] = baked
        yield made


@pytest.mark.parametrize("role", BAKEABLE)
async def test_what_is_baked_is_then_found_and_used(node: StandIn, role: Role) -> None:
    made = await bake(BakeOrder(role=role), node.options(), SystemClock())
    assert made.path == node.chain_folder / f"lens-{role}.macaroon"
    assert made.path.stat().st_mode & 0o777 == 0o600
    (asked,) = node.questions(Lightning.BakeMacaroon)
    assert {(each.entity, each.action) for each in asked.permissions} == set(permissions(role))
    assert asked.root_key_id == made.root_key_id > 100
    async with connected(role, node.options()) as session:
        assert session.credential.path == made.path


async def test_each_role_has_a_root_key_of_its_own(node: StandIn) -> None:
    made = [await bake(BakeOrder(role=role), node.options(), SystemClock()) for role in BAKEABLE]
    assert len({each.root_key_id for each in made}) == len(BAKEABLE)


async def test_a_file_that_is_there_is_kept_unless_it_is_to_be_replaced(node: StandIn) -> None:
    order = BakeOrder(role=Role.FEES)
    made = await bake(order, node.options(), SystemClock())
    before = made.path.read_bytes()
    with pytest.raises(ConfigError, match="--replace"):
        await bake(order, node.options(), SystemClock())
    assert made.path.read_bytes() == before
    wider = BakeOrder(role=Role.FEES, channel_status=True, replace=True)
    assert len((await bake(wider, node.options(), SystemClock())).permissions) == len(made.permissions) + 1


async def test_its_time_and_place_can_be_narrowed(node: StandIn) -> None:
    clock = VirtualClock(SystemClock().now_ns())
    order = BakeOrder(role=Role.MONITOR, valid_days=30, only_from="127.0.0.1")
    made = await bake(order, node.options(), clock)
    assert made.expires_ns == clock.now_ns() + 30 * NS_PER_DAY
    caveats = [each.text for each in Macaroon.from_bytes(made.path.read_bytes()).caveats]
    assert caveats[0].startswith("time-before ")
    assert caveats[1] == "ipaddr 127.0.0.1"
    async with connected(Role.MONITOR, node.options()):
        pass


@pytest.mark.parametrize("wrong", [{"valid_days": 0}, {"valid_days": 10**6}, {"only_from": "home"}])
async def test_what_cannot_be_meant_is_wrong_usage_and_asks_the_node_nothing(
    node: StandIn, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        await bake(BakeOrder(role=Role.MONITOR, **wrong), node.options(), SystemClock())
    assert node.asked == []


async def test_a_node_that_bakes_nonsense_is_refused_and_nothing_is_written(node: StandIn) -> None:
    node.answers[Lightning.BakeMacaroon.path] = lnrpc.BakeMacaroonResponse(macaroon="zz")
    with pytest.raises(NodeRefused):
        await bake(BakeOrder(role=Role.MONITOR), node.options(), SystemClock())
    assert not list(node.chain_folder.glob("lens-*"))


async def test_the_printed_command_bakes_the_same(tmp_path: Path) -> None:
    command = lncli_command(Role.FEES, tmp_path / "a b.macaroon")
    assert command.startswith(f"lncli bakemacaroon --save_to '{tmp_path}/a b.macaroon' uri:/lnrpc.Lightning/")
    assert {each for each in command.split() if each.startswith("uri:")} == set(map(str, permissions(Role.FEES)))
