"""What a node reports of itself beside its open channels: who it is, and channels to come and gone."""

from dataclasses import dataclass
from enum import StrEnum

from lightninglens.core.channels import Opener
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Msat, Sat


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """Who a node is, and whether it is up to date."""

    node_id: NodeId
    alias: str
    channel_count: int
    block_height: int
    block_hash: str = ""
    """In hex; empty where the world has no blocks."""
    version: str = ""
    """As the node words it, for example `0.20.1-beta commit=v0.20.1-beta`; empty for a simulated node."""
    network: str = ""
    """`mainnet`, `testnet`, `signet`, `regtest`, `simnet`; empty where the node does not say."""
    synced_to_chain: bool = True
    synced_to_graph: bool = True
    transport: str = ""
    """How the node is reached: `grpc`, `rest`, or empty within the process."""
    lacks: tuple[str, ...] = ()
    """What this version cannot do that the product uses, in words."""


class Closure(StrEnum):
    """How a channel ended."""

    COOPERATIVE = "cooperative"
    LOCAL_FORCE = "local force"
    REMOTE_FORCE = "remote force"
    BREACH = "breach"
    FUNDING_CANCELED = "funding canceled"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedChannel:
    """A channel that is no more."""

    channel_id: ChannelId
    channel_point: str
    """The funding output, `txid:index`."""
    peer_id: NodeId
    capacity_sat: Sat
    settled_sat: Sat | None
    """What came back to us on the chain; None where nobody knows, as for the next field."""
    close_height: int | None
    closure: Closure | None
    opener: Opener | None


class PendingState(StrEnum):
    """Where a channel is between the chain and its use."""

    OPENING = "opening"
    CLOSING = "closing"
    FORCE_CLOSING = "force closing"
    WAITING_CLOSE = "waiting for its close to confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingChannel:
    """A channel that is not open yet, or not closed yet."""

    channel_point: str
    peer_id: NodeId
    capacity_sat: Sat
    local_sat: Sat
    remote_sat: Sat
    state: PendingState


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChainBalance:
    """What the node's wallet has on the chain."""

    confirmed_sat: Sat
    unconfirmed_sat: Sat
    locked_sat: Sat
    """Held by outputs that something else has reserved."""
    anchor_reserve_sat: Sat
    """Kept back so that channels with anchors can be closed by force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChainEstimate:
    """What sending on the chain would cost."""

    fee_sat: Sat
    fee_rate_sat_per_vbyte: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelBackup:
    """The static backup of all channels, encrypted by the node with a key from its seed."""

    channel_points: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A channel that one asks for."""

    peer_id: NodeId
    local_sat: Sat
    """What we put in: the capacity."""
    push_msat: Msat = Msat(0)
    """What we give the peer from the start; whole sat only."""
    fee_rate_sat_per_vbyte: int | None = None
    """None: as the node thinks best."""
    private: bool = False
    memo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchtower:
    """A tower that watches our channels while we are away."""

    tower_id: NodeId
    addresses: tuple[str, ...]
    active: bool
    sessions: int
