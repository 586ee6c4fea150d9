"""The learned rebalancer: circles that bring channels nearer to their predicted shares, judged by what they would gain.

A `SharePrediction` says where a channel should be, a `GainModel` what getting
there would bring. Changes of low confidence are in the plan too: the guard
decides what is done.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lightninglens.control.rebalance.candidates import Candidate, GainModel
from lightninglens.control.rebalance.cost import expected_cost_msat
from lightninglens.control.rebalance.view import DEFAULT_FEE_LIMIT, FeeLimit, LiquidityView, NodeView
from lightninglens.core.channels import ChannelState
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.predictions import GainEstimate, SharePrediction
from lightninglens.core.records import Plan, RebalanceChange
from lightninglens.core.units import MSAT_PER_SAT, Msat, UnixNs, to_msat, to_sat

AUTHOR = "learner"

FailedVolumes = Mapping[tuple[ChannelId, NodeId], Msat]
"""What lately failed for lack of liquidity, by channel and the node that should have sent it."""

_NONE_FAILED: FailedVolumes = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedRules:
    """The learned rebalancer's parameters."""

    most_msat: Msat = to_msat(500_000)
    """Cap of one change."""
    least_msat: Msat = to_msat(10_000)
    """Smaller changes are skipped."""
    size_parts: tuple[float, ...] = (1.0, 0.5, 0.25)
    """Which parts of the largest useful amount are weighed against one another."""
    most_channels_per_side: int = 12
    """Of a node with many channels, how many are tried as the way out and as the way in: those farthest off."""
    fee_limit: FeeLimit = DEFAULT_FEE_LIMIT


DEFAULT_RULES = LearnedRules()


def decide(
    view: LiquidityView,
    now: UnixNs,
    *,
    shares: Sequence[SharePrediction],
    gains: GainModel,
    rules: LearnedRules = DEFAULT_RULES,
    failed: FailedVolumes = _NONE_FAILED,
) -> Plan:
    """Return the circular self-payments that promise most, greatest expected gain first.

    No change takes a channel past its predicted share or needs more than the
    channel can send, and no channel is in two changes. A channel without
    prediction is left alone. A change's fee limit is what it is expected to
    cost, and never more than what it is expected to bring before its cost.
    """
    positions = _positions(view, shares)
    candidates = list(itertools.chain.from_iterable(_candidates(view, own, rules) for own in positions))
    estimates = gains.estimate([candidate for candidate, _, _ in candidates], now) if candidates else []
    taken: set[ChannelId] = set()
    changes = []
    for (candidate, outgoing, incoming), estimate in sorted(zip(candidates, estimates, strict=True), key=_by_gain):
        ids = {candidate.outgoing.channel_id, candidate.incoming.channel_id}
        if not taken & ids:
            taken |= ids
            changes.append(_change(candidate, outgoing, incoming, estimate, rules, failed))
    return Plan(
        plan_id=f"{AUTHOR}-{now}",
        created_ns=now,
        author=AUTHOR,
        changes=tuple(changes),
        risk="Gains are estimates, and a route may lack liquidity; then a change fails and costs nothing."
        if changes
        else "",
    )


def explain_rest(view: LiquidityView, *, shares: Sequence[SharePrediction], rules: LearnedRules = DEFAULT_RULES) -> str:
    """Return in words why `decide` plans nothing, or nothing more."""
    positions = _positions(view, shares)
    if not any(positions):
        return "there is no prediction yet for any channel of the nodes at hand"
    least_sat = to_sat(rules.least_msat)
    words = []
    for own in positions:
        for position in own:
            if position.excess_msat < rules.least_msat or any(
                _largest_msat(position, other, rules) >= rules.least_msat for other in own
            ):
                continue
            words.append(
                f"{position.node.name} holds {to_sat(position.excess_msat):,} sat more than predicted to be best on the"
                f" channel with {position.state.peer_alias}, and has no other channel with need and room for"
                f" {least_sat:,} sat of it"
            )
    return "; ".join(words) or (
        f"every other channel is within {least_sat:,} sat of its predicted share, below it, or already in a change"
    )


@dataclass(frozen=True, slots=True)
class _Position:
    """A channel with a prediction, seen from the node that may act."""

    node: NodeView
    state: ChannelState
    prediction: SharePrediction

    @property
    def total_msat(self) -> int:
        return int(self.state.local_msat + self.state.remote_msat)

    @property
    def target_msat(self) -> int:
        return round(self.total_msat * min(max(self.prediction.share, 0.0), 1.0))

    @property
    def excess_msat(self) -> int:
        return int(self.state.local_msat) - self.target_msat

    def describe(self, moved_msat: int, failed: FailedVolumes) -> str:
        """Return where it is, where it goes, where it should be and what failed for lack of it."""
        local_msat = int(self.state.local_msat)
        lost_msat = failed.get((self.state.channel_id, self.node.node_id), 0)
        lost = f"; {to_sat(lost_msat):,} sat failed on it lately" if lost_msat else ""
        return (
            f"the channel with {self.state.peer_alias} from {_percent(local_msat, self.total_msat)} %"
            f" to {_percent(local_msat + moved_msat, self.total_msat)} % (predicted best"
            f" {100 * self.prediction.share:.0f} %, 80 % interval {100 * self.prediction.low_share:.0f} to"
            f" {100 * self.prediction.high_share:.0f} %{lost})"
        )


