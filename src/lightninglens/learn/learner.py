"""The running learner: follows a network, predicts, and finds out a horizon later how right it was."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lightninglens.control.rebalance.candidates import Candidate
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.observations import Observation, PaymentSeen
from lightninglens.core.predictions import GainEstimate, SharePrediction
from lightninglens.core.records import Interval
from lightninglens.core.units import NS_PER_SECOND, UnixNs
from lightninglens.learn.dataset import DEFAULT_HORIZON_NS, DEFAULT_STEP_NS, Targets
from lightninglens.learn.features import FULL_FEATURES, FeatureTracker
from lightninglens.learn.flows import Flow
from lightninglens.learn.gain import SideThen, realised_gain_msat
from lightninglens.learn.moves import move_rows
from lightninglens.learn.online import OnlineLearner
from lightninglens.learn.target import FlowColumns, best_share
from lightninglens.learn.training import TrainedModel

LEAST_PAYMENTS: Final = 20
LEAST_OBSERVED_NS: Final = 300 * NS_PER_SECOND
"""Seen before anything is said: in the lab, the first five to ten minutes."""

KEPT_EXTRA_NS: Final = 900 * NS_PER_SECOND
"""Flows are kept for a horizon and this much longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A prediction whose best share has become known, beside what else would have been said; errors are absolute."""

    channel_id: ChannelId
    node_id: str
    made_ns: UnixNs
    best_share: float
    failing_msat_now: int
    """What failed in the replay from the share of then."""
    failing_msat_at_best: int
    model: float | None
    """Error of the trained model; None when there was none."""
    online: float | None
    """Error of the online learner; None before it had learned enough."""
    half: float
    last_value: float
    baseline: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What was said of one side, and all that is needed to judge it later."""

    made_ns: int
    channel_id: ChannelId
    node_id: str
    row: Mapping[str, float]
    total_msat: int
    share_now: float
    model: float | None
    online: float | None


