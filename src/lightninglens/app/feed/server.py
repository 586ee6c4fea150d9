"""The feed's WebSocket server: everybody hears everything, anybody may suggest, nobody can disturb another."""

import asyncio
import contextlib
import http
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from lightninglens.app.bus import Bus, Subscription
from lightninglens.app.events import Alert, Event, Network, Payment, RebalanceDone, SnapshotTaken, WorldAdvanced
from lightninglens.app.feed import messages
from lightninglens.app.lab import Lab
from lightninglens.app.learning.board import LearnerBoard
from lightninglens.app.origins import allowed_hosts, allowed_origins, refusal
from lightninglens.app.rebalancing import FEED, Rebalancing
from lightninglens.control.guard import Refusal, read_suggestion
from lightninglens.core.errors import LensError

log = structlog.get_logger(__name__)

KEPT_TRANSACTIONS = 100
EMPTY_NETWORK = Network(name="", mode="simulated", nodes=(), channels=())
_POLICY_VIOLATION = 1008
_TRY_AGAIN_LATER = 1013
_GOING_AWAY = 1001


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """How the feed treats its clients."""

    port: int = 6789
    service_port: int = 3000
    """Pages served on this port may connect; other browsers' pages may not."""
    max_clients: int = 64
    queue_limit: int = 256
    """Updates that may wait for one client."""
    stuck_s: float = 5.0
    """A client that takes nothing for this long is dropped."""
    messages_per_s: float = 20.0
    """A client's further messages wait, unread."""
    send_buffer_bytes: int | None = None
    """Size of the kernel's send buffer per client; None: the system's own."""


