"""What the running service publishes: records in the form in which API and dashboard show them, and the events.

Field names end in their unit. Ids are strings, times are milliseconds: nothing
here is beyond 2**53, which is as far as a JavaScript number is exact.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a node asks for one direction of a channel."""

    base_fee_msat: int
    fee_rate_ppm: int
    time_lock_delta_blocks: int
    min_htlc_msat: int
    max_htlc_msat: int
    inbound_base_fee_msat: int
    inbound_fee_rate_ppm: int
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node and where to draw it; y grows upwards."""

    node_id: str
    name: str
    x: float
    y: float
    capacity_sat: int
    channel_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel; its local balances are without commitment fee, anchors and what is in flight."""

    channel_id: str
    node1_id: str
    node2_id: str
    capacity_sat: int
    node1_local_msat: int
    node2_local_msat: int
    commit_fee_sat: int
    unsettled_msat: int
    pending_htlcs: int
    opener_id: str
    node1_policy: Policy | None
    node2_policy: Policy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailure:
    """Where and why the last attempt failed, in LND's names."""

    code: str
    detail: str
    channel_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment, or a circular self-payment, that has ended; its route is that of the last attempt."""

    payment_id: int
    kind: Literal["payment", "rebalance"]
    started_ms: int
    duration_ms: int
    sender_id: str
    receiver_id: str
    sender_name: str
    receiver_name: str
    amount_msat: int
    fee_msat: int
    succeeded: bool
    outcome: str
    failure: PaymentFailure | None
    attempts: int
    route_channel_ids: tuple[str, ...]
    route_node_ids: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Totals since the world began; rebalances are counted apart, and only those that moved money."""

    world_ms: int
    speed: float
    payments: int
    succeeded: int
    success_rate: float | None
    volume_msat: int
    fees_msat: int
    rebalances: int
    rebalanced_msat: int
    rebalance_cost_msat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network as it is now."""

    name: str
    mode: Literal["simulated", "replay", "live"]
    nodes: tuple[Node, ...]
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldAdvanced:
    """The world moved on: what ended and what changed since the last such event."""

    payments: tuple[Payment, ...]
    channels: tuple[Channel, ...]
    stats: Stats


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTaken:
    """All channels at one moment, with conservation checked."""

    channels: tuple[Channel, ...]
    world_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceDone:
    """What became of one change that somebody wanted."""

    plan_id: str
    author: str
    from_node: str
    to_node: str
    amount_sat: int
    confidence: float | None
    accepted: bool
    executed: bool
    moved_msat: int
    fee_msat: int
    refusal: str | None
    reason: str
    world_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that a person should know."""

    level: Literal["warning", "error"]
    source: str
    text: str


Event = WorldAdvanced | SnapshotTaken | RebalanceDone | Alert
