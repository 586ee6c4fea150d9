import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from lightninglens.app.events import Event, SnapshotTaken, WorldAdvanced
from lightninglens.app.feed import FeedOptions
from lightninglens.app.runtime import Service, ServiceOptions
from lightninglens.app.world import World
from lightninglens.core.errors import DataError, InvariantError, LensError
from lightninglens.core.units import NS_PER_MS


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.mark.asyncio
async def test_money_from_nowhere_stops_everything(start: Any) -> None:
    async def tamper() -> None:
        async with start(lab={"snapshot_s": 5.0}) as running:
            running.service.state.lab.world.engine._world.network.balance_msat[0] += 1
            await events_of(running)

    with pytest.raises(InvariantError, match="1 msat appeared or disappeared"):
        await tamper()


@pytest.mark.asyncio
async def test_a_world_that_cannot_be_built_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    def build() -> World:
        raise DataError("no channels in it", where="graph.json")

    options = ServiceOptions(data_dir=tmp_path, port=free_port(), feed=None)
    with pytest.raises(DataError, match=r"graph\.json: no channels in it"):
        await Service(options, build).run()
    assert not (tmp_path / "lens.pid").exists()


@pytest.mark.asyncio
async def test_a_stop_during_the_warm_up_is_not_delayed_by_it(tmp_path: Path) -> None:
    gate = threading.Event()

    def build() -> World:
        gate.wait(30)
        raise DataError("too late")

    service = Service(ServiceOptions(data_dir=tmp_path, port=free_port(), feed=FeedOptions(port=free_port())), build)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await service.run(on_listening=lambda: _later(loop, service))
    gate.set()
    assert loop.time() - began_s < 2.0


def _later(loop: asyncio.AbstractEventLoop, service: Service) -> None:
    loop.call_later(0.1, service.stop)


async def events_of(running: Any) -> list[Event]:
    return [event async for event in running.service.bus.subscribe("test")]


@pytest.mark.asyncio
@pytest.mark.promise("A1.14c")
@pytest.mark.promise("A1.15")
@pytest.mark.parametrize("period_s", [0.0, 60.0])
async def test_zero_turns_periodic_jobs_off(start: Any, period_s: float) -> None:
    lab = {"speed": 300.0, "duration_s": 600.0, "snapshot_s": period_s, "baseline_rebalance_s": period_s}
    async with start(lab=lab) as running:
        events = await events_of(running)
        stats = running.service.state.lab.observer.stats
    snapshots = [event.world_ms for event in events if isinstance(event, SnapshotTaken)]
    assert bool(snapshots) == bool(period_s)
    assert all(world_ms % 60_000 == 0 for world_ms in snapshots)
    assert bool(stats.rebalances) == bool(period_s)


@pytest.mark.asyncio
async def test_the_same_seed_gives_the_same_payments_at_any_speed(start: Any) -> None:
    async def told(speed: float) -> list[tuple[int, int, str, int, bool, int]]:
        lab = {"speed": speed, "duration_s": 1_200.0}
        async with start(traffic=True, lab=lab, feed={}, record=False) as running:
            events = await events_of(running)
            assert running.service.state.lab.now_ns() == running.service.state.lab._end_ns
            assert events
            return [
                (one.payment_id, one.started_ms, one.sender_name, one.amount_msat, one.succeeded, one.fee_msat)
                for one in running.service.state.lab.observer.payments
            ]

    assert await told(400.0) == await told(2_500.0)


@pytest.mark.asyncio
async def test_a_second_lab_on_the_same_data_is_refused(start: Any) -> None:
    async with start() as running:
        with pytest.raises(LensError, match="in use by process"):
            await type(running.service)(running.options, lambda: None).run()


@pytest.mark.asyncio
async def test_world_time_moves_while_nothing_happens(service: Any) -> None:
    seen: list[int] = []
    async with asyncio.timeout(10):
        async for event in service.service.bus.subscribe("test"):
            if isinstance(event, WorldAdvanced):
                seen.append(event.stats.world_ms)
            if len(seen) == 3:
                break
    assert seen[0] < seen[1] < seen[2]
    assert service.service.state.lab.now_ns() // NS_PER_MS >= seen[2]


@pytest.mark.asyncio
async def test_every_node_of_the_lab_is_recorded_and_analysed_as_a_node_of_ones_own(start: Any) -> None:
    async with start(traffic=True, lab={"speed": 2_000.0}) as running, running.http() as http:
        query: dict[str, Any] = {"node": "lnd-alice", "hours": 24, "min_failures": 1, "min_missed_sats": 0}
        async with asyncio.timeout(60):
            while (await http.get("/api/v1/recording", params={"node": "lnd-bob"})).json()["settled"] < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        missed = (await http.get("/api/v1/missed", params=query)).json()
        assert missed["format"] == "lightninglens/opportunities/1"
        assert missed["channels"] == 3
        unnamed = await http.get("/api/v1/missed")
        assert unnamed.status_code == 422
        assert "lnd-eve" in unnamed.json()["error"]["what_to_do"]
        assert (await http.get("/api/v1/missed", params={"node": "zoe"})).status_code == 422
        assert "lens_node_" not in (await http.get("/metrics")).text
