"""Raw recording: every message of the feed, as JSON lines on disk.

Format "lightninglens/raw/1": each line is one JSON object with `world_ms`, the
world's time, and `message`, a message just as the feed sends it. The first line of a file is
`{"format": "lightninglens/raw/1", "world_ms": ..., "started_ms": ..., "message": {"type": "state_update", ...}}`:
with all channels and no transactions, so that each file can be read by itself. It also has `run_id`, the
same in all files of one world, `stats`, the totals so far, and, unless the network is large, `network`.
The last line of a world that ended is `{"world_ms": ..., "message": {"type": "end"}}`.
A file that ends within a line was cut off by a crash; that line is to be ignored.
"""

import asyncio
import contextlib
import datetime as dt
import os
import secrets
import threading
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO

import orjson
import structlog

from lightninglens.app.bus import Bus, SubscriberDropped
from lightninglens.app.events import Alert, Event, Network, RebalanceDone, SnapshotTaken, Stats, WorldAdvanced
from lightninglens.app.feed import messages
from lightninglens.core.clock import Clock
from lightninglens.core.errors import LensError
from lightninglens.core.units import NS_PER_MS
from lightninglens.storage.private import private_directory, private_file

log = structlog.get_logger(__name__)

FORMAT = "lightninglens/raw/1"
FOLDER = "raw"
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_FILE_S = 3_600.0
FLUSH_S = 1.0
_MS_PER_SECOND = 1_000


class RawFile:
    """One file that is being written."""

    def __init__(self, path: Path) -> None:
        private_directory(path.parent)
        self._stream: BinaryIO = private_file(path).open("ab", buffering=0)
        self._written_bytes = 0
        self._opened_s = time.monotonic()

    @property
    def is_full(self) -> bool:
        """Whether the next one is due."""
        return self._written_bytes >= MAX_FILE_BYTES or time.monotonic() - self._opened_s >= MAX_FILE_S

    def write(self, lines: bytes) -> None:
        """Append lines and hand them to the kernel; raises OSError."""
        left = memoryview(lines)
        while left:
            written = self._stream.write(left)
            left = left[written:]
        self._written_bytes += len(lines)

    def close(self) -> None:
        """Bring everything to the disk and close; raises OSError."""
        try:
            os.fsync(self._stream.fileno())
        finally:
            self._stream.close()

    def abandon(self) -> None:
        """Close as it is: the disk has refused it already."""
        with contextlib.suppress(OSError):
            self._stream.close()


class Recorder:
    """Records what the bus says, a second at a time; a disk that refuses ends the recording and nothing else."""

    def __init__(self, data_dir: Path, bus: Bus, wall_clock: Clock) -> None:
        self._folder = data_dir / FOLDER
        self._bus = bus
        self._wall_clock = wall_clock
        self._book = messages.ChannelBook(Network(name="", mode="simulated", nodes=(), channels=()))
        self._lines: list[bytes] = []
        self._chunks: deque[tuple[bytes, bool]] = deque()
        self._network: Network | None = None
        self._stats: Stats | None = None
        self._world_ms = 0
        self.run_id = f"{self._moment()}-{secrets.token_hex(3)}"
        """Names this world's recording."""
        self._file: RawFile | None = None
        self._writing = threading.Lock()
        self.problem = ""
        """Why recording has stopped, if it has."""

    async def run(self, network: Network, stats: Stats) -> None:
        """Record from this state of the network on, until the bus closes."""
        self._book, self._network = messages.ChannelBook(network), network
        self._world_ms, self._stats = stats.world_ms, stats
        self._begin_file()
        news = self._bus.subscribe("recorder")
        flusher = asyncio.create_task(self._flush_each_second())
        try:
            async for event in news:
                if self.problem:
                    return
                self._take(event)
            self._add({"type": "end"})
        except SubscriberDropped as problem:
            self._stop(str(problem))
        finally:
            flusher.cancel()
            self._bus.unsubscribe(news)
            # Not in a thread: it must happen even while everything is being cancelled.
            self._hand_over(last=True)
            self._write()

    async def _flush_each_second(self) -> None:
        while not self.problem:
            await asyncio.sleep(FLUSH_S)
            full = self._file is not None and self._file.is_full
            self._hand_over(last=full)
            if full:
                self._begin_file()
            problem = await asyncio.to_thread(self._write)
            if problem:
                self._stop(problem)

    def _begin_file(self) -> None:
        """Let the next file begin with all channels as they are now."""
        state = messages.state_update(self._book.all(), (), self._world_ms)
        head: dict[str, object] = {
            "format": FORMAT,
            "world_ms": self._world_ms,
            "started_ms": self._wall_clock.now_ns() // NS_PER_MS,
            "run_id": self.run_id,
            "stats": self._stats,
            "message": state,
        }
        if self._network is not None and len(self._network.channels) <= messages.LARGE_NETWORK_CHANNELS:
            head["network"] = self._network
        self._lines.append(orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE))

    def _take(self, event: Event) -> None:
        match event:
            case WorldAdvanced():
                self._world_ms, self._stats = event.stats.world_ms, event.stats
                for payment in event.payments:
                    self._add(messages.transaction(payment))
                for message in self._book.take(event.channels):
                    self._add(message)
            case SnapshotTaken():
                self._world_ms = event.world_ms
                for message in self._book.snapshot(event.channels):
                    self._add(message)
            case RebalanceDone():
                self._add(messages.rebalance_result(event))
            case Alert():
                self._add({"type": "alert", "data": event})

    def _add(self, message: messages.Message) -> None:
        line = {"world_ms": self._world_ms, "message": message}
        self._lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _hand_over(self, *, last: bool) -> None:
        """Let what was gathered be written; it is the `last` of its file or not."""
        self._chunks.append((b"".join(self._lines), last))
        self._lines.clear()

    def _write(self) -> str:
        """Write what was handed over, in order, whichever thread comes first; return what went wrong, or nothing."""
        with self._writing:
            try:
                while self._chunks and not self.problem:
                    self._write_chunk(*self._chunks.popleft())
            except LensError as problem:
                return str(problem)
            except OSError as problem:
                if self._file is not None:
                    self._file.abandon()
                    self._file = None
                return f"{self._folder}: {problem.strerror or problem}"
            return ""

    def _write_chunk(self, lines: bytes, last: bool) -> None:  # noqa: FBT001 - as it was handed over
        if self._file is None and lines:
            self._file = RawFile(self._next_path())
        if self._file is not None:
            self._file.write(lines)
            if last:
                self._file.close()
                self._file = None

    def _next_path(self) -> Path:
        return self._folder / f"lab_{self._moment()}.jsonl"

    def _moment(self) -> str:
        now_ms = self._wall_clock.now_ns() // NS_PER_MS
        moment = dt.datetime.fromtimestamp(now_ms // _MS_PER_SECOND, dt.UTC)
        return f"{moment:%Y%m%dT%H%M%S}{now_ms % _MS_PER_SECOND:03d}Z"

    def _stop(self, reason: str) -> None:
        self.problem = f"recording has stopped, the lab runs on: {reason}"
        self._lines.clear()
        log.error("recording has stopped, the lab runs on", reason=reason)
        self._bus.publish(
            Alert(level="error", source="recorder", text=self.problem, state="raised", alert_id="recording-stopped")
        )
