"""The options of all commands that speak to an LND node, and the connection that they make."""

from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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


def lnd_options(
    *,
    lnd_dir: Path | None,
    network: str | None,
    grpc_host: str,
    rest_host: str | None,
    tls_cert: Path | None,
    macaroon: Path | None,
    transport: str = "auto",
    allow_broad_macaroon: bool = False,
    timeout: float,
) -> "LndOptions":
    """Return what the options say of a node."""
    from lightninglens.nodes.lnd.client.place import LndOptions, TransportChoice

    return LndOptions(
        lnd_dir=lnd_dir,
        network=network,
        grpc_host=grpc_host,
        rest_host=rest_host,
        tls_cert=tls_cert,
        macaroon=macaroon,
        transport=TransportChoice(transport),
        allow_broad_macaroon=allow_broad_macaroon,
        timeout_s=timeout,
    )


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
