"""What to do about what was missed: one opportunity per channel, with the documented figures and ours beside them.

The documented figures count every refused attempt as lost (A3.10, A3.11 of the
source documents); ours say what would have come of it, and how sure that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed.columns import Evidence
from lightninglens.analytics.missed.estimate import Missed, missed_revenue
from lightninglens.analytics.missed.summary import ChannelFailureStats, channel_stats
from lightninglens.core.attempts import FailureCause
from lightninglens.core.channels import ChannelState
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT, PPM, Msat, Ppm

HOURS_PER_MONTH = 720
LEAST_HOURS_FOR_MONTHLY = 6.0
"""Below this much observed time nothing is said of a month."""
LIQUIDITY_SHARE, FEE_SHARE = 0.6, 0.3
"""From these shares of the refusals on they are what the channel is about, as documented."""
MUCH_LOCAL = 0.8
"""From this share on our side on a channel counts as full, as documented."""
LOWERED = 0.7
"""The documented remedy for fees: 30 % less."""
_LARGE_SHARE = 0.8
_ABOVE_ALL_MSAT = 2**46
"""703 BTC: more than any HTLC, and than any channel can send."""


ASSUMED_LIQUIDITY_PPM = Ppm(200)
"""What bringing liquidity costs where nothing is known of it."""


class Recommendation(StrEnum):
    """The documented five."""

    REBALANCE_INBOUND = "rebalance_inbound"
    """Too much on our side: let some of it go to the peer's."""
    REBALANCE_OUTBOUND = "rebalance_outbound"
    """Too little on our side: bring some there, by a circular rebalance."""
    LOWER_FEES = "lower_fees"
    INCREASE_CAPACITY = "increase_capacity"
    INVESTIGATE = "investigate"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpportunityOptions:
    """What is worth showing, and what liquidity costs."""

    min_failures: int = 3
    min_missed_sat: int = 100
    """By the documented figure, as the next: a channel below either is left out."""
    liquidity_cost_ppm: Ppm = ASSUMED_LIQUIDITY_PPM
    """What bringing liquidity costs: the rebalancing fee, and what the channel that gives it earns less."""
    open_cost_sat: int = 3_000
    """What opening a channel costs on the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """One channel that could earn more. Amounts that are ours to estimate are in msat; documented ones in sat."""

    channel_id: ChannelId
    peer_id: str
    peer_alias: str
    recommendation: Recommendation
    recommended_action: str
    total_failures: int
    liquidity_failures: int
    fee_failures: int
    failure_rate: float
    main_cause: FailureCause
    payments: int
    """What the refusals that met our price are taken for."""
    missed_revenue_sats: float
    """Documented: each refused attempt's fee."""
    potential_monthly_revenue_sats: float | None
    """Documented: the same, for 720 hours; None when too little time was seen."""
    urgency_score: float
    """Documented: 0 to 100."""
    lower_msat: Msat
    """What would really have been earned, with a 90 % interval."""
    expected_msat: Msat
    upper_msat: Msat
    monthly_lower_msat: Msat | None
    monthly_expected_msat: Msat | None
    monthly_upper_msat: Msat | None
    move_msat: Msat
    """The liquidity that serving them would have taken."""
    cost_msat: Msat
    """Of the cheapest remedy."""
    net_msat: Msat
    """Expected, less that cost."""
    new_fee_rate_ppm: Ppm | None
    """The fee to set, where that is the remedy."""
    current_capacity_sats: int
    current_local_balance_sats: int
    current_outbound_fee_ppm: int
    local_share_then: float | None
    """What could be sent of the capacity, when it was refused; None where nobody looked."""


def urgency(*, missed_sat: float, failures: int, failure_rate: float) -> float:
    """Return the documented urgency: up to 40 for revenue, 30 for frequency, 30 for the rate of failure."""
    return min(40.0, missed_sat / 1_000 * 4) + min(30.0, failures / 10 * 30) + failure_rate * 30


