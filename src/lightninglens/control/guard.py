"""The guard: every change passes here before it may be done, whoever decided it.

Pure. `read_suggestion` takes what a model sent, `to_change` maps it to a
circular self-payment (docs/adr/0020), `check_change` judges any change against
the channels as they are now, against the journal of what was done, and against
the budget. A refusal says why in words.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lightninglens.control.budget import Usage, budget_used_msat, last_sent_ns, usage_of
from lightninglens.control.rebalance.view import DEFAULT_FEE_LIMIT, FeeLimit, LiquidityView, NodeView
from lightninglens.core.channels import ChannelState
from lightninglens.core.records import JournalRecord, RebalanceChange
from lightninglens.core.units import (
    MAX_MONEY_SAT,
    NS_PER_HOUR,
    NS_PER_SECOND,
    Msat,
    Sat,
    UnixNs,
    to_msat,
    to_sat,
)

_MOST_NAME = 80


class RefusalCode(StrEnum):
    """Why a change was not done."""

    MALFORMED = "malformed"
    UNKNOWN_NODE = "unknown_node"
    NO_SUCH_CHANNEL = "no_such_channel"
    BAD_AMOUNT = "bad_amount"
    BAD_CONFIDENCE = "bad_confidence"
    LOW_CONFIDENCE = "low_confidence"
    NO_OUTBOUND = "no_outbound"
    NO_INBOUND = "no_inbound"
    NOT_CIRCULAR = "not_circular"
    FEE_LIMIT = "fee_limit"
    OVER_BUDGET = "over_budget"
    TOO_LARGE = "too_large"
    TOO_OFTEN = "too_often"
    TOO_SOON = "too_soon"
    OVER_VOLUME = "over_volume"
    BUSY = "busy"
    STOPPED = "stopped"
    UNAVAILABLE = "unavailable"

    @property
    def is_malformed(self) -> bool:
        """Whether what was sent made no sense, as against a sound wish that was turned down."""
        return self in {self.MALFORMED, self.UNKNOWN_NODE, self.NO_SUCH_CHANNEL, self.BAD_AMOUNT, self.BAD_CONFIDENCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No, and why."""

    code: RefusalCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Somebody's wish: `from_node` is to have `amount_sat` less on its channel with `to_node`."""

    from_node: str
    to_node: str
    amount_sat: Sat
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """What is allowed."""

    min_confidence: float | None = None
    """None: confidence is not asked for."""
    budget_msat_per_day: Msat | None = None
    """Most that an author's rebalances may cost in 24 hours; None: no limit."""
    fee_limit: FeeLimit = DEFAULT_FEE_LIMIT
    most_amount_msat: Msat | None = None
    """Most that one change may move; None: no limit."""
    most_changes_per_day: int | None = None
    """Most changes of an author that moved money, or still may, in 24 hours; None: no limit."""
    most_changes_per_channel_per_day: int | None = None
    """The same for one channel, whoever made them."""
    least_gap_ns: int = 0
    """Least time since the last try, whoever made it and however it ended, that took either channel."""
    most_volume_msat_per_day: Msat | None = None
    """Most that an author's changes may move in 24 hours; None: no limit."""


AUTOMATIC_RULES = GuardRules(
    min_confidence=0.5,
    budget_msat_per_day=to_msat(10_000),
    most_amount_msat=to_msat(500_000),
    most_changes_per_day=200,
    most_changes_per_channel_per_day=48,
    least_gap_ns=NS_PER_HOUR // 12,
    most_volume_msat_per_day=to_msat(50_000_000),
)
"""What a strategy may do on one node when nobody looks at each of its changes."""


def read_suggestion(values: object) -> Suggestion | Refusal:
    """Return the suggestion that a JSON value holds; anything else in it is ignored."""
    if not isinstance(values, Mapping):
        return _refuse(RefusalCode.MALFORMED, "a suggestion is an object with from_node, to_node and amount")
    names: list[str] = []
    for key in ("from_node", "to_node"):
        name = values.get(key)
        if not isinstance(name, str) or not 0 < len(name) <= _MOST_NAME:
            return _refuse(RefusalCode.MALFORMED, f"{key} must be the name of a node, like lnd-alice")
        names.append(name)
    amount = values.get("amount")
    # bool is an int to Python, and would be read as 1 sat.
    if not isinstance(amount, int) or isinstance(amount, bool):
        return _refuse(RefusalCode.BAD_AMOUNT, "amount must be a whole number of sat")
    if not 0 < amount <= MAX_MONEY_SAT:
        return _refuse(RefusalCode.BAD_AMOUNT, f"amount must be from 1 to {MAX_MONEY_SAT:,} sat")
    confidence = values.get("confidence")
    if confidence is not None and not _is_probability(confidence):
        return _refuse(RefusalCode.BAD_CONFIDENCE, "confidence must be a number from 0 to 1")
    return Suggestion(
        from_node=names[0],
        to_node=names[1],
        amount_sat=Sat(amount),
        confidence=None if confidence is None else float(confidence),
    )


