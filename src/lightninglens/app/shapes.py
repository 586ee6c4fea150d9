"""Records that are asked for and never published: models, effects of rebalances, saved runs."""

from dataclasses import dataclass
from typing import Literal

from lightninglens.app.events import Network, Payment, Stats
from lightninglens.core.model_card import ShareErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelItem:
    """A model in the registry."""

    version: str
    created_ms: int
    trained_on: str
    verdict: str
    selected: bool
    share_errors: ShareErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one executed rebalance was expected to bring, what it cost, and what is estimated to have come of it.

    `realised_gain_msat` is estimated from what went over the two channels in the horizon after it, replayed with and
    without the move; it is null until `due_ms`, and for ever where the world ended before.
    """

    plan_id: str
    change_index: int
    author: str
    world_ms: int
    node: str
    from_node: str
    to_node: str
    back_from_node: str
    amount_sat: int
    fee_msat: int
    predicted_gain_msat: int | None
    predicted_low_msat: int | None
    predicted_high_msat: int | None
    confidence: float | None
    outgoing_local_msat: tuple[int, int] | None
    """Local balance of the outgoing channel, read before and after."""
    incoming_local_msat: tuple[int, int] | None
    realised_gain_msat: int | None
    due_ms: int
    status: Literal["succeeded", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunItem:
    """A world that was recorded; times are the world's, `recorded_ms` is when the recording began."""

    run_id: str
    world_start_ms: int
    world_end_ms: int
    recorded_ms: int
    payments: int
    channels: int
    bytes: int
    complete: bool
    """Whether the recording ended with its world; otherwise it goes on, or was cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMoment:
    """A recorded world at one moment; balances are in whole sat, as they were recorded."""

    network: Network
    payments: list[Payment]
    """Those that ended in the window before the moment, newest last."""
    stats: Stats
    world_start_ms: int
    world_end_ms: int
