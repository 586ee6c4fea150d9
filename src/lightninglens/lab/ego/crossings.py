"""Where the payments of a full run crossed an ego-network, and what they had left to spend in it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.lab.ego.record import Recording
from lightninglens.routing.bulk import RouteQueries
from lightninglens.routing.pathfinding import PathFinder
from lightninglens.routing.state import Estimator


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """Parts of payments that crossed an ego-network, as columns of equal length, by time; rows are the full graph's."""

    start_ns: NDArray[np.int64]
    payment: NDArray[np.int64]
    """Which intent of the recording it is a part of."""
    sender: NDArray[np.int64]
    receiver: NDArray[np.int64]
    entry: NDArray[np.int64]
    exit: NDArray[np.int64]
    hops_before: NDArray[np.int64]
    """Channels from the sender to the entry; 0 where that is the sender."""
    hops_after: NDArray[np.int64]
    hops: NDArray[np.int64]
    """Of the whole route."""
    amount_msat: NDArray[np.int64]
    """What reached the exit: what the receiver was to get, with the fees of the exit and of those after it."""
    delivered_msat: NDArray[np.int64]
    outside_fee_msat: NDArray[np.int64]
    """What was paid before the entry and from the exit on."""
    inside_fee_msat: NDArray[np.int64]
    """What was paid from the entry on and before the exit."""
    settled: NDArray[np.bool_]
    """Whether it arrived; the others failed inside."""


def ball(graph: NetworkGraph, centre: int, radius: int) -> NDArray[np.bool_]:
    """Return, per node, whether it is within `radius` channels of the centre; one usable direction makes a channel."""
    usable = graph.usable().reshape(-1, 2).any(axis=1)
    ends = np.stack([graph.node1[usable], graph.node2[usable]])
    inside = np.zeros(graph.node_count, np.bool_)
    inside[centre] = True
    for _ in range(radius):
        reached = ends[:, inside[ends].any(axis=0)]
        inside[reached] = True
    return inside


def find_crossings(recording: Recording, inside: NDArray[np.bool_]) -> Crossings:
    """Return what a twin of the nodes `inside` has to be asked to carry.

    Every part that settled over channels among them, once; and for a payment
    none of whose parts did, its first attempt that failed on such a channel. An
    attempt that failed elsewhere is left out: no liquidity moved inside.
    """
    graph, attempts = recording.graph, recording.attempts
    rows, routes, amounts = attempts.rows, attempts.routes, attempts.amounts_msat
    within = np.repeat(inside[graph.node1] & inside[graph.node2], 2)
    hops = rows["hops"].astype(np.int64)
    starts = np.cumsum(hops) - hops
    crossed = _first_true(within[routes], starts, hops)
    settled = (rows["code"] == FailureCode.NONE) & (crossed >= 0)
    failed_inside = (rows["failed_direction"] >= 0) & within[np.maximum(rows["failed_direction"], 0)]
    failed_inside &= rows["code"] != FailureCode.NONE
    carried = np.isin(rows["payment_id"], rows["payment_id"][settled])
    first_tries = np.flatnonzero(failed_inside & ~carried)
    first_tries = first_tries[np.lexsort((rows["number"][first_tries], rows["payment_id"][first_tries]))]
    first_tries = first_tries[np.unique(rows["payment_id"][first_tries], return_index=True)[1]]
    chosen = np.concatenate([np.flatnonzero(settled), first_tries])
    chosen = chosen[np.lexsort((rows["number"][chosen], rows["payment_id"][chosen], rows["start_ns"][chosen]))]

    first, last = crossed[chosen], hops[chosen] - 1 - _first_true(within[routes], starts, hops, backwards=True)[chosen]
    at = starts[chosen]
    delivered_msat, sent_msat = rows["amount_msat"][chosen], amounts[at]
    entered_msat = amounts[at + np.maximum(first - 1, 0)]
    return Crossings(
        start_ns=rows["start_ns"][chosen],
        payment=rows["payment_id"][chosen],
        sender=graph.sources()[routes[at]].astype(np.int64),
        receiver=graph.targets()[routes[at + hops[chosen] - 1]].astype(np.int64),
        entry=graph.sources()[routes[at + first]].astype(np.int64),
        exit=graph.targets()[routes[at + last]].astype(np.int64),
        hops_before=first,
        hops_after=hops[chosen] - 1 - last,
        hops=hops[chosen],
        amount_msat=amounts[at + last],
        delivered_msat=delivered_msat,
        outside_fee_msat=sent_msat - entered_msat + amounts[at + last] - delivered_msat,
        inside_fee_msat=entered_msat - amounts[at + last],
        settled=settled[chosen],
    )


def _first_true(
    flags: NDArray[np.bool_], starts: NDArray[np.int64], lengths: NDArray[np.int64], *, backwards: bool = False
) -> NDArray[np.int64]:
    """Return, per group of `lengths` flags, the place of the first that is set, from its end if backwards; else -1."""
    group = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(flags)) - np.repeat(starts, lengths)
    if backwards:
        place = np.repeat(lengths, lengths) - 1 - place
    least = np.full(len(lengths), np.iinfo(np.int64).max)
    np.minimum.at(least, group[flags], place[flags])
    return np.where(least == np.iinfo(np.int64).max, -1, least)


def fee_limits_msat(recording: Recording, inside: NDArray[np.bool_], crossings: Crossings) -> NDArray[np.int64]:
    """Return what each crossing may cost from the entry to the exit.

    That is the payer's limit less what was paid outside, and not more than makes
    the best way around as good: what that way costs, and what its further hops
    are worth by LND's attempt cost. What was paid inside is always allowed.
    """
    requests = recording.requests
    share = crossings.delivered_msat / requests.amount_msat[crossings.payment]
    limit_msat = np.floor(requests.fee_limit_msat[crossings.payment] * share).astype(np.int64)
    around_msat = _cost_around_msat(recording, inside, crossings)
    least_msat = np.minimum(limit_msat, around_msat) - crossings.outside_fee_msat
    return np.asarray(np.maximum(least_msat, crossings.inside_fee_msat), np.int64)


def _cost_around_msat(recording: Recording, inside: NDArray[np.bool_], crossings: Crossings) -> NDArray[np.int64]:
    """Return the whole fee at which a crossing is as good to LND as the best way around; very much where none is."""
    graph, estimator = recording.graph, Estimator()
    policies = graph.policies.copy()
    policies.known[np.repeat(inside[graph.node1] & inside[graph.node2], 2)] = False
    finder = PathFinder(replace(graph, policies=policies), recording.spendable_msat)
    found = finder.find_many(RouteQueries.of(crossings.sender, crossings.receiver, crossings.delivered_msat))
    amounts, hops = found.routes.amount_msat, found.routes.hops.astype(np.int64)
    attempt_msat = estimator.attempt_cost_msat + crossings.delivered_msat * (estimator.attempt_cost_ppm / 1e6)
    tries = [np.power(estimator.hop_probability, 1.0 - count) for count in (hops, crossings.hops)]
    worth_msat = np.floor(attempt_msat * (tries[0] - tries[1])).astype(np.int64)
    fee_msat = amounts[:, 0] - crossings.delivered_msat
    there_is = found.outcome == HtlcOutcome.IN_FLIGHT
    return np.where(there_is, fee_msat + worth_msat, np.iinfo(np.int64).max // 2)
