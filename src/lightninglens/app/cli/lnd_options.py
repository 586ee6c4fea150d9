"""The options of all commands that speak to an LND node."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
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

GRPC_HOST = "localhost:10009"


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
