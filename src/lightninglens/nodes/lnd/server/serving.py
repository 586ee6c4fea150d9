"""One served node behind its ports."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightninglens.core.clock import Clock
from lightninglens.core.errors import LensError
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.backups import Backups
from lightninglens.nodes.lnd.server.calls import Behaviours, Stream, Unary
from lightninglens.nodes.lnd.server.channels import Channels
from lightninglens.nodes.lnd.server.directory import prepare_directory
from lightninglens.nodes.lnd.server.forwarding import Forwarding
from lightninglens.nodes.lnd.server.gate import Gate
from lightninglens.nodes.lnd.server.graph import Graph
from lightninglens.nodes.lnd.server.grpc_front import GrpcFront
from lightninglens.nodes.lnd.server.information import Information
from lightninglens.nodes.lnd.server.invoicing import Invoicing
from lightninglens.nodes.lnd.server.macaroons import Macaroons
from lightninglens.nodes.lnd.server.mission_control import MissionControl
from lightninglens.nodes.lnd.server.network import ServedNetwork
from lightninglens.nodes.lnd.server.node import ServedNode
from lightninglens.nodes.lnd.server.opening import Opening
from lightninglens.nodes.lnd.server.payment_requests import PaymentRequests
from lightninglens.nodes.lnd.server.payments import Payments
from lightninglens.nodes.lnd.server.policies import Policies
from lightninglens.nodes.lnd.server.rest_front import RestFront
from lightninglens.nodes.lnd.server.routing import Routing
from lightninglens.nodes.lnd.server.wallet import Wallet

AREAS: Sequence[type[Area]] = (
    Information,
    Channels,
    Graph,
    Policies,
    Forwarding,
    Invoicing,
    PaymentRequests,
    Routing,
    Payments,
    MissionControl,
    Wallet,
    Opening,
    Backups,
)

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a node listens, on loopback; 0 is any free port."""

    rpc: int
    rest: int | None
    """None: no REST."""


class LndServer:
    """Serves one node over gRPC, and REST beside it. It can be stopped and another one started in its place."""

    def __init__(self, network: ServedNetwork, node: ServedNode, folder: Path, ports: Ports, clock: Clock) -> None:
        self.node = node
        self.folder = folder
        self.gate = Gate(hmac.digest(node.secret, b"lightninglens/macaroons", hashlib.sha256), clock)
        self._ports = ports
        self._clock = clock
        self._front: GrpcFront | None = None
        self._rest: RestFront | None = None
        self._behaviours = behaviours_of(network, node, self.gate)
        self.rpc_port = ports.rpc
        self.rest_port = ports.rest

    @property
    def behaviours(self) -> Behaviours:
        """What serves each method."""
        return self._behaviours

    async def start(self) -> None:
        """Write the node's directory and listen; raises LensError when a port is taken or a file cannot be written."""
        prepare_directory(self.folder, self.gate, self._clock)
        self._front = GrpcFront(self._behaviours, self.gate)
        self.rpc_port = await self._front.start(self.folder, f"{HOST}:{self.rpc_port}")
        if self.rest_port is not None:
            self._rest = RestFront(self._behaviours, self.gate)
            try:
                self.rest_port = await self._rest.start(self.folder, HOST, self.rest_port)
            except LensError:
                await self.stop()
                raise

    async def stop(self) -> None:
        """End all calls and stop listening."""
        self.node.htlc_hub.dismiss()
        if self._front is not None:
            await self._front.stop()
            self._front = None
        if self._rest is not None:
            await self._rest.stop()
            self._rest = None


def behaviours_of(network: ServedNetwork, node: ServedNode, gate: Gate) -> Behaviours:
    """Return what serves each method that the emulated version has."""
    found: dict[str, Unary | Stream] = {}
    for area in AREAS:
        found.update(area(network, node).behaviours())
    found.update(Macaroons(gate).behaviours())
    return {path: behaviour for path, behaviour in found.items() if network.version.has(path)}
