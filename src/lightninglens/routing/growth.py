"""Room for what senders remember: made between results, since kernels do not allocate."""

import numpy as np

from lightninglens.routing._probability import rebuild_table
from lightninglens.routing.memory import ROOM, MissionControl, grow_mission_control
from lightninglens.routing.state import HISTORY, REPORT_PAIRS, Scratch


def make_room(memory: MissionControl, scratch: Scratch) -> tuple[MissionControl, Scratch]:
    """Return both so large that one more result fits; they are the same objects where it already does."""
    rows = len(memory.results)
    if int(memory.counters[0]) + ROOM >= rows:
        memory = grow_mission_control(memory, 2 * rows)
        rebuild_table(memory)
    most = int(memory.counters[1]) + REPORT_PAIRS
    if most >= len(scratch.history):
        scratch = scratch._replace(history=np.zeros(2 * most, HISTORY))
    return memory, scratch
