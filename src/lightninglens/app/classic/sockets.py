"""The classic services' WebSockets: the simulation (8768), its receiver (8766), suggestions (8767), the proxy (3003).

Every client is told everything its service tells, from a bounded queue of its
own. Nobody needs to speak a private heartbeat to stay connected.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from lightninglens.app.api.security import Token
from lightninglens.app.classic import view
from lightninglens.app.classic.hub import ClassicHub, Listener, encode, now_text
from lightninglens.app.feed import messages
from lightninglens.app.rebalancing import FEED
from lightninglens.control.guard import Refusal, read_suggestion
from lightninglens.core.errors import LensError

STUCK_S = 5.0
PROXY_INTERVAL_S = 0.5
SUGGESTIONS_EVERY_S = 30.0
LEAST_BETWEEN_MESSAGES_S = 0.05
_GOING_AWAY = 1001
_TRY_AGAIN_LATER = 1013

Answer = Callable[["Connection", messages.Message], Awaitable[None]]


class Connection:
    """One client of a classic socket."""

    def __init__(self, websocket: WebSocket, hub: ClassicHub, token: Token, listener: Listener) -> None:
        self.websocket = websocket
        self.hub = hub
        self.token = token
        self.listener = listener
        self._sending = asyncio.Lock()

    async def send(self, message: messages.Message) -> None:
        """Send one message; raises WebSocketDisconnect when the client takes nothing."""
        await self.send_text(encode(message))

    async def send_text(self, text: str) -> None:
        """Send one text; raises WebSocketDisconnect when the client takes nothing."""
        try:
            async with asyncio.timeout(STUCK_S), self._sending:
                await self.websocket.send_text(text)
        except (TimeoutError, RuntimeError):
            raise WebSocketDisconnect(_TRY_AGAIN_LATER, "stuck") from None

    def may_write(self, message: messages.Message) -> bool:
        """Tell whether a message, or the connection's own header, carries the token."""
        given = message.get("token")
        carried = f"Bearer {given}" if isinstance(given, str) else self.websocket.headers.get("authorization")
        return self.token.fits(carried)


async def serve_simulation(websocket: WebSocket, hub: ClassicHub, token: Token) -> None:
    """Send the simulation's data, and answer what its clients asked (port 8768)."""
    await _serve(websocket, hub, token, "simulation", _answer_simulation)


async def serve_receiver(websocket: WebSocket, hub: ClassicHub, token: Token) -> None:
    """Pass on what is received from the simulation (port 8766)."""
    await _serve(websocket, hub, token, "simulation", _answer_basics)


async def serve_proxy(websocket: WebSocket, hub: ClassicHub, token: Token) -> None:
    """Send the simulation's data at most twice a second (port 3003, /ws)."""
    await _serve(websocket, hub, token, "simulation", _answer_simulation, interval_s=PROXY_INTERVAL_S)


async def serve_suggestions(websocket: WebSocket, hub: ClassicHub, token: Token) -> None:
    """Send predictions every half minute and when asked (port 8767)."""
    await _serve(websocket, hub, token, "", _answer_suggestions, repeat=True)