def find_opportunities(
    evidence: Evidence,
    channels: Mapping[ChannelId, ChannelState],
    *,
    observed_hours: float,
    options: OpportunityOptions | None = None,
) -> list[Opportunity]:
    """Return what could be earned, the most urgent first; `channels` are those that are open now."""
    chosen = options or OpportunityOptions()
    stats, missed = channel_stats(evidence), missed_revenue(evidence)
    row_of = {channel_id: row for row, channel_id in enumerate(evidence.channels)}
    then = _spendable_then(evidence)
    found = []
    for channel_id, state in channels.items():
        stat = stats.get(channel_id)
        if stat is None or stat.failed_forwards < chosen.min_failures:
            continue
        if stat.missed_revenue_sats < chosen.min_missed_sat and not stat.fee_failures:
            continue
        row = row_of[channel_id]
        found.append(_opportunity(state, stat, missed, row, then.get(row), observed_hours, chosen))
    named = {each.channel_id for each in found}
    for channel_id, state in channels.items():
        row = row_of.get(channel_id, -1)
        if row >= 0 and channel_id not in named and missed.blocked_payments[row] >= chosen.min_failures:
            found += _inbound(state, missed, row, observed_hours, chosen)
    return sorted(found, key=lambda each: (-each.urgency_score, -each.expected_msat, each.channel_id))


def _spendable_then(evidence: Evidence) -> dict[int, tuple[float, int]]:
    """Return, per outgoing channel, what could be sent at the median refusal, and the largest amount but a tenth."""
    refused = evidence.refused
    seen = refused.outgoing_spendable_msat >= 0
    medians = _quantiles(refused.outgoing[seen], refused.outgoing_spendable_msat[seen], 0.5)
    large = _quantiles(refused.outgoing, refused.amount_msat, 0.9)
    return {row: (medians.get(row, -1.0), int(amount_msat)) for row, amount_msat in large.items()}


