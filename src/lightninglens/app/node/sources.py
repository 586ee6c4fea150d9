"""Where a watched node comes from: an LND node, or a recorded history. Both are read through the same port."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lightninglens.app.missed import node_folder
from lightninglens.app.switches import MOST_SPEED
from lightninglens.app.world_view import Mode
from lightninglens.core.clock import Clock, PacedClock, SystemClock
from lightninglens.core.errors import DataError
from lightninglens.core.ids import NodeId
from lightninglens.core.node import NodeInfo
from lightninglens.core.ports import NodeReader
from lightninglens.nodes.lnd.client import LndOptions
from lightninglens.nodes.lnd.client.reader import LndReader
from lightninglens.nodes.replay import BLOCK_HEIGHT, ReplayNode
from lightninglens.operate.recording import RecordingOptions
from lightninglens.storage.recorded import RecordedHistory, read_node

BACKUP_FILE = "channel.backup"
REPLAY = "replay:"
REPLAYS_FOLDER = "replays"
_UNKNOWN_NODE = NodeId("02" + 64 * "0")
LEAST_LOOK_S, LEAST_BOOK_S = 1.0, 10.0


class NodeSource(Protocol):
    """How a node is reached, and by which clock it lives."""

    @property
    def mode(self) -> Mode:
        """What its pages say they show."""
        ...

    @property
    def place(self) -> str:
        """What is connected to, in words."""
        ...

    @property
    def clock(self) -> Clock:
        """The node's time."""
        ...

    @property
    def recording(self) -> RecordingOptions:
        """How often it is looked at."""
        ...

    def opened(self) -> AbstractAsyncContextManager[NodeReader]:
        """Connect for reading within the block; raises NodeUnavailable, or ConfigError: waiting does not mend that."""
        ...

    def folder(self, data_dir: Path, info: NodeInfo) -> Path:
        """Return where what is recorded of the node is kept."""
        ...

    def prepare(self, folder: Path) -> None:
        """Make that folder, which is locked, ready to be recorded into."""
        ...

    def set_pace(self, *, speed: float, paused: bool) -> None:
        """Let time go on at another speed, where that can be."""
        ...

    def on_end(self, listener: Callable[[], object]) -> None:
        """Tell somebody when there is nothing more to come, where that can be."""
        ...


@dataclass(slots=True)
class LndSource:
    """An LND node."""

    options: LndOptions
    mode: Mode = "live"
    clock: Clock = field(default_factory=SystemClock)
    recording: RecordingOptions = field(default_factory=RecordingOptions)

    @property
    def place(self) -> str:
        """What is connected to, in words."""
        return f"LND at {self.options.grpc_host}"

    def backup_file(self) -> Path | None:
        """Return LND's channel backup, where this machine has it."""
        found = sorted(self.options.folder.glob(f"data/chain/bitcoin/{self.options.network or '*'}/{BACKUP_FILE}"))
        return found[0] if len(found) == 1 else None

    def opened(self) -> AbstractAsyncContextManager[NodeReader]:
        """Connect for reading."""
        return LndReader.at(self.options)

    def folder(self, data_dir: Path, info: NodeInfo) -> Path:
        """Return the folder of this node, which every command finds by its key."""
        return node_folder(data_dir, info.node_id)

    def prepare(self, folder: Path) -> None:
        """Do nothing: what was recorded earlier is gone on with."""

    def set_pace(self, *, speed: float, paused: bool) -> None:
        """Do nothing: time is real."""

    def on_end(self, listener: Callable[[], object]) -> None:
        """Do nothing: a node's time does not end."""


class ReplaySource:
    """A recorded history; what it is recorded into again is a scratch folder, which is begun anew each time."""

    mode: Mode = "replay"

    def __init__(self, path: Path, *, speed: float) -> None:
        """Look into the file; raises DataError when there is none, or nothing in it."""
        self._path = path
        with RecordedHistory(path) as history:
            span = history.span()
        if span is None:
            raise DataError("nothing was recorded in it", where=str(path))
        self.place = f"the recording {path}"
        self.clock = PacedClock(start_ns=span[0], speed=speed)
        self.clock.set_pace(at_ns=span[0], speed=speed, paused=True)
        self.end_ns = span[1]
        self._told_of_end: list[Callable[[], object]] = []
        self.recording = _paced(speed)
        self._info = read_node(path.parent) or NodeInfo(
            node_id=_UNKNOWN_NODE, alias=path.stem, channel_count=0, block_height=BLOCK_HEIGHT
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[NodeReader]:
        """Read the history within the block."""
        with RecordedHistory(self._path) as history:
            self.set_pace(speed=self.clock.speed, paused=False)
            info = NodeInfo(
                node_id=self._info.node_id,
                alias=self._info.alias,
                channel_count=self._info.channel_count,
                block_height=BLOCK_HEIGHT,
                network=self._info.network,
                transport="recording",
            )
            yield ReplayNode(history, info, self.clock, end_ns=self.end_ns, on_end=self._end)

    def folder(self, data_dir: Path, info: NodeInfo) -> Path:
        """Return a scratch folder."""
        return data_dir / REPLAYS_FOLDER / info.node_id[:20]

    def prepare(self, folder: Path) -> None:
        """Remove what an earlier replay left."""
        for path in folder.glob("*.db*"):
            path.unlink()

    def set_pace(self, *, speed: float, paused: bool) -> None:
        """Let time go on from now at another speed."""
        self.clock.set_pace(at_ns=min(self.clock.now_ns(), self.end_ns), speed=speed, paused=paused)

    def on_end(self, listener: Callable[[], object]) -> None:
        """Tell somebody when the recording is over."""
        self._told_of_end.append(listener)

    def _end(self) -> None:
        for listener in self._told_of_end:
            listener()


def _paced(speed: float) -> RecordingOptions:
    """Return how often a recording looks when its time runs `speed` times as fast."""
    usual = RecordingOptions()
    return RecordingOptions(
        flush_s=usual.flush_s,
        look_s=max(usual.look_s / speed, LEAST_LOOK_S),
        book_s=max(usual.book_s / speed, LEAST_BOOK_S),
        most_forward_s=MOST_SPEED * usual.most_forward_s,
        keep_days=usual.keep_days,
    )
