"""What the running service publishes: records in the form in which API and dashboard show them, and the events.

Field names end in their unit. Ids are strings, times are milliseconds: nothing
here is beyond 2**53, which is as far as a JavaScript number is exact.
"""

import dataclasses
import secrets
from dataclasses import dataclass, field
from typing import Literal, Self

from lightninglens.core.channels import ChannelPolicy


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

    @classmethod
    def of(cls, policy: ChannelPolicy | None) -> Self | None:
        """Return a policy as it is shown."""
        return None if policy is None else cls(**dataclasses.asdict(policy))


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
    active: bool = True
    """Whether the peer is there, as far as is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailure:
    """Where and why the last attempt failed, in LND's names."""

    code: str
    detail: str
    channel_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a payment; `failed_hop` counts channels from 0 and is null where none failed."""

    started_ms: int
    ended_ms: int
    route_channel_ids: tuple[str, ...]
    route_node_ids: tuple[str, ...]
    hop_amounts_msat: tuple[int, ...]
    settled: bool
    failed_hop: int | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment, circular self-payment or forward that has ended; its route is that of the last attempt."""

    payment_id: int
    kind: Literal["payment", "rebalance", "forward"]
    """`forward`: what a watched node was asked to forward, from one peer (the sender) to another (the receiver)."""
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
    attempt_log: tuple[Attempt, ...]
    """All attempts, oldest first."""


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
    state: Literal["noted", "raised", "cleared"] = "noted"
    """`noted` happened at one moment; what is `raised` lasts until it is `cleared` under the same `alert_id`."""
    alert_id: str = field(default_factory=lambda: secrets.token_hex(6))
    channel_id: str | None = None
    world_ms: int | None = None
    acknowledged: bool = False
    """Whether somebody has said that they have seen it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the model holds to be the best share of a channel, seen from `node_id`, with an 80 % interval."""

    channel_id: str
    node_id: str
    share_now: float
    share: float
    low_share: float
    high_share: float
    model: str
    made_ms: int
    horizon_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedChange:
    """A rebalance that the learner suggests, and what became of it.

    `outgoing_*` is the channel that gives, `incoming_*` the one that is filled;
    gains are net of the cost, over the model's horizon, with an 80 % interval.
    """

    suggestion_id: str
    author: str
    model: str
    node_id: str
    from_node: str
    to_node: str
    """Peer at the other end of the outgoing channel."""
    back_from_node: str
    """Peer at the other end of the incoming channel."""
    outgoing_channel_id: str
    incoming_channel_id: str
    amount_sat: int
    max_fee_msat: int
    confidence: float
    """Probability that the net gain is above 0."""
    gain_msat: int
    low_gain_msat: int
    high_gain_msat: int
    reason: str
    made_ms: int
    expires_ms: int
    status: Literal["open", "under way", "done", "failed", "refused", "rejected", "expired"]
    outcome: str
    """What came of it, in words; empty while it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPoint:
    """Mean absolute error, in shares, of the predictions whose outcome became known in one span of world time.

    `model` is the trained model, `online` the one that keeps learning; the rest
    is what they are compared with. None where nothing was compared.
    """

    world_ms: int
    compared: int
    model: float | None
    online: float | None
    half: float | None
    last_value: float | None
    baseline: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerStatus:
    """What the learner is doing and what it still lacks."""

    phase: Literal["off", "training", "warming up", "ready", "failed"]
    missing: tuple[str, ...]
    """What is still missing before it suggests anything, in words; empty when ready."""
    model: str | None
    model_trained_on: str
    horizon_s: float
    observed_payments: int
    outcomes_known: int
    """Predictions whose best share has become known, a horizon later."""
    first_outcome_ms: int | None
    """World time at which the first outcome is known; None before the first prediction."""
    drifts: int
    """How often the online learner's drift detector has gone off."""
    last_drift_ms: int | None
    verdict: str
    """Whether the model is better than what it is compared with, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerNews:
    """The learner looked again: its status, and its newest predictions and suggestions."""

    status: LearnerStatus
    predictions: tuple[Prediction, ...]
    suggestions: tuple[SuggestedChange, ...]
    errors: tuple[ErrorPoint, ...]
    """Points that are new since the last such event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What can be switched while the service runs."""

    speed: float
    paused: bool
    automatic: bool
    """Whether the learner's suggestions are carried out without being asked."""
    min_confidence: float
    """Automatic rebalancing leaves suggestions below this alone."""
    budget_sat_per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged:
    """Somebody switched something."""

    settings: RunSettings


Event = WorldAdvanced | SnapshotTaken | RebalanceDone | Alert | LearnerNews | SettingsChanged
