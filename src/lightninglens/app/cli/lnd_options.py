"""The options of all commands that speak to an LND node, and the connection that they make."""

import functools
import inspect
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lightninglens.core.node import NodeInfo
    from lightninglens.core.ports import NodeReader
    from lightninglens.nodes.lnd.client import LndOptions


class TransportOption(StrEnum):
    """How to reach the node."""

    AUTO = "auto"
    GRPC = "grpc"
    REST = "rest"


LndDir = Annotated[Path | None, typer.Option("--lnd-dir", "--lnddir", help="LND's directory; otherwise ~/.lnd.")]
Network = Annotated[
    str | None,
    typer.Option(help="mainnet, testnet, testnet4, signet, regtest or simnet; otherwise the only one there is."),
]
GrpcHost = Annotated[str, typer.Option(help="Where LND's gRPC answers.")]
RestHost = Annotated[str | None, typer.Option(help="Where LND's REST answers; otherwise the same host, port 8080.")]
TlsCert = Annotated[Path | None, typer.Option(help="LND's tls.cert; otherwise the one in --lnd-dir.")]
MacaroonFile = Annotated[
    Path | None, typer.Option("--macaroon", help="The macaroon's file; otherwise the narrowest in --lnd-dir.")
]
Transport = Annotated[TransportOption, typer.Option(help="auto takes REST where gRPC cannot be reached.")]
AllowBroad = Annotated[
    bool, typer.Option("--allow-broad-macaroon", help="Use a macaroon that allows more than the command needs.")
]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for an answer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where recordings are kept.")]

GRPC_HOST = "localhost:10009"
HELP_CONNECT = "Failed to connect via gRPC: try `lncli --network={network} getinfo`, and look at the macaroons there"


def on_lnd(command: "Callable[..., None]") -> "Callable[..., None]":
    """Give a command the options that say how to reach an LND node, where it has its parameter `lnd`.

    The command is called with one `LndOptions`; on the command line there is one
    option for each of its fields.
    """
    signature = inspect.signature(command)

    @functools.wraps(command)
    def called(**given: Any) -> None:
        from lightninglens.nodes.lnd.client.place import LndOptions, TransportChoice

        fields = {field: given.pop(each.name) for field, each in _FIELDS.items()}
        lnd = LndOptions(**{**fields, "transport": TransportChoice(fields["transport"])})
        command(lnd=lnd, **given)

    parameters: list[inspect.Parameter] = []
    for each in signature.parameters.values():
        parameters += _FIELDS.values() if each.name == LND else (each,)
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def _option(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


LND = "lnd"
_FIELDS = {
    "lnd_dir": _option("lnd_dir", LndDir),
    "network": _option("network", Network),
    "grpc_host": _option("grpc_host", GrpcHost, GRPC_HOST),
    "rest_host": _option("rest_host", RestHost),
    "tls_cert": _option("tls_cert", TlsCert),
    "macaroon": _option("macaroon", MacaroonFile),
    "transport": _option("transport", Transport, TransportOption.AUTO),
    "allow_broad_macaroon": _option("allow_broad_macaroon", AllowBroad, default=False),
    "timeout_s": _option("timeout", Timeout, 10.0),
}
"""Each field of `LndOptions`, with its option."""


@asynccontextmanager
async def reading_node(options: "LndOptions") -> "AsyncIterator[tuple[NodeReader, NodeInfo]]":
    """Connect to a node for reading, or say what to look at when that fails; yields also who it is."""
    from lightninglens.core.errors import NodeUnavailable
    from lightninglens.nodes.lnd.client.reader import LndReader

    async with AsyncExitStack() as stack:
        try:
            reader = await stack.enter_async_context(LndReader.at(options))
            info = await reader.info()
        except NodeUnavailable as problem:
            advice = HELP_CONNECT.format(network=options.network or "mainnet")
            raise NodeUnavailable(f"{problem}. {advice}", condition=problem.condition) from None
        yield reader, info
