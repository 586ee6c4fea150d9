"""The live stream at /ws: a snapshot, then numbered updates, at most ten per second; a short loss is made good.

`hello` carries the whole state and the number of the last update in it. After a
lost connection `/ws?session=...&since=...` replays the updates since then, if
they are still held; otherwise a new `hello` comes. `topics=payments,alerts` has
only these keys; the numbers are the same for all, so none is ever left out.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from lightninglens.app.api.live_parts import TOPICS, News, Parts, Told, encode, keys_of, put_together
from lightninglens.app.bus import Bus
from lightninglens.app.events import RunSettings
from lightninglens.app.world_view import WorldView

log = structlog.get_logger(__name__)

LEAST_INTERVAL_S = 0.1
S_PER_CLIENT = 0.0004
"""With many pages updates are rarer, so that sending them never takes all of the time."""
HELD_UPDATES = 600
"""A minute of them at the greatest rate."""
HELD_CHARACTERS = 16 * 1024 * 1024
QUEUE_LIMIT = 256
MAX_CLIENTS = 1_100
STUCK_S = 5.0
_GOING_AWAY = 1001
_TRY_AGAIN_LATER = 1013
_BAD_TOPICS = 4400
ABORT = "lightninglens.abort"
"""Extension of the server: how to end a connection without waiting for its peer."""


class _Page:
    """One connected page: the keys it wants, and what waits for it; None ends it."""

    def __init__(self, keys: frozenset[str], abort: Callable[[], None]) -> None:
        self.keys = keys
        self.abort = abort
        """End the connection at once; who does not read could not be told properly anyway."""
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self.ended = False

    def offer(self, text: str) -> bool:
        """Queue a text; False when too much is waiting."""
        if self.queue.qsize() >= QUEUE_LIMIT:
            return False
        self.queue.put_nowait(text)
        return True

    def end(self) -> None:
        """Let nothing follow what is queued."""
        if not self.ended:
            self.ended = True
            self.queue.put_nowait(None)  # the one place beyond the limit is kept for this

    def drain(self) -> None:
        """Forget what is queued."""
        while not self.queue.empty():
            self.queue.get_nowait()
        if self.ended:
            self.queue.put_nowait(None)


class LiveStream:
    """Gathers what the bus says into numbered updates and hands them to the connected pages."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._session = secrets.token_hex(8)
        self._seq = 0
        self._held: deque[tuple[int, int, Parts]] = deque()
        self._held_characters = 0
        self._pages: set[_Page] = set()
        self._ready = asyncio.Event()
        self._told = Told()
        self._hello_text: dict[frozenset[str], str] = {}
        self._news = News()
        self._something_new = asyncio.Event()
        self.dropped = 0
        """How many pages were too slow."""

    @property
    def client_count(self) -> int:
        """How many pages are connected."""
        return len(self._pages)

    async def run(self, view: WorldView, settings: RunSettings) -> None:
        """Gather and send until the bus closes, then end all connections."""
        news = self._bus.subscribe("stream")
        self._told.begin(view)
        self._told.settings = settings
        self._ready.set()
        sender = asyncio.create_task(self._send_updates())
        try:
            async for event in news:
                if self._news.take(event):
                    self._something_new.set()
        finally:
            sender.cancel()
            self._bus.unsubscribe(news)
            for page in list(self._pages):
                self._end(page)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one page until it goes away or falls behind."""
        await websocket.accept()
        topics = [topic for topic in websocket.query_params.get("topics", ",".join(TOPICS)).split(",") if topic]
        if unknown := [topic for topic in topics if topic not in TOPICS]:
            reason = f"unknown topic {unknown[0][:30]!r}; known are {', '.join(TOPICS)}"
            await websocket.close(_BAD_TOPICS, reason)
            return
        if len(self._pages) >= MAX_CLIENTS:
            await websocket.close(_TRY_AGAIN_LATER, f"at most {MAX_CLIENTS} pages are served at once")
            return
        page = _Page(keys_of(topics), _abort_of(websocket))
        self._pages.add(page)
        ready = asyncio.create_task(self._wait_until_ready())
        reader = asyncio.create_task(_read_until_gone(websocket, page))
        try:
            await asyncio.wait({ready, reader}, return_when=asyncio.FIRST_COMPLETED)
            if self._ready.is_set():
                await self._send_to(websocket, page)
        finally:
            ready.cancel()
            reader.cancel()
            self._pages.discard(page)

    async def _send_to(self, websocket: WebSocket, page: _Page) -> None:
        # What was queued while this page waited for the world is part of what it is told first.
        page.drain()
        texts = self._missed(page, websocket.query_params.get("session"), websocket.query_params.get("since"))
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            for text in texts:
                await self._send(websocket, page, text)
            while (text_or_end := await page.queue.get()) is not None:
                await self._send(websocket, page, text_or_end)
            await websocket.close(_GOING_AWAY, "the service has ended")

    async def _send(self, websocket: WebSocket, page: _Page, text: str) -> None:
        try:
            async with asyncio.timeout(STUCK_S):
                await websocket.send_text(text)
        except TimeoutError:
            self._drop(page, f"took nothing for {STUCK_S:g} s")
            raise WebSocketDisconnect(_TRY_AGAIN_LATER, "stuck") from None

    def _missed(self, page: _Page, session: str | None, since: str | None) -> list[str]:
        """Return the updates that a page missed, or a hello."""
        if session == self._session and since is not None and since.isascii() and since.isdigit() and len(since) < 16:
            first_held = self._held[0][0] if self._held else self._seq + 1
            if first_held - 1 <= int(since) <= self._seq:
                return [_update(seq, parts, page.keys) for seq, _, parts in self._held if seq > int(since)]
        return [self._hello(page.keys)]

    def _hello(self, keys: frozenset[str]) -> str:
        """Return the whole state; made once per update, however many pages come."""
        if keys not in self._hello_text:
            snapshot = put_together({}, self._told.parts(), keys)
            head = {"type": '"hello"', "session": encode(self._session), "seq": str(self._seq)}
            self._hello_text[keys] = put_together({**head, "snapshot": snapshot}, {}, frozenset())
        return self._hello_text[keys]

    async def _wait_until_ready(self) -> None:
        await self._ready.wait()

    async def _send_updates(self) -> None:
        while True:
            await self._something_new.wait()
            self._something_new.clear()
            self._seq += 1
            parts = self._news.parts(self._told)
            self._news.tell(self._told)
            self._news = News()
            self._hello_text.clear()
            self._hold(parts)
            texts: dict[frozenset[str], str] = {}
            for page in list(self._pages):
                if page.keys not in texts:
                    texts[page.keys] = _update(self._seq, parts, page.keys)
                if not page.offer(texts[page.keys]):
                    self._drop(page, f"{page.queue.qsize()} updates were waiting")
            await asyncio.sleep(max(LEAST_INTERVAL_S, S_PER_CLIENT * len(self._pages)))

    def _hold(self, parts: Parts) -> None:
        """Keep an update for those that lose their connection, within the limits."""
        characters = sum(map(len, parts.values()))
        self._held.append((self._seq, characters, parts))
        self._held_characters += characters
        while len(self._held) > HELD_UPDATES or self._held_characters > HELD_CHARACTERS:
            self._held_characters -= self._held.popleft()[1]

    def _drop(self, page: _Page, reason: str) -> None:
        if page in self._pages:
            log.warning("a page was too slow and is disconnected", reason=reason)
            self.dropped += 1
            self._end(page)
            page.abort()

    def _end(self, page: _Page) -> None:
        self._pages.discard(page)
        page.end()


async def _read_until_gone(websocket: WebSocket, page: _Page) -> None:
    """Read and ignore what a page sends: nothing is asked over this stream."""
    try:
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass
    finally:
        page.end()


def _abort_of(websocket: WebSocket) -> Callable[[], None]:
    extension = websocket.scope.get("extensions", {}).get(ABORT, {})
    abort: Callable[[], None] = extension.get("abort", lambda: None)
    return abort


def _update(seq: int, parts: Parts, keys: frozenset[str]) -> str:
    return put_together({"type": '"update"', "seq": str(seq)}, parts, keys)