def _is_probability(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0.0 <= value <= 1.0  # type: ignore[arg-type, operator]


def to_change(suggestion: Suggestion, view: LiquidityView, rules: GuardRules) -> RebalanceChange | Refusal:
    """Map a suggestion to a circular self-payment of `from_node`, or refuse.

    It leaves over the channel with `to_node` that can send most, and comes back
    over the channel, with somebody else, that holds least of its own capacity
    among those that can take the whole amount.
    """
    node = view.find(suggestion.from_node)
    if node is None:
        return _refuse(RefusalCode.UNKNOWN_NODE, f"there is no node {suggestion.from_node!r} here")
    peer = view.find(suggestion.to_node)
    if peer is None:
        return _refuse(RefusalCode.UNKNOWN_NODE, f"there is no node {suggestion.to_node!r} here")
    outgoing = max(node.channels_with(peer.node_id), key=_most_outbound, default=None)
    if outgoing is None:
        return _refuse(RefusalCode.NO_SUCH_CHANNEL, f"{node.name} has no channel with {peer.name}")
    if (refusal := _check_confidence(suggestion.confidence, rules)) is not None:
        return refusal
    amount_msat = to_msat(suggestion.amount_sat)
    incoming = _neediest(node, outgoing, amount_msat)
    if incoming is None:
        return _refuse(
            RefusalCode.NO_INBOUND,
            f"no other channel of {node.name} can take {suggestion.amount_sat:,} sat back in",
        )
    return RebalanceChange(
        node_id=node.node_id,
        outgoing_channel_id=outgoing.channel_id,
        incoming_channel_id=incoming.channel_id,
        amount_msat=amount_msat,
        max_fee_msat=rules.fee_limit.of(amount_msat),
        previous_local_msat=outgoing.local_msat,
        reason=(
            f"suggested: {suggestion.amount_sat:,} sat out over the channel with {peer.name},"
            f" back in over the one with {incoming.peer_alias}"
        ),
        confidence=suggestion.confidence,
    )


def check_change(
    change: RebalanceChange,
    channels: Sequence[ChannelState],
    rules: GuardRules,
    *,
    author: str,
    records: Sequence[JournalRecord],
    now: UnixNs,
) -> Refusal | None:
    """Return why a change may not be done now, or None when it may.

    `channels` are those of the acting node now; `records` is its journal.
    """
    by_id = {channel.channel_id: channel for channel in channels}
    outgoing, incoming = by_id.get(change.outgoing_channel_id), by_id.get(change.incoming_channel_id)
    if outgoing is None or incoming is None:
        missing = change.outgoing_channel_id if outgoing is None else change.incoming_channel_id
        return _refuse(RefusalCode.NO_SUCH_CHANNEL, f"the node has no channel {missing}")
    if outgoing.peer_id == incoming.peer_id:
        return _refuse(RefusalCode.NOT_CIRCULAR, "out and back over channels with the same peer moves nothing")
    return (
        _check_confidence(change.confidence, rules)
        or _check_fee(change, rules)
        or _check_amount(change, rules)
        or _check_liquidity(change, outgoing, incoming)
        or _check_channels(outgoing, incoming, rules, records=records, now=now)
        or _check_day(change, rules, usage_of(records, now=now, author=author))
        or _check_budget(change, rules, author=author, records=records, now=now)
    )


def _most_outbound(channel: ChannelState) -> tuple[int, int]:
    return channel.outbound_msat if channel.active else -1, -channel.channel_id


def _neediest(node: NodeView, outgoing: ChannelState, amount_msat: int) -> ChannelState | None:
    able = [
        channel
        for channel in node.channels
        if channel.peer_id != outgoing.peer_id and channel.active and channel.inbound_msat >= amount_msat
    ]
    return min(able, key=lambda channel: (channel.local_msat / channel.capacity_sat, channel.channel_id), default=None)


def _check_confidence(confidence: float | None, rules: GuardRules) -> Refusal | None:
    if not rules.min_confidence:
        return None
    if confidence is None:
        return _refuse(
            RefusalCode.LOW_CONFIDENCE, f"no confidence was given, and at least {rules.min_confidence:g} is needed"
        )
    if confidence < rules.min_confidence:
        return _refuse(
            RefusalCode.LOW_CONFIDENCE,
            f"confidence {confidence:g} is below the least allowed, {rules.min_confidence:g}",
        )
    return None


def _check_fee(change: RebalanceChange, rules: GuardRules) -> Refusal | None:
    limit_msat = rules.fee_limit.of(change.amount_msat)
    if change.max_fee_msat <= limit_msat:
        return None
    return _refuse(
        RefusalCode.FEE_LIMIT, f"a fee of up to {change.max_fee_msat} msat is above the limit of {limit_msat} msat"
    )


def _check_liquidity(change: RebalanceChange, outgoing: ChannelState, incoming: ChannelState) -> Refusal | None:
    needed_msat = change.amount_msat + change.max_fee_msat
    can_send_msat = outgoing.outbound_msat if outgoing.active else 0
    if can_send_msat < needed_msat:
        return _refuse(
            RefusalCode.NO_OUTBOUND,
            f"the channel with {outgoing.peer_alias} can send {to_sat(can_send_msat):,} sat now;"
            f" {-to_sat(-needed_msat):,} sat are needed with the greatest fee",
        )
    can_take_msat = incoming.inbound_msat if incoming.active else 0
    if can_take_msat < change.amount_msat:
        return _refuse(
            RefusalCode.NO_INBOUND,
            f"the channel with {incoming.peer_alias} can take {to_sat(can_take_msat):,} sat now;"
            f" {-to_sat(-change.amount_msat):,} sat are to come back",
        )
    return None


def _check_amount(change: RebalanceChange, rules: GuardRules) -> Refusal | None:
    if rules.most_amount_msat is None or change.amount_msat <= rules.most_amount_msat:
        return None
    return _refuse(
        RefusalCode.TOO_LARGE,
        f"{to_sat(change.amount_msat):,} sat are more than one change may move, {to_sat(rules.most_amount_msat):,} sat",
    )


def _check_channels(
    outgoing: ChannelState,
    incoming: ChannelState,
    rules: GuardRules,
    *,
    records: Sequence[JournalRecord],
    now: UnixNs,
) -> Refusal | None:
    """Return why one of the two channels is to be left alone for now."""
    for channel in (outgoing, incoming):
        last_ns = last_sent_ns(records, channel.channel_id) if rules.least_gap_ns else None
        if last_ns is not None and now - last_ns < rules.least_gap_ns:
            return _refuse(
                RefusalCode.TOO_SOON,
                f"the channel with {channel.peer_alias} was rebalanced, or tried, {_seconds(now - last_ns)} s ago;"
                f" at least {_seconds(rules.least_gap_ns)} s are to lie between",
            )
        most = rules.most_changes_per_channel_per_day
        if most is not None and usage_of(records, now=now, channel_id=channel.channel_id).changes >= most:
            return _refuse(
                RefusalCode.TOO_OFTEN,
                f"the channel with {channel.peer_alias} has had its {most} rebalances of the last 24 hours",
            )
    return None


def _check_day(change: RebalanceChange, rules: GuardRules, used: Usage) -> Refusal | None:
    most_changes, most_msat = rules.most_changes_per_day, rules.most_volume_msat_per_day
    if most_changes is not None and used.changes >= most_changes:
        return _refuse(
            RefusalCode.TOO_OFTEN,
            f"{used.changes} rebalances were made in the last 24 hours, and {most_changes} are allowed",
        )
    if most_msat is not None and used.volume_msat + change.amount_msat > most_msat:
        return _refuse(
            RefusalCode.OVER_VOLUME,
            f"{to_sat(used.volume_msat):,} sat were moved in the last 24 hours; with {to_sat(change.amount_msat):,} sat"
            f" more it would be above the {to_sat(most_msat):,} sat allowed",
        )
    return None


def _seconds(span_ns: int) -> str:
    return f"{span_ns // NS_PER_SECOND:,}"


def _check_budget(
    change: RebalanceChange, rules: GuardRules, *, author: str, records: Sequence[JournalRecord], now: UnixNs
) -> Refusal | None:
    if rules.budget_msat_per_day is None:
        return None
    left_msat = rules.budget_msat_per_day - budget_used_msat(records, author=author, now=now)
    if change.max_fee_msat <= left_msat:
        return None
    return _refuse(
        RefusalCode.OVER_BUDGET,
        f"the fee may reach {change.max_fee_msat} msat, and {max(left_msat, 0)} msat are left"
        f" of the {to_sat(rules.budget_msat_per_day):,} sat for 24 hours",
    )


def _refuse(code: RefusalCode, reason: str) -> Refusal:
    return Refusal(code=code, reason=reason)
