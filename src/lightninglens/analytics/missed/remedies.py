"""Seeing that something was done for a channel, and what it brought: the days before beside the days after.

Nothing here proves that the remedy was the cause. The change of the node's other
channels stands beside it, and the interval is only of the chance with which
payments come.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from lightninglens.analytics.missed.columns import Evidence
from lightninglens.analytics.missed.estimate import missed_revenue
from lightninglens.core.attempts import AttemptState
from lightninglens.core.channels import ChannelState
from lightninglens.core.ids import ChannelId
from lightninglens.core.remedies import Remedy, RemedyEffect, RemedyKind
from lightninglens.core.units import NS_PER_DAY, Msat, UnixNs

MOST_DAYS = 7.0
"""A remedy is looked at for a week: later the channel is another one anyway."""
LEAST_DAYS = 0.25
_INTERVAL_SDS = 1.2816


def changes_between(
    before: Sequence[ChannelState],
    after: Sequence[ChannelState],
    at_ns: UnixNs,
    expected_msat_per_day: Mapping[ChannelId, int],
) -> Iterator[Remedy]:
    """Yield what was done to policies and channels between two looks at the channels; nothing after the first look."""
    known = {each.channel_id: each for each in before}
    peers = {each.peer_id for each in before}
    for state in after:
        earlier = known.get(state.channel_id)
        found = _new_policy(earlier, state) if earlier is not None else None
        if earlier is None and state.peer_id in peers:
            found = (RemedyKind.CHANNEL_ADDED, 0, int(state.capacity_sat))
        if found is not None:
            expected = expected_msat_per_day.get(state.channel_id)
            yield Remedy(
                at_ns=at_ns,
                channel_id=state.channel_id,
                peer_id=state.peer_id,
                kind=found[0],
                before=found[1],
                after=found[2],
                cost_msat=None if found[0] is RemedyKind.CHANNEL_ADDED else Msat(0),
                expected_msat_per_day=None if expected is None else Msat(expected),
            )


def _new_policy(before: ChannelState, after: ChannelState) -> tuple[RemedyKind, int, int] | None:
    """Return what changed in our policy; a change of the fee is told before one of max_htlc."""
    old, new = before.local_policy, after.local_policy
    if old is None or new is None:
        return None
    if new.fee_rate_ppm != old.fee_rate_ppm:
        kind = RemedyKind.FEE_LOWERED if new.fee_rate_ppm < old.fee_rate_ppm else RemedyKind.FEE_RAISED
        return kind, int(old.fee_rate_ppm), int(new.fee_rate_ppm)
    if new.max_htlc_msat > old.max_htlc_msat:
        return RemedyKind.MAX_HTLC_RAISED, int(old.max_htlc_msat), int(new.max_htlc_msat)
    return None


def effect_of(
    remedy: Remedy, before: Evidence, after: Evidence, *, days: float, seen_before: float, seen_after: float
) -> RemedyEffect:
    """Return the effect of a remedy from the records of equal times before and after it.

    `seen_before` and `seen_after` are the shares of these times that were seen;
    figures are scaled to days that were.
    """
    old, new = _Days(before, remedy.channel_id, days * seen_before), _Days(after, remedy.channel_id, days * seen_after)
    change_msat = new.earned_msat - old.earned_msat
    spread_msat = _INTERVAL_SDS * float(np.hypot(old.spread_msat, new.spread_msat))
    return RemedyEffect(
        remedy=remedy,
        days=days,
        seen_before=seen_before,
        seen_after=seen_after,
        earned_before_msat=old.earned_msat,
        earned_after_msat=new.earned_msat,
        refused_before=old.refused,
        refused_after=new.refused,
        missed_before_msat=old.missed_msat,
        missed_after_msat=new.missed_msat,
        others_before_msat=old.others_msat,
        others_after_msat=new.others_msat,
        lower_msat=change_msat - spread_msat,
        upper_msat=change_msat + spread_msat,
    )


class _Days:
    """Figures of one time, per day that was seen of it."""

    def __init__(self, evidence: Evidence, channel_id: ChannelId, days: float) -> None:
        row = evidence.channels.index(channel_id) if channel_id in evidence.channels else -1
        sums = evidence.sums
        settled = sums.state == AttemptState.SETTLED
        mine = sums.outgoing == row
        per_day = 1.0 / days if days > 0 else 0.0
        self.earned_msat = float(sums.fee_msat[settled & mine].sum()) * per_day
        self.others_msat = float(sums.fee_msat[settled & ~mine].sum()) * per_day
        # Payments of one class have about the same fee, so each class is a Poisson sum of it.
        fees = sums.fee_msat[settled & mine].astype(np.float64)
        counts = np.maximum(sums.attempts[settled & mine], 1)
        self.spread_msat = float(np.sqrt((fees**2 / counts).sum())) * per_day
        missed = missed_revenue(evidence)
        self.missed_msat = float(missed.expected_msat[row]) * per_day if row >= 0 else 0.0
        self.refused = float(missed.payments[row]) * per_day if row >= 0 else 0.0


def days_of(remedy: Remedy, now_ns: int) -> float | None:
    """Return how many days a remedy can be looked at; None while it is too early."""
    days = min((now_ns - remedy.at_ns) / NS_PER_DAY, MOST_DAYS)
    return days if days >= LEAST_DAYS else None


def newest_first(effects: Iterable[RemedyEffect]) -> list[RemedyEffect]:
    """Return effects by when their remedies were taken."""
    return sorted(effects, key=lambda each: (-each.remedy.at_ns, each.remedy.channel_id))
