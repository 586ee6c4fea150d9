"""Mission control, LND's estimators and the interpretation of results, as in LND's Go.

Source: LND `routing/missioncontrol_state.go`, `missioncontrol.go`,
`probability_apriori.go`, `result_interpretation.go` (payments without blinded
paths). Names follow the Go code so that the two can be read side by side.
"""

import math
from dataclasses import dataclass, field, replace

from lightninglens.core.htlc import FailureCode as Code
from tests.reference.bimodal import BimodalConfig
from tests.reference.pair_results import TimedPairResult

HOUR_NS = 3_600 * 10**9
MINUTE_NS = 60 * 10**9
LIGHTNING_MAX_MSAT = 2**63 - 1


@dataclass(frozen=True)
class AprioriConfig:
    """`AprioriConfig` at LND's defaults."""

    penalty_half_life_ns: int = HOUR_NS
    apriori_hop_probability: float = 0.6
    apriori_weight: float = 0.5
    capacity_fraction: float = 0.9999
    prev_success_probability: float = 0.95

    def pair_probability(
        self, now: int, results: dict[int, TimedPairResult], to_node: int, amt: int, capacity_msat: int
    ) -> float:
        """`PairProbability`."""
        node = self._node_probability(now, results, amt, capacity_msat)
        return self._calculate(now, results, node, to_node, amt)

    def local_pair_probability(self, now: int, results: dict[int, TimedPairResult], to_node: int) -> float:
        """`LocalPairProbability`."""
        return self._calculate(now, results, self.prev_success_probability, to_node, LIGHTNING_MAX_MSAT)

    def _node_probability(self, now: int, results: dict[int, TimedPairResult], amt: int, capacity_msat: int) -> float:
        apriori = self.apriori_hop_probability * capacity_factor(amt, capacity_msat, self.capacity_fraction)
        if self.apriori_weight == 1 or not results:
            return apriori
        factor = 1 / (1 - self.apriori_weight) - 1
        # LND adds in the order of a map; here successes are counted and failures added, so that sums are repeatable.
        successes, failures = 0, 0.0
        for result in results.values():
            if amt <= result.success_amt:
                successes += 1
            elif result.fail_time is not None and amt >= result.fail_amt:
                failures += self._weight(now - result.fail_time)
        weight = factor + successes + failures
        if not weight:
            return apriori  # Go has NaN here
        return (apriori * factor + self.prev_success_probability * successes) / weight

    def _calculate(self, now: int, results: dict[int, TimedPairResult], node: float, to_node: int, amt: int) -> float:
        if to_node not in results:
            return node
        last = results[to_node]
        if amt <= last.success_amt:
            return self.prev_success_probability
        if last.fail_time is None or amt < last.fail_amt:
            return node
        return node * (1 - self._weight(now - last.fail_time))

    def _weight(self, age: int) -> float:
        return math.pow(2, -hours(age) / hours(self.penalty_half_life_ns))


@dataclass(frozen=True)
class PairResult:
    """The outcome of one attempt for one pair; an amount of 0 means any."""

    success: bool
    amt: int = 0


Pair = tuple[int, int]

BAD_ONION = (Code.INVALID_ONION_VERSION, Code.INVALID_ONION_HMAC, Code.INVALID_ONION_KEY)


