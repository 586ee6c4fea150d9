"""What every adapter that opens and closes channels must do, as one suite over any implementation of the port.

Beside what `node_contract` asks of a world this needs the address at which a node
can be reached, and a way to let blocks confirm what was published.
"""

from typing import Protocol

import pytest

from lightninglens.core.channels import ChannelState
from lightninglens.core.costs import CostKind
from lightninglens.core.errors import NodeRefused
from lightninglens.core.node import ClosedChannel, Closure, OpenRequest
from lightninglens.core.units import MSAT_PER_SAT, Msat, Sat
from tests.support.node_contract import Actor, World, eventually, ports

CAPACITY_SAT = Sat(1_234_567)
"""As of no other channel."""
PUSHED_SAT = 250_000
MOST_FEE_SAT = 50_000
NO_CHANNEL = f"{'ab' * 32}:0"


class ChainWorld(World, Protocol):
    """A world in which channels are opened."""

    def address_of(self, actor: Actor) -> str:
        """Return where a node can be reached, `host:port`."""
        ...

    async def confirm(self) -> None:
        """Let blocks come until what was published counts."""
        ...


async def channel_at(actor: Actor, point: str) -> ChannelState | None:
    """Return the channel of a funding output, if it can be used: the port shows no outputs, but capacity and number."""
    output = int(point.partition(":")[2])
    found = [each for each in await actor.reader.channels() if each.capacity_sat == CAPACITY_SAT and each.active]
    return next((each for each in found if each.channel_id.output == output), None)


