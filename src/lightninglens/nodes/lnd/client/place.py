"""Where a node is and where its files are: what `--lnddir`, `--network`, `--tls-cert` and `--macaroon` say."""

import ipaddress
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lightninglens.core.errors import ConfigError
from lightninglens.nodes.lnd.tls import CERTIFICATE_FILE

GRPC_PORT = 10_009
REST_PORT = 8_080
NETWORKS = ("mainnet", "testnet", "testnet4", "signet", "regtest", "simnet")
CALL_TIMEOUT_S = 10.0

_TARGET = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:\[\]/\s]+)(?::(?P<port>\d{1,5}))?")


class TransportChoice(StrEnum):
    """How to reach a node."""

    AUTO = "auto"
    """gRPC, or REST where gRPC cannot be reached and the role may use it."""
    GRPC = "grpc"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Target:
    """A host and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, default_port: int, option: str) -> "Target":
        """Read `host`, `host:port` or `[::1]:port`; raises ConfigError naming `option`."""
        match = _TARGET.fullmatch(text.strip())
        port = int(match["port"] or default_port) if match else 0
        if match is None or not 0 < port < 2**16:
            raise ConfigError(f"{option}: {text[:80]!r} is not host:port, for example localhost:{default_port}")
        return cls(match["host"].strip("[]"), port)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LndOptions:
    """How to reach a node, as given; what is None is found."""

    lnd_dir: Path | None = None
    network: str | None = None
    grpc_host: str = f"localhost:{GRPC_PORT}"
    rest_host: str | None = None
    """None: the host of `grpc_host`, on REST's port."""
    tls_cert: Path | None = None
    macaroon: Path | None = None
    transport: TransportChoice = TransportChoice.AUTO
    allow_broad_macaroon: bool = False
    timeout_s: float = CALL_TIMEOUT_S
    """Deadline of an ordinary call."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises ConfigError."""
        if self.network is not None and self.network not in NETWORKS:
            raise ConfigError(f"--network: {self.network[:40]!r} is none of {', '.join(NETWORKS)}")
        if not 0 < self.timeout_s < float("inf"):
            raise ConfigError(f"--timeout: {self.timeout_s} seconds is no time to wait")

    @property
    def folder(self) -> Path:
        """LND's directory."""
        return (self.lnd_dir or default_lnd_dir()).expanduser()

    @property
    def certificate(self) -> Path:
        """The node's certificate."""
        return self.tls_cert.expanduser() if self.tls_cert else self.folder / CERTIFICATE_FILE

    @property
    def grpc_target(self) -> Target:
        """Where gRPC answers; raises ConfigError."""
        return Target.parse(self.grpc_host, GRPC_PORT, "--grpc-host")

    @property
    def rest_target(self) -> Target:
        """Where REST answers; raises ConfigError."""
        if self.rest_host is None:
            return Target(self.grpc_target.host, REST_PORT)
        return Target.parse(self.rest_host, REST_PORT, "--rest-host")

    def chain_folder(self) -> Path:
        """Return where the macaroons are: of the network given, of the only one there is, or of mainnet."""
        networks = self.folder / "data/chain/bitcoin"
        if self.network is not None:
            return networks / self.network
        there = [name for name in NETWORKS if (networks / name).is_dir()]
        if len(there) > 1:
            raise ConfigError(f"{networks} has {', '.join(there)}: say which with --network")
        return networks / (there[0] if there else NETWORKS[0])


def default_lnd_dir() -> Path:
    """Return where LND keeps its files unless it is told otherwise."""
    return Path.home() / ("Library/Application Support/Lnd" if sys.platform == "darwin" else ".lnd")
