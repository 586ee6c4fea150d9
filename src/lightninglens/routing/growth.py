"""Room for what senders remember: made between results, since kernels do not allocate."""

from lightninglens.routing._memory import has_room
from lightninglens.routing.memory import NODES_ROOM, ROOM, MissionControl, grow_mission_control


def make_room(memory: MissionControl) -> MissionControl:
    """Return a memory in which one more result fits; the same object where it already does."""
    if has_room(memory):
        return memory
    rows, node_rows = len(memory.results), len(memory.nodes)
    while int(memory.counters[0]) + ROOM >= rows:
        rows *= 2
    while int(memory.counters[1]) + NODES_ROOM >= node_rows:
        node_rows *= 2
    return grow_mission_control(memory, rows, node_rows)
