"""The live stream at /ws: a snapshot, then numbered updates, at most ten per second; a short loss is made good.

`hello` carries the whole state and the number of the last update in it. After a
lost connection `/ws?session=...&since=...` replays the updates since then, if
they are still held; otherwise a new `hello` comes.
"""

import asyncio
import contextlib
import dataclasses
import secrets
from collections import deque
from typing import Any

import orjson
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from lightninglens.app.bus import Bus
from lightninglens.app.events import Channel, Network, Payment, Stats, WorldAdvanced
from lightninglens.app.observer import Observer

log = structlog.get_logger(__name__)

LEAST_INTERVAL_S = 0.1
HELD_UPDATES = 600
"""A minute of them at the greatest rate."""
HELLO_PAYMENTS = 200
UPDATE_PAYMENTS = 500
"""In a fast world only the newest of one update are told one by one; the statistics count them all."""
QUEUE_LIMIT = 256
MAX_CLIENTS = 64
STUCK_S = 5.0
_GOING_AWAY = 1001
_TRY_AGAIN_LATER = 1013


class LiveStream:
    """Gathers what the bus says into numbered updates and hands them to the connected pages."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._session = secrets.token_hex(8)
        self._seq = 0
        self._held: deque[tuple[int, str]] = deque(maxlen=HELD_UPDATES)
        self._queues: set[asyncio.Queue[str | None]] = set()
        # What every page knows that has had all updates so far ...
        self._ready = asyncio.Event()
        self._network: Network | None = None
        self._told_channels: dict[str, Channel] = {}
        self._told_payments: deque[Payment] = deque(maxlen=HELLO_PAYMENTS)
        self._told_stats: Stats | None = None
        # ... and what the next update will say.
        self._news = asyncio.Event()
        self._channels: dict[str, Channel] = {}
        self._payments: deque[Payment] = deque(maxlen=UPDATE_PAYMENTS)
        self._stats: Stats | None = None

    @property
    def client_count(self) -> int:
        """How many pages are connected."""
        return len(self._queues)

    async def run(self, observer: Observer) -> None:
        """Gather and send until the bus closes, then end all connections."""
        news = self._bus.subscribe("stream")
        self._network = observer.network()
        self._told_channels = {channel.channel_id: channel for channel in self._network.channels}
        self._told_payments.extend(observer.payments)
        self._told_stats = observer.stats
        self._ready.set()
        sender = asyncio.create_task(self._send_updates())
        try:
            async for event in news:
                if isinstance(event, WorldAdvanced):
                    self._channels.update((channel.channel_id, channel) for channel in event.channels)
                    self._payments.extend(event.payments)
                    self._stats = event.stats
                    self._news.set()
        finally:
            sender.cancel()
            self._bus.unsubscribe(news)
            for queue in list(self._queues):
                self._end(queue)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one page until it goes away or falls behind."""
        if len(self._queues) >= MAX_CLIENTS:
            await websocket.accept()
            await websocket.close(_TRY_AGAIN_LATER, f"at most {MAX_CLIENTS} pages are served at once")
            return
        await websocket.accept()
        queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self._queues.add(queue)
        ready = asyncio.create_task(self._wait_until_ready())
        reader = asyncio.create_task(_read_until_gone(websocket, queue))
        try:
            await asyncio.wait({ready, reader}, return_when=asyncio.FIRST_COMPLETED)
            if self._ready.is_set():
                await self._send_to(websocket, queue)
        finally:
            ready.cancel()
            reader.cancel()
            self._queues.discard(queue)

    async def _send_to(self, websocket: WebSocket, queue: asyncio.Queue[str | None]) -> None:
        # What was queued while this page waited for the world is part of what it is told first.
        gone = _drain(queue)
        texts = self._missed(websocket.query_params.get("session"), websocket.query_params.get("since"))
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            for text in texts:
                await _send(websocket, text)
            while not gone and (text_or_end := await queue.get()) is not None:
                await _send(websocket, text_or_end)
            await websocket.close(_GOING_AWAY, "the service has ended, or this page was too slow")

    def _missed(self, session: str | None, since: str | None) -> list[str]:
        """Return the updates that a page missed, or a hello."""
        if session == self._session and since is not None and since.isascii() and since.isdigit() and len(since) < 16:
            first_held = self._held[0][0] if self._held else self._seq + 1
            if first_held - 1 <= int(since) <= self._seq:
                return [text for seq, text in self._held if seq > int(since)]
        return [self._hello()]

    def _hello(self) -> str:
        network = self._network and dataclasses.replace(self._network, channels=tuple(self._told_channels.values()))
        snapshot = {"network": network, "payments": list(self._told_payments), "stats": self._told_stats}
        return _encode({"type": "hello", "session": self._session, "seq": self._seq, "snapshot": snapshot})

    async def _wait_until_ready(self) -> None:
        await self._ready.wait()

    async def _send_updates(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            self._seq += 1
            update = _encode(
                {
                    "type": "update",
                    "seq": self._seq,
                    "channels": list(self._channels.values()),
                    "payments": list(self._payments),
                    "stats": self._stats,
                }
            )
            self._told_channels.update(self._channels)
            self._told_payments.extend(self._payments)
            self._told_stats = self._stats
            self._channels.clear()
            self._payments.clear()
            self._held.append((self._seq, update))
            for queue in list(self._queues):
                if queue.qsize() < QUEUE_LIMIT:
                    queue.put_nowait(update)
                else:
                    log.warning("a page was too slow and is disconnected", waiting=queue.qsize())
                    self._end(queue)
            await asyncio.sleep(LEAST_INTERVAL_S)

    def _end(self, queue: asyncio.Queue[str | None]) -> None:
        self._queues.discard(queue)
        queue.put_nowait(None)


async def _read_until_gone(websocket: WebSocket, queue: asyncio.Queue[str | None]) -> None:
    """Read and ignore what a page sends: nothing is asked over this stream."""
    try:
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass
    finally:
        if not queue.full():
            queue.put_nowait(None)


async def _send(websocket: WebSocket, text: str) -> None:
    try:
        async with asyncio.timeout(STUCK_S):
            await websocket.send_text(text)
    except TimeoutError:
        raise WebSocketDisconnect(_TRY_AGAIN_LATER, "stuck") from None


def _drain(queue: asyncio.Queue[str | None]) -> bool:
    """Empty a queue and tell whether its end was in it."""
    ended = False
    while not queue.empty():
        ended = queue.get_nowait() is None or ended
    return ended


def _encode(message: dict[str, Any]) -> str:
    return orjson.dumps(message).decode()
