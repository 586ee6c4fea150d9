"""Will the next HTLC over a channel be refused for want of balance? Learnt from own attempts, beside simpler rules.

Every rule says its probability before it hears how the attempt ended. What can be
learnt is learnt on the earlier half; all are scored on the later one.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lightninglens.core.attempts import AttemptState, FailureCause, ForwardAttempt
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_HOUR
from lightninglens.routing._bimodal import bimodal_probability, can_send, cannot_send
from lightninglens.routing._probability import capacity_factor
from lightninglens.routing.state import Estimator

LEARNED, LEARNED_BLIND = "learned", "learned, without the balance"
CHANNEL_RATE, BALANCE = "rate of the channel", "amount above the balance last seen"
APRIORI_RULE, BIMODAL_RULE = "LND apriori", "LND bimodal"
RULES = (LEARNED, LEARNED_BLIND, CHANNEL_RATE, BALANCE, APRIORI_RULE, BIMODAL_RULE)

LEAST_OF_EACH = 20
"""With fewer refusals, or fewer that went on, in the earlier half nothing is learnt."""
_SURE = 0.99
"""No rule is taken at its word beyond this: one surprise would decide the score."""
_LIMIT = 5.0
_BLIND_FEATURES = 6

Floats = NDArray[np.float64]


class Tries(NamedTuple):
    """Attempts that were refused for want of balance or went on, oldest first, as columns of equal length."""

    channel: NDArray[np.int64]
    """A number per outgoing channel."""
    began_ns: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    capacity_msat: NDArray[np.int64]
    spendable_msat: NDArray[np.int64]
    """As last seen, moved on by what was forwarded since; -1 where nobody looked."""
    refused: NDArray[np.bool_]


@dataclass(slots=True)
class _Memory:
    """What is remembered of one channel, as LND remembers a pair (`routing/missioncontrol_state.go`)."""

    refusals: int = 0
    passed: int = 0
    fail_ns: int | None = None
    fail_msat: int = 0
    success_ns: int | None = None
    success_msat: int = 0

    def take(self, amount_msat: int, now_ns: int, *, refused: bool) -> None:
        """Remember how an attempt ended."""
        if refused:
            self.refusals += 1
            self.fail_ns, self.fail_msat = now_ns, amount_msat
            self.success_msat = min(self.success_msat, amount_msat - 1)
        else:
            self.passed += 1
            self.success_ns = now_ns
            self.success_msat = max(self.success_msat, amount_msat)
            if self.fail_ns is not None:
                self.fail_msat = max(self.fail_msat, amount_msat + 1)


def tries_of(attempts: Iterable[ForwardAttempt], capacity_msat: Mapping[ChannelId, int]) -> Tries:
    """Return the attempts that tell something of balances; those of channels without a known capacity are left out."""
    known = [
        each
        for each in attempts
        if each.outgoing_channel_id in capacity_msat
        and each.outgoing_amount_msat > 0
        and (each.cause is FailureCause.LIQUIDITY or each.state is not AttemptState.FAILED_HERE)
    ]
    known.sort(key=lambda each: (each.began_ns, each.key))
    numbers: dict[ChannelId, int] = {}
    return Tries(
        channel=np.array([numbers.setdefault(each.outgoing_channel_id, len(numbers)) for each in known], np.int64),
        began_ns=np.array([each.began_ns for each in known], np.int64),
        amount_msat=np.array([each.outgoing_amount_msat for each in known], np.int64),
        capacity_msat=np.array([capacity_msat[each.outgoing_channel_id] for each in known], np.int64),
        spendable_msat=np.array(
            [-1 if each.outgoing_spendable_msat is None else each.outgoing_spendable_msat for each in known], np.int64
        ),
        refused=np.array([each.state is AttemptState.FAILED_HERE for each in known], np.bool_),
    )


def refusal_probabilities(tries: Tries) -> dict[str, Floats] | None:
    """Return, per rule, the probability of refusal in the later half; None where too little was seen."""
    half = len(tries.refused) // 2
    earlier = tries.refused[:half]
    if min(int(earlier.sum()), int((~earlier).sum())) < LEAST_OF_EACH:
        return None
    features, told = _walk(tries)
    columns = {LEARNED: features, LEARNED_BLIND: features[:, :_BLIND_FEATURES]}
    said = {name: _learn(rows, tries.refused, half) for name, rows in columns.items()}
    said.update({name: values[half:] for name, values in told.items()})
    return {name: np.clip(said[name], 1 - _SURE, _SURE) for name in RULES}


def log_losses(probability: Floats, refused: NDArray[np.bool_]) -> Floats:
    """Return the log loss, in nats, of each probability of refusal."""
    return np.asarray(-np.log(np.where(refused, probability, 1 - probability)))


def _learn(features: Floats, refused: NDArray[np.bool_], half: int) -> Floats:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    model.fit(features[:half], refused[:half])
    return np.asarray(model.predict_proba(features[half:])[:, 1], np.float64)


def _walk(tries: Tries) -> tuple[Floats, dict[str, Floats]]:
    """Go through the attempts once, and return for each what was known before it: features, and what rules say."""
    memories: dict[int, _Memory] = {}
    features, said = [], []
    for channel, now_ns, amount, capacity, spendable, refused in zip(
        *(column.tolist() for column in tries), strict=True
    ):
        memory = memories.setdefault(channel, _Memory())
        rate = (memory.refusals + 1) / (memory.refusals + memory.passed + 2)
        features.append(_features(memory, rate, now_ns, amount, capacity, spendable))
        passes = (_apriori(memory, now_ns, amount, capacity), _bimodal(memory, now_ns, amount, capacity))
        said.append((rate, rate if spendable < 0 else float(amount > spendable), *(1 - each for each in passes)))
        memory.take(amount, now_ns, refused=refused)
    columns = np.array(said, np.float64).T
    return np.array(features), dict(zip((CHANNEL_RATE, BALANCE, APRIORI_RULE, BIMODAL_RULE), columns, strict=True))


def _features(
    memory: _Memory, rate: float, now_ns: int, amount: int, capacity: int, spendable: int
) -> tuple[float, ...]:
    """Return what is learnt from: channel, amount, the latest refusal and success; the last two are of the balance."""
    since_fail, since_success = (_fading(now_ns, at_ns) for at_ns in (memory.fail_ns, memory.success_ns))
    return (
        math.log(rate / (1 - rate)),
        _log_ratio(amount, capacity),
        since_fail,
        since_fail * _log_ratio(amount, memory.fail_msat),
        since_success,
        since_success * _log_ratio(amount, memory.success_msat),
        0.0 if spendable < 0 else _log_ratio(amount, spendable),
        0.0 if spendable < 0 else float(amount > spendable) - 0.5,
    )


def _fading(now_ns: int, at_ns: int | None) -> float:
    """Return 1 for what was just seen, less with each hour, and 0 for what never was."""
    return 0.0 if at_ns is None else math.exp(-(now_ns - at_ns) / NS_PER_HOUR)


def _log_ratio(amount_msat: int, other_msat: int) -> float:
    return min(max(math.log(amount_msat / max(other_msat, 1)), -_LIMIT), _LIMIT)


_LND = Estimator()


def _apriori(memory: _Memory, now_ns: int, amount_msat: int, capacity_msat: int) -> float:
    """Return how likely LND's default thinks it passes, of a pair by itself (`routing/probability_apriori.go`)."""
    base = float(_LND.hop_probability * capacity_factor(amount_msat, capacity_msat, _LND.capacity_fraction))
    if memory.success_ns is not None and amount_msat <= memory.success_msat:
        return float(_LND.success_probability)
    if memory.fail_ns is None or amount_msat < memory.fail_msat:
        return base
    return float(base * (1 - math.pow(2, -(now_ns - memory.fail_ns) / _LND.half_life_ns)))


def _bimodal(memory: _Memory, now_ns: int, amount_msat: int, capacity_msat: int) -> float:
    """Return how likely LND's other estimator thinks it passes (`routing/probability_bimodal.go`)."""
    success_msat, failure_msat = 0, capacity_msat
    if memory.success_ns is not None:
        success_msat = can_send(memory.success_msat, now_ns - memory.success_ns, _LND.bimodal_decay_ns)
    if memory.fail_ns is not None:
        failure_msat = cannot_send(memory.fail_msat, capacity_msat, now_ns - memory.fail_ns, _LND.bimodal_decay_ns)
    scale_msat = _LND.bimodal_scale_msat
    return float(bimodal_probability(capacity_msat, success_msat, failure_msat, amount_msat, scale_msat))
