"""A connection to one node, for one role: the transport, who the node is, and errors in words.

Nothing that a role does not need passes; nothing waits without a deadline.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog
from google.protobuf.message import Message
from grpc import StatusCode

from lightninglens.core.clock import Clock, SystemClock
from lightninglens.core.errors import ConfigError, NodeCondition, NodeError, NodeUnavailable
from lightninglens.core.ids import NodeId, parse_node_id
from lightninglens.nodes.lnd.client.credentials import Credential, find_credential
from lightninglens.nodes.lnd.client.faults import CallFailed, clean, node_error
from lightninglens.nodes.lnd.client.grpc_transport import GrpcTransport
from lightninglens.nodes.lnd.client.place import LndOptions, Target, TransportChoice
from lightninglens.nodes.lnd.client.rest_transport import RestTransport
from lightninglens.nodes.lnd.client.roles import Role, allow_list
from lightninglens.nodes.lnd.client.trust import PinnedCertificate, look, read_certificate, require_valid
from lightninglens.nodes.lnd.client.versions import LndVersion
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.methods import UnaryStream, UnaryUnary
from lightninglens.nodes.lnd.contract.services import Lightning

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

log = structlog.get_logger(__name__)

REST_ROLES = (Role.MONITOR, Role.FEES)
"""Reading and fee setting may go over REST; what moves money goes over gRPC only."""
GRAPH_TIMEOUT_S = 120.0


class Transport(Protocol):
    """What carries calls to a node."""

    name: str
    target: Target

    async def call(self, method: UnaryUnary[Request, Response], request: Request, timeout_s: float) -> Response:
        """Return the answer; raises CallFailed."""
        ...

    def stream(self, method: UnaryStream[Request, Response], request: Request) -> AsyncIterator[Response]:
        """Yield answers; raises CallFailed."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A node that answered, and that is the one that was meant."""

    role: Role
    options: LndOptions
    transport: Transport
    certificate: PinnedCertificate
    credential: Credential
    node_id: NodeId
    network: str
    version: LndVersion
    clock: Clock

    async def call(
        self, method: UnaryUnary[Request, Response], request: Request, *, timeout_s: float | None = None
    ) -> Response:
        """Return a method's answer within a deadline.

        Raises NodeUnavailable, NodeRefused or NodeUnauthorised, in words.
        """
        try:
            return await self.raw_call(method, request, timeout_s=timeout_s)
        except CallFailed as failed:
            raise await self.explained(failed, method.name) from None

    async def raw_call(
        self, method: UnaryUnary[Request, Response], request: Request, *, timeout_s: float | None = None
    ) -> Response:
        """Return a method's answer; raises CallFailed for who wants to see the status itself."""
        return await self.transport.call(method, request, timeout_s or self.options.timeout_s)

    async def explained(self, failed: CallFailed, what: str) -> NodeError:
        """Return the error that says in words what a failed call means, having looked at what answers."""
        error = node_error(failed, what)
        if failed.code is StatusCode.UNAVAILABLE and _is_plain(error):
            return await look(self.certificate, self.transport.target)
        return error

    async def info(self) -> lnrpc.GetInfoResponse:
        """Return what the node says of itself now."""
        return await self.call(Lightning.GetInfo, lnrpc.GetInfoRequest())

    async def require_synced(self) -> None:
        """Raise NodeUnavailable while the node does not know the newest blocks: it should not act on money then."""
        said = await self.info()
        if not said.synced_to_chain:
            raise NodeUnavailable(
                f"the node is at block {said.block_height} and not synced to the chain yet; nothing was sent",
                condition=NodeCondition.NOT_SYNCED,
            )


@asynccontextmanager
async def connected(role: Role, options: LndOptions, clock: Clock | None = None) -> AsyncIterator[Session]:
    """Connect to a node for one role, and close within the end of the block.

    Raises:
        ConfigError: certificate or macaroon are missing, cannot be read, or the
            macaroon is broader than the role.
        NodeUnauthorised: the macaroon is too narrow, expired, or not accepted.
        NodeUnavailable: the node cannot be reached, does not prove that it is the
            one, is locked or starting, or is of another network.
    """
    clock = clock or SystemClock()
    if options.transport is TransportChoice.REST and role not in REST_ROLES:
        raise ConfigError(
            f"--transport rest: the role {role} goes over gRPC only; REST is for reading and setting fees"
        )
    pinned = read_certificate(options)
    credential = find_credential(role, options, clock.now_ns())
    if credential.warning:
        log.warning("broad macaroon", file=credential.path.name, problem=credential.warning)
    transport, said = await _reached(role, options, pinned, credential, clock)
    try:
        network = said.chains[0].network if said.chains else ""
        _require_network(options, network, transport.target)
        yield Session(
            role=role,
            options=options,
            transport=transport,
            certificate=pinned,
            credential=credential,
            node_id=_node_id(said),
            network=network,
            version=LndVersion.parse(clean(said.version)),
            clock=clock,
        )
    finally:
        await transport.close()


async def _reached(
    role: Role, options: LndOptions, pinned: PinnedCertificate, credential: Credential, clock: Clock
) -> tuple[Transport, lnrpc.GetInfoResponse]:
    """Return the first transport over which the node answers, and what it says of itself."""
    choice = options.transport
    if choice is not TransportChoice.REST:
        try:
            return await _tried(GrpcTransport, options.grpc_target, role, options, pinned, credential, clock)
        except NodeUnavailable as problem:
            over_rest = choice is TransportChoice.AUTO and role in REST_ROLES
            if not over_rest or problem.condition is not NodeCondition.UNREACHABLE:
                raise
            first = problem
        try:
            reached = await _tried(RestTransport, options.rest_target, role, options, pinned, credential, clock)
        except NodeUnavailable as second:
            raise NodeUnavailable(f"{first} Nor over REST: {second}", condition=first.condition) from None
        log.warning("gRPC cannot be reached, so REST is used", grpc=str(first), rest=str(options.rest_target))
        return reached
    return await _tried(RestTransport, options.rest_target, role, options, pinned, credential, clock)


async def _tried(
    kind: type[GrpcTransport] | type[RestTransport],
    target: Target,
    role: Role,
    options: LndOptions,
    pinned: PinnedCertificate,
    credential: Credential,
    clock: Clock,
) -> tuple[Transport, lnrpc.GetInfoResponse]:
    require_valid(pinned, target, clock.now_ns())
    transport = kind(target, pinned.pem, allow_list(role), credential.hex)
    try:
        return transport, await transport.call(Lightning.GetInfo, lnrpc.GetInfoRequest(), options.timeout_s)
    except CallFailed as failed:
        await transport.close()
        error = node_error(failed, "GetInfo")
        if _is_plain(error) or (isinstance(error, NodeUnavailable) and error.condition is NodeCondition.NO_ANSWER):
            error = await look(pinned, target)
        raise error from None
    except BaseException:
        await transport.close()
        raise


def _is_plain(error: NodeError) -> bool:
    return isinstance(error, NodeUnavailable) and error.condition is NodeCondition.UNREACHABLE


def _require_network(options: LndOptions, network: str, target: Target) -> None:
    if options.network is not None and network != options.network:
        raise NodeUnavailable(
            f"the node at {target} is on {clean(network) or 'no known network'}, not on {options.network}",
            condition=NodeCondition.WRONG_NETWORK,
        )


def _node_id(said: lnrpc.GetInfoResponse) -> NodeId:
    try:
        return parse_node_id(said.identity_pubkey)
    except ValueError:
        raise NodeUnavailable("the node does not say who it is", condition=NodeCondition.UNTRUSTED) from None
