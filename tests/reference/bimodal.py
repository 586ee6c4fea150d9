"""The bimodal estimator, as in LND's Go (`routing/probability_bimodal.go`)."""

import math
from dataclasses import dataclass

from tests.reference.pair_results import TimedPairResult

DAY_NS = 24 * 3_600 * 10**9


@dataclass(frozen=True)
class BimodalConfig:
    """`BimodalConfig` at LND's defaults."""

    node_weight: float = 0.2
    scale_msat: int = 300_000_000
    decay_time_ns: int = 7 * DAY_NS

    def pair_probability(
        self, now: int, results: dict[int, TimedPairResult], to_node: int, amt: int, capacity_msat: int
    ) -> float:
        """`PairProbability`."""
        direct = self._direct(now, results.get(to_node), amt, capacity_msat)
        return self._with_other_channels(direct, now, results, to_node)

    def local_pair_probability(self, now: int, results: dict[int, TimedPairResult], to_node: int) -> float:
        """`LocalPairProbability`."""
        result = results.get(to_node)
        if result is None or result.fail_time is None:
            return 1.0
        return 1.0 - self._decay(max(now - result.fail_time, 0))

    def _decay(self, age: int) -> float:
        return math.exp(-float(age) / float(self.decay_time_ns))

    def _direct(self, now: int, result: TimedPairResult | None, amt: int, capacity: int) -> float:
        success, fail = 0, capacity
        if result is not None and result.fail_time is not None:
            room = capacity - min(result.fail_amt, capacity)
            fail = capacity - int(self._decay(now - result.fail_time) * float(room))
        if result is not None and result.success_time is not None:
            success = int(self._decay(now - result.success_time) * float(result.success_amt))
        return self.probability_formula(capacity, success, fail, amt)

    def _with_other_channels(self, direct: float, now: int, results: dict[int, TimedPairResult], to_node: int) -> float:
        if self.node_weight == 0:
            return direct
        if to_node in results:
            times = (results[to_node].success_time, results[to_node].fail_time)
            if any(time is not None and now - time < self.decay_time_ns for time in times):
                return direct
        total, weights = direct, 1.0
        for peer, result in results.items():
            if peer == to_node:
                continue
            if result.success_amt > 0:
                weight = self.node_weight * self._decay(now - (result.success_time or 0))
                total += weight
                weights += weight
            if result.fail_amt > 0:
                weights += self.node_weight * self._decay(now - (result.fail_time or 0))
        return total / weights

    def _primitive(self, c: float, x: float) -> float:
        s = float(self.scale_msat)
        norm = -2 * math.exp(-c / s) + 2 + 1 / s
        excs = math.exp((x - c) / s)
        exs = math.exp(-x / s)
        return (-exs + excs + x / (c * s)) / norm

    def _integral(self, capacity: float, lower: float, upper: float) -> float:
        return self._primitive(capacity, upper) - self._primitive(capacity, lower)

    def probability_formula(self, capacity_msat: int, success_msat: int, fail_msat: int, amount_msat: int) -> float:
        """`probabilityFormula` and what its caller makes of an error, which is 0."""
        capacity, success, fail, amount = map(float, (capacity_msat, success_msat, fail_msat, amount_msat))
        if capacity == 0 or amount > capacity:
            return 0.0
        if fail <= success:
            success, fail = 0.0, capacity
        if success >= capacity:
            success, fail = capacity - 1, capacity
        fail = min(fail, capacity)
        if amount >= fail:
            return 0.0
        if amount <= success:
            return 1.0
        prob = self._integral(capacity, amount, fail)
        norm = self._integral(capacity, success, fail)
        if norm == 0:
            return 0.0
        prob /= norm
        return prob if 0 <= prob <= 1 else 0.0
