"""One method of LND's interface: its path, its messages, and how to call and serve it.

`on(channel)` gives what grpc gives for the method on an asynchronous channel;
`handler(behaviour)` what `grpc.method_handlers_generic_handler` takes, for a server
of either kind. A behaviour may answer with a message or with a message already
serialised: a large answer is serialised once and sent many times.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

import grpc
from google.protobuf.message import Message
from grpc import aio

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Behaviour = Callable[..., Any]
"""A grpc servicer method: `(request or iterator, context)`, a plain or asynchronous function or generator."""


class Streaming(Enum):
    """Which sides of a call send more than one message."""

    NEITHER = "unary_unary"
    SERVER = "unary_stream"
    CLIENT = "stream_unary"
    BOTH = "stream_stream"


def serialise(message: Message | bytes) -> bytes:
    """Return the bytes of a message, or what is bytes already."""
    return message if isinstance(message, bytes) else message.SerializeToString()


@dataclass(frozen=True, slots=True)
class Method(Generic[Request, Response]):
    """What every kind of method has in common."""

    path: str
    """The full method name, `/lnrpc.Lightning/GetInfo`."""
    request: type[Request]
    response: type[Response]

    streaming: ClassVar[Streaming]

    @property
    def service(self) -> str:
        """The full name of its service, `lnrpc.Lightning`."""
        return self.path[1:].partition("/")[0]

    @property
    def name(self) -> str:
        """Its name within the service, `GetInfo`."""
        return self.path.rpartition("/")[2]

    @property
    def uri(self) -> str:
        """The permission to call this method alone, as LND's macaroons and `lncli bakemacaroon` write it."""
        return f"uri:{self.path}"

    def handler(self, behaviour: Behaviour) -> "grpc.RpcMethodHandler[Any, Any]":
        """Return grpc's handler around `behaviour`."""
        make: Callable[..., grpc.RpcMethodHandler[Any, Any]]
        make = getattr(grpc, f"{self.streaming.value}_rpc_method_handler")
        return make(behaviour, request_deserializer=self.request.FromString, response_serializer=serialise)


class UnaryUnary(Method[Request, Response]):
    """One message each way."""

    streaming = Streaming.NEITHER

    def on(self, channel: aio.Channel) -> "aio.UnaryUnaryMultiCallable[Request, Response]":
        """Return the call on this channel."""
        return channel.unary_unary(
            self.path, request_serializer=serialise, response_deserializer=self.response.FromString
        )


class UnaryStream(Method[Request, Response]):
    """One request, many answers."""

    streaming = Streaming.SERVER

    def on(self, channel: aio.Channel) -> "aio.UnaryStreamMultiCallable[Request, Response]":
        """Return the call on this channel."""
        return channel.unary_stream(
            self.path, request_serializer=serialise, response_deserializer=self.response.FromString
        )


class StreamUnary(Method[Request, Response]):
    """Many requests, one answer."""

    streaming = Streaming.CLIENT

    def on(self, channel: aio.Channel) -> "aio.StreamUnaryMultiCallable[Request, Response]":
        """Return the call on this channel."""
        return channel.stream_unary(
            self.path, request_serializer=serialise, response_deserializer=self.response.FromString
        )


class StreamStream(Method[Request, Response]):
    """Messages both ways, independent of each other."""

    streaming = Streaming.BOTH

    def on(self, channel: aio.Channel) -> "aio.StreamStreamMultiCallable[Request, Response]":
        """Return the call on this channel."""
        return channel.stream_stream(
            self.path, request_serializer=serialise, response_deserializer=self.response.FromString
        )