class _Client:
    """One connection: a bounded queue that a task of its own sends from."""

    def __init__(self, connection: ServerConnection, options: FeedOptions) -> None:
        self.connection = connection
        self._options = options
        self._queue: asyncio.Queue[tuple[str, ...]] = asyncio.Queue(options.queue_limit)
        self._allowance = options.messages_per_s
        self._checked_s = time.monotonic()
        self.why_dropped = ""

    def offer(self, texts: tuple[str, ...]) -> None:
        """Queue texts that belong together; a client whose queue is full is dropped."""
        try:
            self._queue.put_nowait(texts)
        except asyncio.QueueFull:
            self.drop(f"too slow: {self._options.queue_limit} updates were waiting")

    def drop(self, reason: str) -> None:
        """End the connection at once; a client that does not read could not be told properly anyway."""
        if self.why_dropped:
            return
        self.why_dropped = reason
        log.warning("feed client dropped", client=self.connection.remote_address, reason=reason)
        self.connection.transport.abort()

    async def send_queued(self) -> None:
        """Send what is queued until the connection ends."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                for text in await self._queue.get():
                    try:
                        async with asyncio.timeout(self._options.stuck_s):
                            await self.connection.send(text)
                    except TimeoutError:
                        self.drop(f"stuck: took nothing for {self._options.stuck_s:g} s")
                        return

    async def wait_for_turn(self) -> None:
        """Wait until the client may be read from again (a bucket of one second's messages)."""
        rate = self._options.messages_per_s
        now_s = time.monotonic()
        self._allowance = min(rate, self._allowance + (now_s - self._checked_s) * rate)
        self._checked_s = now_s
        self._allowance -= 1.0
        if self._allowance < 0.0:
            await asyncio.sleep(-self._allowance / rate)


class FeedServer:
    """Serves the feed on sockets that are already bound."""

    def __init__(
        self,
        options: FeedOptions,
        bus: Bus,
        ready: Callable[[], Awaitable[tuple[Lab, Rebalancing]]],
        learner: LearnerBoard | None = None,
    ) -> None:
        """Take what to wait for before clients are told anything, the lab and its rebalancing, and who suggests."""
        self._learner = learner
        self._options = options
        self._bus = bus
        self._ready = ready
        self._clients: set[_Client] = set()
        self._connections = 0
        self._rebalancing: asyncio.Future[Rebalancing] = asyncio.get_running_loop().create_future()
        self._book = messages.ChannelBook(EMPTY_NETWORK)
        self._transactions: deque[Payment] = deque(maxlen=KEPT_TRANSACTIONS)
        self._world_ms = 0
        self._jobs: set[asyncio.Task[None]] = set()
        self.clients_dropped = 0

    @property
    def client_count(self) -> int:
        """How many clients are connected."""
        return self._connections

    async def run(self, sockets: Sequence[socket.socket]) -> None:
        """Serve until the bus closes, then tell the clients and end."""
        servers = [await self._listen(sock) for sock in sockets]
        try:
            lab, rebalancing = await self._ready()
            news = self._bus.subscribe("feed")
            self._book = messages.ChannelBook(lab.observer.network())
            self._transactions.extend(lab.observer.payments)
            self._world_ms = lab.observer.stats.world_ms
            self._rebalancing.set_result(rebalancing)
            await self._broadcast_news(news)
        finally:
            self._rebalancing.cancel()
            for job in self._jobs:
                job.cancel()
            for server in servers:
                server.close(code=_GOING_AWAY, reason="the lab has ended")
            for server in servers:
                await server.wait_closed()

    async def _listen(self, sock: socket.socket) -> Server:
        if self._options.send_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._options.send_buffer_bytes)
        return await serve(
            self._handle,
            sock=sock,
            process_request=self._admit,
            max_size=messages.MAX_MESSAGE_BYTES,
            max_queue=4,
            compression=None,
            open_timeout=5,
            close_timeout=1,
            server_header=None,
        )

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        headers = request.headers
        problem = refusal(
            headers.get_all("Host"),
            headers.get_all("Origin"),
            answered_hosts=allowed_hosts(self._options.port),
            trusted_origins=allowed_origins(self._options.service_port),
        )
        if problem is not None:
            return connection.respond(http.HTTPStatus.FORBIDDEN, problem + "\n")
        if self._connections >= self._options.max_clients:
            text = f"the feed serves at most {self._options.max_clients} clients (feed.max_clients)\n"
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, text)
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        if self._connections >= self._options.max_clients:
            await connection.close(_TRY_AGAIN_LATER, "too many clients")
            return
        self._connections += 1
        client = _Client(connection, self._options)
        sender = asyncio.create_task(client.send_queued())
        try:
            rebalancing = await asyncio.shield(self._rebalancing)
            self._welcome(client)
            with contextlib.suppress(ConnectionClosed):
                async for frame in connection:
                    await self._receive(client, frame, rebalancing)
                    await client.wait_for_turn()
        finally:
            self._connections -= 1
            self._clients.discard(client)
            self.clients_dropped += bool(client.why_dropped)
            sender.cancel()

    def _welcome(self, client: _Client) -> None:
        hello = messages.state_update(self._book.all(), tuple(self._transactions), self._world_ms)
        client.offer((messages.encode(hello),))
        self._clients.add(client)

    async def _receive(self, client: _Client, frame: str | bytes, rebalancing: Rebalancing) -> None:
        message = messages.decode(frame)
        if isinstance(message, Refusal):
            self._answer(client, messages.error(message.code, message.reason))
            return
        match message["type"]:
            case "register":
                self._answer(client, messages.registered())
            case "request_suggestions":
                self._answer(client, await self._suggestions(rebalancing))
            case "rebalance_suggestion" | "suggestions":
                self._take_suggestions(client, message, rebalancing)
            case _:
                known = ", ".join(messages.KNOWN_TYPES)
                self._answer(client, messages.error("unknown_type", f"unknown type; known are {known}"))

    async def _suggestions(self, rebalancing: Rebalancing) -> messages.Message:
        """Return what the learner suggests, once it is ready; until then what the baseline would do."""
        learner = self._learner
        if learner is not None and learner.status.phase == "ready":
            return messages.learned_suggestions(
                learner.suggestions.newest_first("open"), learner.status.model or "", learner.rest
            )
        proposals, rest = await rebalancing.baseline_proposals()
        return messages.rebalance_suggestions(proposals, rebalancing.baseline_record(), rest)

    def _take_suggestions(self, client: _Client, message: messages.Message, rebalancing: Rebalancing) -> None:
        found = messages.suggestions_in(message)
        if isinstance(found, Refusal):
            self._answer(client, messages.error(found.code, found.reason))
            return
        for values in found:
            # A rebalance takes seconds of world time: the client is read from meanwhile.
            job = asyncio.create_task(self._try(client, values, rebalancing))
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)

    async def _try(self, client: _Client, values: object, rebalancing: Rebalancing) -> None:
        suggestion = read_suggestion(values)
        if isinstance(suggestion, Refusal):
            self._answer(client, messages.error(suggestion.code, suggestion.reason))
            return
        try:
            outcome = await rebalancing.suggest(suggestion, author=FEED)
        except LensError as problem:
            self._answer(client, messages.error("failed", str(problem)))
            self._bus.publish(Alert(level="error", source="feed", text=str(problem)))
            return
        if isinstance(outcome, Refusal) and outcome.code.is_malformed:
            self._answer(client, messages.error(outcome.code, outcome.reason))
        elif isinstance(outcome, Refusal):
            echo = {
                "from_node": suggestion.from_node,
                "to_node": suggestion.to_node,
                "amount": suggestion.amount_sat,
                "confidence": suggestion.confidence,
            }
            self._answer(client, messages.rebalance_refusal(echo, outcome))
        elif not outcome.accepted:
            self._answer(client, messages.rebalance_result(outcome))

    def _answer(self, client: _Client, message: messages.Message) -> None:
        client.offer((messages.encode(message),))

    async def _broadcast_news(self, news: Subscription) -> None:
        """Send on what the bus says; what one event says stays together."""
        try:
            async for event in news:
                batch = self._take(event)
                if batch and self._clients:
                    texts = tuple(messages.encode(message) for message in batch)
                    for client in list(self._clients):
                        client.offer(texts)
        finally:
            self._bus.unsubscribe(news)

    def _take(self, event: Event) -> list[messages.Message]:
        """Take in an event and return what to tell everybody."""
        match event:
            case WorldAdvanced():
                self._transactions.extend(event.payments)
                self._world_ms = event.stats.world_ms
                batch = [messages.transaction(payment) for payment in event.payments]
                return batch + self._book.take(event.channels)
            case SnapshotTaken():
                return self._book.snapshot(event.channels)
            case RebalanceDone():
                return [messages.rebalance_result(event)]
            case _:
                return []
