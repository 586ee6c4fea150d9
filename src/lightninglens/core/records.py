"""Records that are written down: plans, journal entries, suggestions, outcomes of rebalances."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MAX_MONEY_MSAT, Msat, UnixNs

STRICT: dict[str, object] = {"extra": "forbid", "strict": True}
"""How a record is read at the edge: a key that is not in the format is an error, and so is a wrong type."""

PLAN_FORMAT = "lightninglens/plan/1"
JOURNAL_FORMAT = "lightninglens/journal/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An expected value with the bounds of its 80 % interval, in msat."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    low_msat: int
    expected_msat: int
    high_msat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceChange:
    """Move `amount_msat` of our own money out over one channel and back in over another.

    A circular self-payment: the sum of our balances falls by the fee and
    nothing else, which is why a change names both channels.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    node_id: NodeId
    outgoing_channel_id: ChannelId
    incoming_channel_id: ChannelId
    amount_msat: Msat
    max_fee_msat: Msat
    previous_local_msat: Msat
    """Local balance of the outgoing channel when this was decided."""
    reason: str
    confidence: float | None = None
    expected_gain: Interval | None = None

    def __post_init__(self) -> None:
        """Refuse what no channel could carry; raises ValueError."""
        if not 0 < self.amount_msat <= MAX_MONEY_MSAT:
            raise ValueError(f"a rebalance of {self.amount_msat} msat is none: it must be above 0 and below all money")
        if not 0 <= self.max_fee_msat <= MAX_MONEY_MSAT:
            raise ValueError(f"a fee limit of {self.max_fee_msat} msat is none")
        if self.outgoing_channel_id == self.incoming_channel_id:
            raise ValueError(f"{self.outgoing_channel_id} cannot be both the way out and the way in")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """Ask other fees or limits in our direction of a channel."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    node_id: NodeId
    channel_id: ChannelId
    policy: ChannelPolicy
    previous_policy: ChannelPolicy | None
    """What was asked when this was decided: what a rollback goes back to."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An immutable list of changes that somebody decided and nobody has yet done."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = PLAN_FORMAT
    plan_id: str
    created_ns: UnixNs
    author: str
    """Who decided: a strategy's name, `feed` for a connected model, `operator`."""
    changes: tuple[RebalanceChange, ...]
    risk: str = ""


class JournalState(StrEnum):
    """How far a change has come. Written before the act, so a crash leaves SENT, never nothing."""

    REFUSED = "refused"
    PLANNED = "planned"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord:
    """One step of one change, in the order in which it happened."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = JOURNAL_FORMAT
    sequence: int
    recorded_ns: UnixNs
    plan_id: str
    change_index: int
    author: str
    state: JournalState
    change: RebalanceChange
    reserved_msat: Msat
    """What the budget holds back for this change: its greatest possible fee."""
    moved_msat: Msat = Msat(0)
    fee_msat: Msat = Msat(0)
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceOutcome:
    """What a circular self-payment did. A failure is an outcome, not an exception."""

    succeeded: bool
    moved_msat: Msat
    fee_msat: Msat
    attempts: int
    hops: int
    detail: str