@dataclass
class State:
    """`missionControlState`."""

    min_failure_relax_interval: int = MINUTE_NS
    min_second_chance_interval: int = MINUTE_NS
    last_pair_result: dict[int, dict[int, TimedPairResult]] = field(default_factory=dict)
    last_second_chance: dict[Pair, int] = field(default_factory=dict)

    def set_last_pair_result(self, pair: Pair, timestamp: int, result: PairResult) -> None:
        """Merge a result into what is known of the pair (setLastPairResult, force=false)."""
        node_pairs = self.last_pair_result.setdefault(pair[0], {})
        current = node_pairs.get(pair[1], TimedPairResult())
        if result.success:
            current = replace(current, success_time=timestamp)
            if result.amt > current.success_amt:
                current = replace(current, success_amt=result.amt)
            if current.fail_time is not None and result.amt >= current.fail_amt:
                current = replace(current, fail_amt=result.amt + 1)
        else:
            recent = current.fail_time is not None and timestamp - current.fail_time < self.min_failure_relax_interval
            if result.amt > current.fail_amt and recent:
                return
            current = replace(current, fail_time=timestamp, fail_amt=result.amt)
            if result.amt == 0:
                current = replace(current, success_amt=0)
            elif result.amt <= current.success_amt:
                current = replace(current, success_amt=result.amt - 1)
        node_pairs[pair[1]] = current

    def set_all_fail(self, node: int, timestamp: int) -> None:
        """Fail every known connection to and from a node."""
        for from_node, node_pairs in self.last_pair_result.items():
            for to_node in node_pairs:
                if node in (from_node, to_node):
                    node_pairs[to_node] = TimedPairResult(fail_time=timestamp)

    def request_second_chance(self, timestamp: int, pair: Pair) -> bool:
        """Say whether a pair may fail on an outdated policy once more."""
        last = self.last_second_chance.get(pair)
        if last is None or timestamp - last > self.min_second_chance_interval:
            self.last_second_chance[pair] = timestamp
            return True
        return False


@dataclass
class Interpretation:
    """`interpretedResult`: pair results as a map, in which the last word on a pair counts."""

    nodes: list[int]
    amounts: list[int]
    node_failure: int | None = None
    pair_results: dict[Pair, PairResult] = field(default_factory=dict)
    final_reason: str | None = None
    policy_failure: Pair | None = None

    @property
    def hops(self) -> int:
        """Number of hops; node `hops` is the receiver."""
        return len(self.amounts)

    def _pair(self, channel: int) -> Pair:
        return self.nodes[channel], self.nodes[channel + 1]

    def _fail_node(self, index: int) -> None:
        self.node_failure = self.nodes[index]
        self._fail_pair(index - 1)
        if index < self.hops:
            self._fail_pair(index)

    def _fail_pair(self, channel: int) -> None:
        first, second = self._pair(channel)
        self.pair_results[first, second] = PairResult(success=False)
        self.pair_results[second, first] = PairResult(success=False)

    def _fail_pair_balance(self, channel: int) -> None:
        self.pair_results[self._pair(channel)] = PairResult(success=False, amt=self.amounts[channel])

    def _success_range(self, first: int, last: int) -> None:
        for channel in range(first, last + 1):
            self.pair_results[self._pair(channel)] = PairResult(success=True, amt=self.amounts[channel])

    def _fail_pairs(self, end: int) -> None:
        for channel in range(end):
            self._fail_pair(channel)

    def process_success(self) -> None:
        """All nodes acted right."""
        self._success_range(0, self.hops - 1)

    def process_unknown(self) -> None:
        """Nobody knows who failed it."""
        if self.hops == 1:
            self._fail_node(1)
            self.final_reason = "error"
            return
        self._fail_pairs(self.hops)

    def process_self(self, code: Code) -> None:
        """We could not send it, or our peer found it malformed."""
        if code in BAD_ONION:
            self._fail_node(1)
            if self.hops == 1:
                self.final_reason = "error"

    def process_final(self, code: Code) -> None:
        """The receiver refused."""
        n = self.hops
        match code:
            case Code.FINAL_INCORRECT_CLTV_EXPIRY | Code.FINAL_INCORRECT_HTLC_AMOUNT:
                if n == 1:
                    self._fail_node(n)
                    self.final_reason = "error"
                    return
                self._fail_pair(n - 1)
                self._success_range(0, n - 2)
            case Code.INCORRECT_PAYMENT_AMOUNT | Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS:
                self._success_range(0, n - 1)
                self.final_reason = "incorrect_payment_details"
            case Code.FINAL_EXPIRY_TOO_SOON:
                self.final_reason = "incorrect_payment_details"
            case Code.MPP_TIMEOUT:
                self._success_range(0, n - 1)
            case _:
                self._fail_node(n)
                self._success_range(0, n - 2)
                self.final_reason = "error"

    def process_intermediate(self, index: int, code: Code) -> None:
        """A forwarding node refused."""
        match code:
            case Code.UNKNOWN_NEXT_PEER | Code.PERMANENT_CHANNEL_FAILURE:
                self._fail_pair(index)
            case code if code in BAD_ONION:
                self._fail_pair(index)
            case Code.INVALID_ONION_PAYLOAD | Code.INVALID_ONION_BLINDING:
                self._fail_node(index)
                self._success_range(0, index - 2)
            case Code.CHANNEL_DISABLED:
                self.policy_failure = self._pair(index)
                self._fail_pair(index)
                self._success_range(0, index - 1)
            case Code.AMOUNT_BELOW_MINIMUM | Code.FEE_INSUFFICIENT | Code.INCORRECT_CLTV_EXPIRY:
                self.policy_failure = self._pair(index)
                if index == 1:
                    self._fail_node(index)
                else:
                    self._fail_pair(index - 1)
                    self._success_range(0, index - 2)
            case Code.TEMPORARY_CHANNEL_FAILURE:
                self._fail_pair_balance(index)
                self._success_range(0, index - 1)
            case Code.EXPIRY_TOO_SOON if index > 1:
                self._fail_pairs(index)
            case _:
                self._fail_node(index)

    def process(self, code: Code, source: int) -> None:
        """`interpretResult`; without a failure the payment is over because it succeeded."""
        if code == Code.NONE:
            self.process_success()
        elif code == Code.UNREADABLE_FAILURE:
            self.process_unknown()
        elif source == 0:
            self.process_self(code)
        elif source == self.hops:
            self.process_final(code)
        else:
            self.process_intermediate(source, code)


