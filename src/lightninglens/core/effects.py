"""What executed rebalances brought: written when they end, and again when the time after them is over."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from lightninglens.core.records import STRICT, RebalanceChange
from lightninglens.core.units import Msat, UnixNs

EFFECT_FORMAT = "lightninglens/effect/1"
EFFECT_KNOWN_FORMAT = "lightninglens/effect-known/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change that was carried out, with what it was expected to bring and what it did to the two channels."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = EFFECT_FORMAT
    plan_id: str
    change_index: int
    author: str
    acted_ns: UnixNs
    horizon_ns: int
    """How long after it its effect is looked at."""
    state: Literal["succeeded", "failed"]
    change: RebalanceChange
    moved_msat: Msat
    fee_msat: Msat
    outgoing_local_msat: tuple[int, int] | None
    """Local balance of the outgoing channel, read before and after; None where it was not read."""
    incoming_local_msat: tuple[int, int] | None
    node_name: str
    outgoing_peer_name: str
    incoming_peer_name: str

    @property
    def due_ns(self) -> int:
        """When its effect can be known."""
        return self.acted_ns + self.horizon_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectKnown:
    """What is estimated to have come of one change, from what went over its channels in the horizon after it."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = EFFECT_KNOWN_FORMAT
    plan_id: str
    change_index: int
    known_ns: UnixNs
    realised_gain_msat: int
    """After its cost."""