class ChannelManagerContract:
    """The suite. A subclass is a test class with a fixture `world` and marks of its own."""

    async def test_to_be_connected_already_is_no_error(self, world: ChainWorld) -> None:
        (manager,) = ports(world.router, "manager")
        for _ in range(2):
            await manager.connect(world.payee.node_id, world.address_of(world.payee))

    async def test_the_wallet_says_what_it_has_and_every_address_is_new(self, world: ChainWorld) -> None:
        (manager,) = ports(world.router, "manager")
        assert (await manager.on_chain_balance()).confirmed_sat > CAPACITY_SAT + MOST_FEE_SAT
        addresses = [await manager.new_address() for _ in range(3)]
        assert len(set(addresses)) == 3
        assert all(address.startswith("bcrt1p") for address in addresses)
        estimate = await manager.estimate_on_chain(addresses[0], Sat(100_000))
        assert 0 < estimate.fee_sat < MOST_FEE_SAT
        assert estimate.fee_rate_sat_per_vbyte > 0

    async def test_a_backup_has_the_open_channels(self, world: ChainWorld) -> None:
        (manager,) = ports(world.router, "manager")
        backup = await manager.export_backup()
        assert len(set(backup.channel_points)) == len(await world.router.reader.channels())
        assert backup.data

    @pytest.mark.parametrize(
        "wrong",
        [
            {"local_sat": Sat(100)},
            {"local_sat": Sat(10**12)},
            {"push_msat": Msat(1)},
            {"push_msat": Msat((CAPACITY_SAT + 1) * MSAT_PER_SAT)},
        ],
        ids=["too small", "too large", "not whole sat", "more than there is"],
    )
    async def test_what_cannot_be_opened_is_refused_and_costs_nothing(
        self, world: ChainWorld, wrong: dict[str, int]
    ) -> None:
        (manager,) = ports(world.router, "manager")
        before = await manager.on_chain_balance()
        given = {"local_sat": CAPACITY_SAT, "fee_rate_sat_per_vbyte": 2} | wrong
        with pytest.raises(NodeRefused):
            await manager.open(OpenRequest(peer_id=world.payee.node_id, **given))  # type: ignore[arg-type]
        assert await manager.on_chain_balance() == before
        assert list(await manager.pending()) == []

    async def test_what_is_no_channel_is_not_closed(self, world: ChainWorld) -> None:
        (manager,) = ports(world.router, "manager")
        with pytest.raises(NodeRefused):
            await manager.close(NO_CHANNEL)

    async def test_a_channel_is_opened_used_and_closed(self, world: ChainWorld) -> None:
        (manager,) = ports(world.router, "manager")
        before = await manager.on_chain_balance()
        request = OpenRequest(
            peer_id=world.payee.node_id,
            local_sat=CAPACITY_SAT,
            push_msat=Msat(PUSHED_SAT * MSAT_PER_SAT),
            fee_rate_sat_per_vbyte=2,
        )
        point = await world.done(manager.open(request))
        opened = await self._is_open(world, point)
        assert opened.peer_id == world.payee.node_id
        assert opened.remote_msat == PUSHED_SAT * MSAT_PER_SAT
        assert opened.local_msat < (CAPACITY_SAT - PUSHED_SAT) * MSAT_PER_SAT
        spent_sat = before.confirmed_sat - (await manager.on_chain_balance()).confirmed_sat
        assert CAPACITY_SAT < spent_sat < CAPACITY_SAT + MOST_FEE_SAT
        assert point in (await manager.export_backup()).channel_points
        transaction = await world.done(manager.close(point, fee_rate_sat_per_vbyte=2))
        assert len(bytes.fromhex(transaction)) == 32
        closed = await self._is_closed(world, point)
        assert (closed.peer_id, closed.capacity_sat) == (world.payee.node_id, CAPACITY_SAT)
        assert closed.closure is Closure.COOPERATIVE
        assert closed.settled_sat is not None
        assert 0 <= CAPACITY_SAT - PUSHED_SAT - closed.settled_sat < MOST_FEE_SAT
        assert point not in (await manager.export_backup()).channel_points
        with pytest.raises(NodeRefused):
            await manager.close(point)
        await self._cost_what_the_chain_took(world, closed, spent_sat)

    @staticmethod
    async def _cost_what_the_chain_took(world: ChainWorld, closed: ClosedChannel, spent_sat: int) -> None:
        """What was paid for opening and closing is told to whoever opened the channel, and to nobody else."""
        assert closed.settled_sat is not None
        costs = await world.router.reader.on_chain_costs()
        told = {each.kind: each for each in costs if each.channel_point == closed.channel_point}
        opening, closing = told[CostKind.OPEN], told[CostKind.CLOSE]
        assert opening.fee_msat == (spent_sat - CAPACITY_SAT) * MSAT_PER_SAT
        assert closing.fee_msat == (CAPACITY_SAT - PUSHED_SAT - closed.settled_sat) * MSAT_PER_SAT
        for cost in (opening, closing):
            assert (cost.channel_id, cost.peer_id, cost.unknown) == (closed.channel_id, closed.peer_id, "")
            assert 0 < cost.at_ns <= world.now_ns() + 2 * 3600 * 10**9  # a block may be ahead of its time
        theirs = await world.payee.reader.on_chain_costs()
        assert closed.channel_point not in {each.channel_point for each in theirs}
        height = (await world.router.reader.info()).block_height
        assert await world.router.reader.on_chain_costs(since_height=height + 1) == ()

    @staticmethod
    async def _is_open(world: ChainWorld, point: str) -> ChannelState:
        """Let a channel that was published become open; until then it is among the pending ones."""
        (manager,) = ports(world.router, "manager")
        waits = [each.channel_point for each in await manager.pending()]
        assert waits == ([] if await channel_at(world.router, point) else [point])
        await world.confirm()
        found = await eventually(lambda: channel_at(world.router, point))
        assert found is not None
        assert list(await manager.pending()) == []
        return found

    @staticmethod
    async def _is_closed(world: ChainWorld, point: str) -> ClosedChannel:
        """Let a channel whose close was published be gone; until then it is among the pending ones."""
        (manager,) = ports(world.router, "manager")

        async def closed() -> ClosedChannel | None:
            return next(
                (each for each in await world.router.reader.closed_channels() if each.channel_point == point), None
            )

        waits = [each.channel_point for each in await manager.pending()]
        assert waits == ([] if await closed() else [point])
        await world.confirm()
        found = await eventually(closed)
        assert found is not None
        assert await channel_at(world.router, point) is None
        assert list(await manager.pending()) == []
        return found
