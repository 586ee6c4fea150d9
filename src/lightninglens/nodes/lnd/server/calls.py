"""What a method of LND is to this server, whichever way a request comes in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

Answer = Message | bytes
"""A message, or one that is serialised already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls, and with what authority."""

    path: str
    macaroons: tuple[str, ...] = ()
    """In hexadecimal digits, as they came."""
    peer_host: str = ""


Unary = Callable[[Any], Awaitable[Answer]]
Stream = Callable[[Any], AsyncIterator[Answer]]
Behaviours = Mapping[str, Unary | Stream]
"""What serves each method, by its path; both raise Refusal."""
