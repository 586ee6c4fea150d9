"""The history of one simulated node, as `lens run` would have recorded it: for replays, and to try rules on."""

from collections.abc import Callable
from pathlib import Path

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.core.errors import ConfigError
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_HOUR, NS_PER_SECOND, UnixNs
from lightninglens.lab.missed.observed import LOOK_NS
from lightninglens.sim.engine import Engine
from lightninglens.sim.reading import htlc_event
from lightninglens.sim.records import PaymentRequests
from lightninglens.storage.forwards import Batch, ForwardStore
from lightninglens.storage.recorded import write_node

WINDOW_NS = 600 * NS_PER_SECOND


def record_history(
    engine: Engine,
    draw: Callable[[int, int], PaymentRequests],
    node: int,
    path: Path,
    *,
    hours: float,
    drawn_until_ns: int = 0,
    progress: Callable[[int], None] = lambda _done: None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Run a world, record one node of it, and return how many attempts it saw.

    Args:
        engine: the world, at its start.
        draw: returns the payments that begin in [start, end) ns.
        node: row of the node.
        path: the database to write, which must not exist.
        hours: world time.
        drawn_until_ns: demand is submitted already up to here.
        progress: told how many windows of ten minutes are done.
        stopped: asked after each whether to end early.

    Raises:
        ConfigError: there is a file already.
    """
    if path.exists():
        raise ConfigError(f"{path} exists already; name another file, or remove it")
    engine.observe([node])
    begin_ns, attempts = engine.now_ns, 0
    accounting = HtlcAccounting()
    _write_node(engine, node, path)
    with ForwardStore(path) as store:
        for window in range(int(hours * NS_PER_HOUR) // WINDOW_NS):
            start_ns = begin_ns + window * WINDOW_NS
            if start_ns >= drawn_until_ns:
                engine.submit(draw(start_ns, start_ns + WINDOW_NS))
            for look in range(WINDOW_NS // LOOK_NS):
                batch = _minute(engine, node, accounting, begin_ns, start_ns + (look + 1) * LOOK_NS)
                attempts += len(batch.changes.ended)
                store.write(batch)
            progress(window + 1)
            if stopped():
                break
    return attempts


def _minute(engine: Engine, node: int, accounting: HtlcAccounting, begin_ns: int, until_ns: int) -> Batch:
    """Look at the channels, let the world happen up to a time, and return what is to be written of it."""
    states = tuple(engine.channel_states(node))
    accounting.channels.see(states, UnixNs(engine.now_ns), block_height=engine.block_height)
    seen_ns = engine.now_ns
    engine.run_until(until_ns)
    for row in engine.harvest().htlc_events:
        accounting.take(htlc_event(engine.graph, row))
    return Batch(
        changes=accounting.changes(until_ns),
        next_payment=accounting.next_payment,
        covered=(begin_ns, until_ns),
        channels=states,
        seen_ns=seen_ns,
    )


def _write_node(engine: Engine, node: int, path: Path) -> None:
    graph = engine.graph
    info = NodeInfo(
        node_id=graph.node_ids[node],
        alias=graph.aliases[node],
        channel_count=len(engine.directions_of(node)),
        block_height=engine.block_height,
        network="regtest",
    )
    write_node(path.parent, info)