class Learner:
    """Takes a network's observations in order of time and says what it has learned.

    It is a `GainModel`. Without a trained model only the online learner learns;
    nothing is predicted and no gain is claimed.
    """

    def __init__(
        self,
        model: TrainedModel | None,
        *,
        horizon_ns: int = DEFAULT_HORIZON_NS,
        targets: Targets | None = None,
        own_payment_worth_ppm: int = 0,
        online: OnlineLearner | None = None,
        judge_every_ns: int = DEFAULT_STEP_NS,
    ) -> None:
        """Start with nothing seen. A model's own horizon and worth of a payment go before those given.

        `targets` is what a fixed rule wants, to be compared with. Of the
        predictions, one set per `judge_every_ns` is judged later.
        """
        self.model = model
        self.horizon_ns = model.card.horizon_ns if model else horizon_ns
        self.targets: Targets = targets or {}
        self.own_payment_worth_ppm = model.card.own_payment_worth_ppm if model else own_payment_worth_ppm
        self.online = online or OnlineLearner(model.card.features if model else FULL_FEATURES)
        self.observed_payments = 0
        self.outcomes_known = 0
        self.first_outcome_ns: int | None = None
        """When the first outcome is known; None before the first prediction."""
        self.last_drift_ns: int | None = None
        self._judge_every_ns = judge_every_ns
        self._tracker = FeatureTracker()
        self._flows: dict[ChannelId, deque[Flow]] = {}
        self._made: deque[_Made] = deque()
        self._first_ns: int | None = None
        self._next_judged_ns = 0

    @property
    def drifts(self) -> int:
        """How often the online learner's drift detector has gone off."""
        return self.online.drifts

    def observe(self, observation: Observation) -> None:
        """Take an observation."""
        if isinstance(observation, PaymentSeen):
            time_ns = observation.ended_ns
            self.observed_payments += observation.kind == "payment"
        else:
            time_ns = observation.seen_ns
        if self._first_ns is None:
            self._first_ns = int(time_ns)
        for flow in self._tracker.observe(observation):
            kept = self._flows.setdefault(flow.channel_id, deque())
            kept.append(flow)
            while kept[0].time_ns < flow.time_ns - self.horizon_ns - KEPT_EXTRA_NS:
                kept.popleft()

    def missing(self, now: UnixNs) -> tuple[str, ...]:
        """Return in words what is missing before it suggests anything; nothing when it is ready."""
        words = []
        if self.model is None:
            words.append("no trained model yet")
        elif not self.model.knows_gains:
            words.append("the model has not learned what a rebalance would gain")
        if not self._tracker.sides():
            words.append("no channel balances seen yet")
        if self.observed_payments < LEAST_PAYMENTS:
            words.append(f"{self.observed_payments} of {LEAST_PAYMENTS} payments seen")
        observed_ns = now - self._first_ns if self._first_ns is not None else 0
        if observed_ns < LEAST_OBSERVED_NS:
            words.append(
                f"{observed_ns // NS_PER_SECOND} of {LEAST_OBSERVED_NS // NS_PER_SECOND} s of the network seen"
            )
        return tuple(words)

    def predictions(self, now: UnixNs) -> list[SharePrediction]:
        """Return the best share of each channel side as the model sees it, and remember some to be judged.

        Empty without a model, and before anything was seen.
        """
        sides = self._tracker.sides()
        if not sides:
            return []
        rows = [self._tracker.row(channel_id, node_id, now) for channel_id, node_id in sides]
        predicted = self._predict(sides, rows, now)
        if now >= self._next_judged_ns:
            self._next_judged_ns = now - now % self._judge_every_ns + self._judge_every_ns
            self._remember(sides, rows, predicted, now)
        return predicted

    def settle(self, now: UnixNs) -> list[Outcome]:
        """Return the outcomes that became known since the last call; the online learner learns them now."""
        due = []
        while self._made and self._made[0].made_ns + self.horizon_ns <= now:
            due.append(self._made.popleft())
        outcomes = [self._outcome(made) for made in due]
        for made, outcome in zip(due, outcomes, strict=True):
            self.online.learn_one(made.row, outcome.best_share)
        self.outcomes_known += len(outcomes)
        self._watch_for_drift(outcomes, now)
        return outcomes

    def estimate(self, candidates: Sequence[Candidate], now: UnixNs) -> Sequence[GainEstimate]:
        """Return what candidates would gain; none is claimed without a model, or for a channel that was never seen."""
        sides = set(self._tracker.sides())
        known = [
            one
            for one in candidates
            if self.model is not None
            and self.model.knows_gains
            and {(one.outgoing.channel_id, one.node_id), (one.incoming.channel_id, one.node_id)} <= sides
        ]
        estimates = dict(zip(map(id, known), self._estimate(known, now), strict=True))
        return [estimates.get(id(one)) or _no_claim(one) for one in candidates]

    def realised_gain_msat(
        self,
        *,
        node_id: str,
        outgoing: tuple[ChannelId, int, int],
        incoming: tuple[ChannelId, int, int],
        amount_msat: int,
        cost_msat: int,
        moved_ns: int,
        now: int,
    ) -> int | None:
        """Return what a rebalance gained after its cost, estimated from what followed; None before the horizon is over.

        `outgoing` and `incoming` are a channel with its local and remote
        balance before the move, which ended at `moved_ns`. Also None when what
        followed is no longer kept (a quarter of an hour after the horizon).
        """
        due_ns = moved_ns + self.horizon_ns
        if not due_ns <= now <= due_ns + KEPT_EXTRA_NS or self._first_ns is None or self._first_ns > moved_ns:
            return None
        then = [
            SideThen(
                flows=self._followed(channel_id, node_id, moved_ns),
                local_msat=local_msat,
                total_msat=local_msat + remote_msat,
            )
            for channel_id, local_msat, remote_msat in (outgoing, incoming)
        ]
        return realised_gain_msat(then[0], then[1], amount_msat=amount_msat) - cost_msat

    def _followed(self, channel_id: ChannelId, node_id: str, after_ns: int) -> FlowColumns:
        flows = [
            flow for flow in self._flows.get(channel_id, ()) if after_ns < flow.time_ns <= after_ns + self.horizon_ns
        ]
        return FlowColumns.of(flows, node_id, own_payment_worth_ppm=self.own_payment_worth_ppm)

    def _predict(
        self, sides: Sequence[tuple[ChannelId, str]], rows: Sequence[Mapping[str, float]], now: UnixNs
    ) -> list[SharePrediction]:
        if self.model is None:
            return []
        said = self.model.shares(self._matrix(rows))
        return [
            SharePrediction(
                channel_id=channel_id,
                node_id=NodeId(node_id),
                made_ns=now,
                horizon_ns=self.horizon_ns,
                share_now=row["balance_ratio"],
                share=float(said.share[index]),
                low_share=float(said.low[index]),
                high_share=float(said.high[index]),
                model=self.model.card.version,
            )
            for index, ((channel_id, node_id), row) in enumerate(zip(sides, rows, strict=True))
        ]

    def _matrix(self, rows: Sequence[Mapping[str, float]]) -> Any:
        features = self.model.card.features if self.model else ()
        return np.array([[row[name] for name in features] for row in rows], np.float64).reshape(-1, len(features))

    def _remember(
        self,
        sides: Sequence[tuple[ChannelId, str]],
        rows: Sequence[Mapping[str, float]],
        predicted: Sequence[SharePrediction],
        now: int,
    ) -> None:
        if self.first_outcome_ns is None:
            self.first_outcome_ns = now + self.horizon_ns
        for index, ((channel_id, node_id), row) in enumerate(zip(sides, rows, strict=True)):
            made = _Made(
                made_ns=now,
                channel_id=channel_id,
                node_id=node_id,
                row=row,
                total_msat=sum(self._tracker.balances_msat(channel_id, node_id)),
                share_now=row["balance_ratio"],
                model=predicted[index].share if predicted else None,
                online=self.online.predict_one(row),
            )
            self._made.append(made)

    def _outcome(self, made: _Made) -> Outcome:
        followed = self._followed(made.channel_id, made.node_id, made.made_ns)
        known = best_share(followed, total_msat=made.total_msat, share_now=made.share_now)
        rule = self.targets.get((made.channel_id, made.node_id))
        return Outcome(
            channel_id=made.channel_id,
            node_id=made.node_id,
            made_ns=UnixNs(made.made_ns),
            best_share=known.share,
            failing_msat_now=known.failing_msat_now,
            failing_msat_at_best=known.failing_msat_at_best,
            model=_error(made.model, known.share),
            online=_error(made.online, known.share),
            half=abs(0.5 - known.share),
            last_value=abs(made.share_now - known.share),
            baseline=_error(rule, known.share),
        )

    def _watch_for_drift(self, outcomes: Sequence[Outcome], now: int) -> None:
        errors: dict[int, list[float]] = {}
        for outcome in outcomes:
            if outcome.online is not None:
                errors.setdefault(outcome.made_ns, []).append(outcome.online)
        for made_ns in sorted(errors):
            if self.online.watch_error(float(np.mean(errors[made_ns]))):
                self.last_drift_ns = now

    def _estimate(self, candidates: Sequence[Candidate], now: UnixNs) -> list[GainEstimate]:
        if self.model is None or not candidates:
            return []
        ways = (
            [(one.outgoing.channel_id, one.node_id) for one in candidates],
            [(one.incoming.channel_id, one.node_id) for one in candidates],
        )
        # A node's few sides are in many candidates: each row is made once.
        rows_of = {side: self._tracker.row(*side, now) for side in {*ways[0], *ways[1]}}
        outgoing, incoming = (self._matrix([rows_of[side] for side in way]) for way in ways)
        amount_msat, cost_msat = (
            np.array(column, np.int64)
            for column in zip(*((one.amount_msat, one.cost_msat) for one in candidates), strict=True)
        )
        rows = move_rows(
            outgoing,
            incoming,
            features=self.model.card.features,
            amount_msat=amount_msat,
            cost_msat=cost_msat,
        )
        said = self.model.gains(rows, amount_msat=amount_msat, cost_msat=cost_msat)
        return [
            GainEstimate(
                gain=Interval(
                    low_msat=round(said.low[index]),
                    expected_msat=round(said.expected[index]),
                    high_msat=round(said.high[index]),
                ),
                confidence=float(said.confidence[index]),
            )
            for index in range(len(candidates))
        ]


def _error(said: float | None, best: float) -> float | None:
    return None if said is None else abs(said - best)


def _no_claim(candidate: Candidate) -> GainEstimate:
    cost_msat = int(candidate.cost_msat)
    return GainEstimate(
        gain=Interval(low_msat=-cost_msat, expected_msat=-cost_msat, high_msat=-cost_msat), confidence=0.0
    )
