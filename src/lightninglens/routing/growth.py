"""Room for what senders remember: made between results, since kernels do not allocate."""

from lightninglens.routing._probability import rebuild_table
from lightninglens.routing.memory import ROOM, MissionControl, grow_mission_control


def make_room(memory: MissionControl) -> MissionControl:
    """Return a memory in which one more result fits; the same object where it already does."""
    rows = len(memory.results)
    while int(memory.counters[0]) + ROOM >= rows:
        rows *= 2
    if rows > len(memory.results):
        memory = grow_mission_control(memory, rows)
        rebuild_table(memory)
    return memory