async def _serve(
    websocket: WebSocket,
    hub: ClassicHub,
    token: Token,
    topic: str,
    answer: Answer,
    *,
    interval_s: float = 0.0,
    repeat: bool = False,
) -> None:
    await websocket.accept()
    listener = hub.listen(topic)
    if listener is None:
        await websocket.close(_TRY_AGAIN_LATER, "too many clients")
        return
    connection = Connection(websocket, hub, token, listener)
    tasks = [
        asyncio.create_task(_read(connection, answer)),
        asyncio.create_task(_pass_on(connection, interval_s)),
    ]
    if repeat:
        tasks.append(asyncio.create_task(_repeat_suggestions(connection)))
    try:
        await _greet(connection, with_state=not repeat)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except WebSocketDisconnect:
        pass
    finally:
        hub.forget(listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(_GOING_AWAY, "the lab has ended, or this client was too slow")


async def _greet(connection: Connection, *, with_state: bool) -> None:
    await connection.send({"type": "connection_status", "status": "connected", "timestamp": now_text()})
    if with_state:
        lab = connection.hub.lab
        payments = tuple(lab.observer.payments)[-100:] if lab else ()
        world_ms = lab.observer.stats.world_ms if lab else 0
        await connection.send(messages.state_update(connection.hub.channel_messages(), payments, world_ms))


async def _pass_on(connection: Connection, interval_s: float) -> None:
    async for text in connection.listener:
        await connection.send_text(text)
        if interval_s:
            for more in connection.listener.waiting():
                await connection.send_text(more)
            await asyncio.sleep(interval_s)


async def _read(connection: Connection, answer: Answer) -> None:
    while True:
        frame = await connection.websocket.receive()
        if frame["type"] == "websocket.disconnect":
            return
        message = messages.decode(frame.get("text") or frame.get("bytes") or "")
        if isinstance(message, Refusal):
            await connection.send(messages.error(message.code, message.reason))
        else:
            await answer(connection, message)
        await asyncio.sleep(LEAST_BETWEEN_MESSAGES_S)


async def _answer_basics(connection: Connection, message: messages.Message) -> None:
    replies: dict[str, messages.Message] = {
        "heartbeat": {"type": "heartbeat_response"},
        "ping": {"type": "pong"},
        "register": messages.registered(),
        "connection_test": {"type": "connection_test_response", "status": "ok"},
    }
    reply = replies.get(message["type"])
    if reply is None:
        await connection.send(messages.error("unknown_type", f"unknown type; known are {', '.join(replies)}"))
    else:
        await connection.send({**reply, "timestamp": now_text()})


async def _answer_simulation(connection: Connection, message: messages.Message) -> None:
    match message["type"]:
        case "request_suggestions":
            open_now = connection.hub.open_suggestions()
            await connection.send(
                {
                    "type": "rebalance_suggestions",
                    "suggestions": [
                        {
                            "from_node": one.from_node,
                            "to_node": one.to_node,
                            "amount": one.amount_sat,
                            "confidence": one.confidence,
                            "reason": one.reason,
                        }
                        for one in open_now
                    ],
                    "reason": "" if open_now else _why_nothing(connection.hub),
                    "timestamp": now_text(),
                }
            )
        case "rebalance_suggestion":
            await _try_suggestion(connection, message)
        case _:
            await _answer_basics(connection, message)


async def _try_suggestion(connection: Connection, message: messages.Message) -> None:
    if not connection.may_write(message):
        reason = "this moves money and needs the token: add it to the message as `token`, or connect with it"
        await connection.send(messages.error("unauthorised", reason))
        return
    found = messages.suggestions_in(message)
    suggestion = read_suggestion(found[0]) if not isinstance(found, Refusal) else found
    if isinstance(suggestion, Refusal):
        await connection.send(messages.error(suggestion.code, suggestion.reason))
        return
    rebalancing = connection.hub.state.rebalancing
    if rebalancing is None:
        await connection.send(messages.error("unavailable", "the simulator is still warming up"))
        return
    try:
        outcome = await rebalancing.suggest(suggestion, author=FEED)
    except LensError as problem:
        await connection.send(messages.error("failed", str(problem)))
        return
    if isinstance(outcome, Refusal):
        await connection.send(messages.error(outcome.code, outcome.reason))
    elif not outcome.accepted:
        await connection.send(messages.rebalance_result(outcome))


async def _answer_suggestions(connection: Connection, message: messages.Message) -> None:
    if message["type"] in {"get_suggestions", "refresh"}:
        await connection.send(suggestion_list(connection.hub))
    else:
        await _answer_basics(connection, message)


async def _repeat_suggestions(connection: Connection) -> None:
    while True:
        await connection.send(suggestion_list(connection.hub))
        await asyncio.sleep(SUGGESTIONS_EVERY_S)


def suggestion_list(hub: ClassicHub) -> dict[str, Any]:
    """Return the sides of channels that are more than a twentieth from their best shares, farthest first."""
    far = [one for one in hub.predicted() if abs(one["adjustment_needed"]) > view.LISTED]
    return {
        "type": "suggestions",
        "suggestions": far,
        "count": len(far),
        "reason": "" if far else _why_nothing(hub),
        "timestamp": now_text(),
    }


def _why_nothing(hub: ClassicHub) -> str:
    if hub.status.phase == "off":
        return "the learner is off"
    return "; ".join(hub.status.missing) or "every channel is near its best share"