_Choice = tuple[Candidate, _Position, _Position]


def _positions(view: LiquidityView, shares: Sequence[SharePrediction]) -> list[list[_Position]]:
    """Return each node's usable channels that have a prediction."""
    by_side = {(share.channel_id, share.node_id): share for share in shares}
    return [
        [
            _Position(node, state, by_side[state.channel_id, node.node_id])
            for state in sorted(node.channels, key=lambda state: state.channel_id)
            if state.active and (state.channel_id, node.node_id) in by_side
        ]
        for node in view.nodes
    ]


def _candidates(view: LiquidityView, own: Sequence[_Position], rules: LearnedRules) -> Iterator[_Choice]:
    """Yield what one node could do, at several sizes."""
    by_excess = sorted(own, key=lambda position: (-position.excess_msat, position.state.channel_id))
    for outgoing in by_excess[: rules.most_channels_per_side]:
        for incoming in by_excess[: -rules.most_channels_per_side - 1 : -1]:
            largest_msat = _largest_msat(outgoing, incoming, rules)
            sizes = {int(largest_msat * part) // MSAT_PER_SAT * MSAT_PER_SAT for part in rules.size_parts}
            for amount_msat in sorted((size for size in sizes if size >= rules.least_msat), reverse=True):
                cost_msat = expected_cost_msat(view, outgoing.node.node_id, outgoing.state, incoming.state, amount_msat)
                candidate = Candidate(
                    node_id=outgoing.node.node_id,
                    outgoing=outgoing.state,
                    incoming=incoming.state,
                    amount_msat=Msat(amount_msat),
                    cost_msat=rules.fee_limit.of(amount_msat) if cost_msat is None else cost_msat,
                )
                yield candidate, outgoing, incoming


def _largest_msat(outgoing: _Position, incoming: _Position, rules: LearnedRules) -> int:
    """Return the most that brings both nearer to their shares, with the fee, and that they can carry."""
    if outgoing.state.peer_id == incoming.state.peer_id:
        return 0
    return min(
        rules.fee_limit.most_within(outgoing.excess_msat),
        -incoming.excess_msat,
        rules.most_msat,
        rules.fee_limit.most_within(outgoing.state.outbound_msat),
        int(incoming.state.inbound_msat),
    )


def _by_gain(judged: tuple[_Choice, GainEstimate]) -> tuple[object, ...]:
    """Greatest gain first; what is equal in that goes by confidence, size and ids, so that order is fixed."""
    (candidate, _, _), estimate = judged
    return (
        -estimate.gain.expected_msat,
        -estimate.confidence,
        candidate.amount_msat,
        candidate.node_id,
        candidate.outgoing.channel_id,
        candidate.incoming.channel_id,
    )


def _change(
    candidate: Candidate,
    outgoing: _Position,
    incoming: _Position,
    estimate: GainEstimate,
    rules: LearnedRules,
    failed: FailedVolumes,
) -> RebalanceChange:
    amount_msat = candidate.amount_msat
    worth_msat = estimate.gain.expected_msat + candidate.cost_msat
    reason = (
        f"{outgoing.node.name} moves {to_sat(amount_msat):,} sat in a circle:"
        f" {outgoing.describe(-amount_msat, failed)}, {incoming.describe(amount_msat, failed)};"
        f" expected gain {_sat(estimate.gain.expected_msat)} sat ({_sat(estimate.gain.low_msat)} to"
        f" {_sat(estimate.gain.high_msat)}) after {_sat(candidate.cost_msat)} sat of fees,"
        f" {100 * estimate.confidence:.0f} % likely above 0"
    )
    return RebalanceChange(
        node_id=candidate.node_id,
        outgoing_channel_id=candidate.outgoing.channel_id,
        incoming_channel_id=candidate.incoming.channel_id,
        amount_msat=amount_msat,
        max_fee_msat=Msat(min(rules.fee_limit.of(amount_msat), max(candidate.cost_msat, worth_msat))),
        previous_local_msat=candidate.outgoing.local_msat,
        reason=reason,
        confidence=estimate.confidence,
        expected_gain=estimate.gain,
    )


def _percent(part_msat: int, total_msat: int) -> str:
    return f"{100 * part_msat / total_msat:.0f}" if total_msat else "0"


def _sat(amount_msat: int) -> str:
    return f"{amount_msat / MSAT_PER_SAT:,.1f}"
