"""The nodes of a lab, recorded and analysed by the very code that watches a node of one's own."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from lightninglens.app.lab import Lab
from lightninglens.app.node.watched import WatchedNode
from lightninglens.app.switches import MOST_SPEED
from lightninglens.core.errors import NodeUnavailable
from lightninglens.operate.costs import CostReading
from lightninglens.operate.recording import Recording, RecordingOptions
from lightninglens.storage.forwards import FORWARDS_FILE, ForwardStore
from lightninglens.storage.recorded import RecordedHistory

log = structlog.get_logger(__name__)

FOLDER = "lab-nodes"
MOST_NODES = 20
"""A larger network's nodes are not recorded one by one."""
OPTIONS = RecordingOptions(look_s=5.0, book_s=10.0, most_forward_s=MOST_SPEED * RecordingOptions().most_forward_s)
"""In real time: a lab is often faster than that, and its clock never set."""


@contextlib.asynccontextmanager
async def recorded_nodes(lab: Lab, data_dir: Path) -> AsyncIterator[list[WatchedNode]]:
    """Record all nodes of a lab within the block, anew; none of a large network."""
    folder = data_dir / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    graph = lab.world.graph
    rows = range(graph.node_count if graph.node_count <= MOST_NODES else 0)
    with contextlib.ExitStack() as stack:
        nodes = [await _watched(lab, row, folder, stack) for row in rows]
        tasks = [asyncio.create_task(_record(each)) for each in nodes]
        try:
            yield nodes
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _watched(lab: Lab, row: int, folder: Path, stack: contextlib.ExitStack) -> WatchedNode:
    node = lab.simulated.node(row)
    path = folder / node.node_id[:20] / FORWARDS_FILE
    keeper = stack.enter_context(ForwardStore(path))
    return WatchedNode(
        info=await node.info(),
        recording=Recording(node, keeper, lab, OPTIONS, costs=CostReading(node, keeper.costs, lab)),
        store=stack.enter_context(RecordedHistory(path)),
        clock=lab,
    )


async def _record(watched: WatchedNode) -> None:
    try:
        await watched.recording.run()
    except NodeUnavailable as problem:
        log.warning("a node of the lab is recorded no more", node=watched.info.alias, problem=str(problem))