class MissionControl:
    """One sender's memory and its probabilities."""

    def __init__(
        self, self_node: int, config: AprioriConfig | BimodalConfig | None = None, state: State | None = None
    ) -> None:
        self.self_node = self_node
        self.config = config or AprioriConfig()
        self.state = state or State()

    def report(self, nodes: list[int], amounts: list[int], code: Code, source: int, now: int) -> bool:
        """Take in how an attempt ended (applyPaymentResult); return True when the payment must end."""
        result = Interpretation(nodes=nodes, amounts=amounts)
        result.process(code, source)
        if result.policy_failure is not None and self.state.request_second_chance(now, result.policy_failure):
            return False
        if result.node_failure is not None:
            self.state.set_all_fail(result.node_failure, now)
        for pair, pair_result in result.pair_results.items():
            self.state.set_last_pair_result(pair, now, pair_result)
        return code == Code.NONE or result.final_reason is not None

    def probability(self, from_node: int, to_node: int, amt: int, capacity_msat: int, now: int) -> float:
        """Return the probability that a hop carries an amount (GetProbability)."""
        results = self.state.last_pair_result.get(from_node, {})
        if from_node == self.self_node:
            return self.config.local_pair_probability(now, results, to_node)
        return self.config.pair_probability(now, results, to_node, amt, capacity_msat)


def hours(duration: int) -> float:
    """Go's `Duration.Hours`: whole hours and the rest apart."""
    whole, rest = divmod(duration, HOUR_NS)
    return whole + rest / HOUR_NS


def capacity_factor(amt: int, capacity_msat: int, fraction: float) -> float:
    """Return the multiplier for an amount near the capacity."""
    if fraction == 1 or capacity_msat == 0:
        return 1.0
    if amt > capacity_msat:
        return 0.0
    cutoff, smearing = fraction * capacity_msat, 0.025 * capacity_msat
    return 1 - 0.5 / (1 + math.exp(-(amt - cutoff) / smearing))