def _quantiles(groups: NDArray[np.int64], values: NDArray[np.int64], share: float) -> dict[int, float]:
    """Return, per group, the value below which a share of its values is, between two where it falls there."""
    # Sorted as one number each, which is many times quicker than by two columns.
    ordered = np.sort(groups * _ABOVE_ALL_MSAT + np.minimum(values, _ABOVE_ALL_MSAT - 1))
    found, starts, counts = np.unique(ordered // _ABOVE_ALL_MSAT, return_index=True, return_counts=True)
    places = starts + share * (counts - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, starts + counts - 1)
    low, high = ordered[below] % _ABOVE_ALL_MSAT, ordered[above] % _ABOVE_ALL_MSAT
    return dict(zip(found.tolist(), (low + (places - below) * (high - low)).tolist(), strict=True))


def _opportunity(
    state: ChannelState,
    stat: ChannelFailureStats,
    missed: Missed,
    row: int,
    then: tuple[float, int] | None,
    observed_hours: float,
    options: OpportunityOptions,
) -> Opportunity:
    expected = int(missed.expected_msat[row])
    lower, upper = int(missed.lower_msat[row]), int(missed.upper_msat[row])
    move = int(missed.liquidity_msat[row])
    scale = _months(observed_hours)
    spendable, large = then if then is not None else (-1.0, 0)
    recommendation = _recommend(stat, state, large)
    cost = _cost_msat(recommendation, move, options)
    rate = stat.failure_rate or 0.0
    fee_ppm = _fee_rate_ppm(state)
    lowers = recommendation is Recommendation.LOWER_FEES
    # How many there will be in a month is itself uncertain, by the square root of how many there were.
    spread = 1.0 / max(int(missed.payments[row]), 1) ** 0.5
    return Opportunity(
        channel_id=state.channel_id,
        peer_id=state.peer_id,
        peer_alias=state.peer_alias,
        recommendation=recommendation,
        recommended_action=_action(recommendation, stat, state, move, options),
        total_failures=stat.failed_forwards,
        liquidity_failures=stat.liquidity_failures,
        fee_failures=stat.fee_failures,
        failure_rate=rate,
        main_cause=max(stat.failures_by_cause, key=lambda cause: (stat.failures_by_cause[cause], -cause)),
        payments=int(missed.payments[row]),
        missed_revenue_sats=stat.missed_revenue_sats,
        potential_monthly_revenue_sats=None if scale is None else stat.missed_revenue_sats * scale,
        urgency_score=urgency(missed_sat=stat.missed_revenue_sats, failures=stat.failed_forwards, failure_rate=rate),
        lower_msat=Msat(lower),
        expected_msat=Msat(expected),
        upper_msat=Msat(upper),
        monthly_lower_msat=None if scale is None else Msat(int((lower - spread * abs(lower)) * scale)),
        monthly_expected_msat=None if scale is None else Msat(int(expected * scale)),
        monthly_upper_msat=None if scale is None else Msat(int((upper + spread * abs(upper)) * scale)),
        move_msat=Msat(move),
        cost_msat=Msat(cost),
        net_msat=Msat(expected - cost),
        new_fee_rate_ppm=_lowered_ppm(fee_ppm) if lowers else None,
        current_capacity_sats=state.capacity_sat,
        current_local_balance_sats=state.local_msat // MSAT_PER_SAT,
        current_outbound_fee_ppm=fee_ppm,
        local_share_then=None if spendable < 0 else min(spendable / (state.capacity_sat * MSAT_PER_SAT), 1.0),
    )


def _inbound(
    state: ChannelState, missed: Missed, row: int, observed_hours: float, options: OpportunityOptions
) -> list[Opportunity]:
    """Return that a channel is full on our side, where that kept what others lacked liquidity for from coming by it.

    Nothing was refused at this channel: its peer could not have sent more. So the
    figure rests on what was refused elsewhere, and its interval is from nothing to twice.
    """
    blocked_sat = missed.blocked_msat[row] / MSAT_PER_SAT
    full = state.local_msat > MUCH_LOCAL * state.capacity_sat * MSAT_PER_SAT
    if not full or blocked_sat < options.min_missed_sat:
        return []
    failures, expected = int(missed.blocked_payments[row]), int(missed.blocked_msat[row])
    move = min(int(missed.blocked_amount_msat[row]), state.local_msat)
    cost = _cost_msat(Recommendation.REBALANCE_INBOUND, move, options)
    scale = _months(observed_hours)
    return [
        Opportunity(
            channel_id=state.channel_id,
            peer_id=state.peer_id,
            peer_alias=state.peer_alias,
            recommendation=Recommendation.REBALANCE_INBOUND,
            recommended_action=(
                f"Add inbound liquidity: about {-(-move // MSAT_PER_SAT):,} sat, by sending out over this channel;"
                " it is full on your side, so nothing more can come by it"
            ),
            total_failures=failures,
            liquidity_failures=failures,
            fee_failures=0,
            failure_rate=0.0,
            main_cause=FailureCause.LIQUIDITY,
            payments=failures,
            missed_revenue_sats=blocked_sat,
            potential_monthly_revenue_sats=None if scale is None else blocked_sat * scale,
            urgency_score=urgency(missed_sat=blocked_sat, failures=failures, failure_rate=0.0),
            lower_msat=Msat(0),
            expected_msat=Msat(expected),
            upper_msat=Msat(2 * expected),
            monthly_lower_msat=None if scale is None else Msat(0),
            monthly_expected_msat=None if scale is None else Msat(int(expected * scale)),
            monthly_upper_msat=None if scale is None else Msat(int(2 * expected * scale)),
            move_msat=Msat(move),
            cost_msat=Msat(cost),
            net_msat=Msat(expected - cost),
            new_fee_rate_ppm=None,
            current_capacity_sats=state.capacity_sat,
            current_local_balance_sats=state.local_msat // MSAT_PER_SAT,
            current_outbound_fee_ppm=_fee_rate_ppm(state),
            local_share_then=None,
        )
    ]


def _months(observed_hours: float) -> float | None:
    """Return how many times a month is what was seen; None where too little was."""
    return HOURS_PER_MONTH / observed_hours if observed_hours >= LEAST_HOURS_FOR_MONTHLY else None


def _fee_rate_ppm(state: ChannelState) -> Ppm:
    return state.local_policy.fee_rate_ppm if state.local_policy is not None else Ppm(0)


def _lowered_ppm(fee_rate_ppm: int) -> Ppm:
    return Ppm(max(1, int(fee_rate_ppm * LOWERED)))


def _recommend(stat: ChannelFailureStats, state: ChannelState, large_msat: int) -> Recommendation:
    failures = stat.failed_forwards
    causes = stat.failures_by_cause
    if causes.get(FailureCause.LIQUIDITY, 0) + causes.get(FailureCause.TOO_LARGE, 0) > LIQUIDITY_SHARE * failures:
        fits = large_msat <= _LARGE_SHARE * state.capacity_sat * MSAT_PER_SAT
        return Recommendation.REBALANCE_OUTBOUND if fits else Recommendation.INCREASE_CAPACITY
    if stat.fee_failures > FEE_SHARE * failures:
        return Recommendation.LOWER_FEES
    return Recommendation.INVESTIGATE


def _cost_msat(recommendation: Recommendation, move_msat: int, options: OpportunityOptions) -> int:
    match recommendation:
        case Recommendation.REBALANCE_INBOUND:
            return move_msat * options.liquidity_cost_ppm // PPM
        case Recommendation.REBALANCE_OUTBOUND:
            return min(move_msat * options.liquidity_cost_ppm // PPM, options.open_cost_sat * MSAT_PER_SAT)
        case Recommendation.INCREASE_CAPACITY:
            return options.open_cost_sat * MSAT_PER_SAT
        case _:
            return 0


def _action(
    recommendation: Recommendation,
    stat: ChannelFailureStats,
    state: ChannelState,
    move_msat: int,
    options: OpportunityOptions,
) -> str:
    """Return the remedy in words, with its figure."""
    move_sat = -(-move_msat // MSAT_PER_SAT)
    fee_ppm = _fee_rate_ppm(state)
    words = {  # of what `_recommend` may say
        Recommendation.REBALANCE_OUTBOUND: (
            f"Add outbound liquidity: about {move_sat:,} sat{_portions(move_msat, state)},"
            f" by {_cheapest_way(move_msat, options)}"
        ),
        Recommendation.INCREASE_CAPACITY: (
            f"Open another channel to this peer: payments are larger than {state.capacity_sat:,} sat can carry"
        ),
        Recommendation.LOWER_FEES: (
            f"Senders offer less than {fee_ppm:,} ppm: {_lowered_ppm(fee_ppm):,} ppm would be 30 % less."
            " Most are likely to know an older policy only"
        ),
        Recommendation.INVESTIGATE: _INVESTIGATE.get(_most_of(stat), "Mixed causes: look at the failures one by one"),
    }
    return words[recommendation]


def _portions(move_msat: int, state: ChannelState) -> str:
    """Return that an amount does not fit into a channel at once, where it does not."""
    if move_msat <= state.remote_msat:
        return ""
    return f" over this time, of which {state.remote_msat // MSAT_PER_SAT:,} sat fit into it at once"


def _cheapest_way(move_msat: int, options: OpportunityOptions) -> str:
    """Return how to bring this liquidity: a rebalance costs by the amount, a new channel once."""
    rebalance_sat = move_msat * options.liquidity_cost_ppm // PPM // MSAT_PER_SAT
    if rebalance_sat <= options.open_cost_sat:
        return "a circular rebalance into this channel"
    return (
        f"another channel to this peer, for about {options.open_cost_sat:,} sat on the chain; a circular rebalance into"
        f" this one would cost about {rebalance_sat:,} sat"
    )


_INVESTIGATE = {
    FailureCause.OWN_MAX_HTLC: "Raise max_htlc: the liquidity was there, and your own limit refused it",
    FailureCause.PEER_OFFLINE: "The peer is offline too often: look at its uptime, and at your connection",
    FailureCause.SLOTS: (
        "The balance was there, but no HTLC slot, or no fee buffer of who opened the channel: look for HTLCs that are"
        " held long, and for a peer at its reserve"
    ),
    FailureCause.EXPIRY: "Time locks: did your time lock delta change recently?",
    FailureCause.BELOW_MINIMUM: "Amounts below your min_htlc",
}


def _most_of(stat: ChannelFailureStats) -> FailureCause:
    """Return the cause of more than half of the refusals, or NONE."""
    return next(
        (each for each, count in stat.failures_by_cause.items() if 2 * count > stat.failed_forwards), FailureCause.NONE
    )
