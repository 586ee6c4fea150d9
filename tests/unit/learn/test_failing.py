"""Which HTLC will be refused: what is looked at, what each rule says, and that none sees the future."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightninglens.core.attempts import AttemptState, FailureCause, ForwardAttempt
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_HOUR, Msat, UnixNs
from lightninglens.learn.failing import (
    APRIORI_RULE,
    BALANCE,
    BIMODAL_RULE,
    CHANNEL_RATE,
    LEARNED,
    LEARNED_BLIND,
    LEAST_OF_EACH,
    RULES,
    Tries,
    log_losses,
    refusal_probabilities,
    tries_of,
)

pytestmark = pytest.mark.kernel

IN, OUT = ChannelId.of(800_000, 1, 0), ChannelId.of(800_000, 2, 0)
CAPACITY_MSAT = 1_000_000_000
REFUSED = ForwardAttempt(
    incoming_channel_id=IN,
    incoming_htlc_id=1,
    outgoing_channel_id=OUT,
    outgoing_htlc_id=0,
    began_ns=UnixNs(5),
    ended_ns=UnixNs(5),
    state=AttemptState.FAILED_HERE,
    cause=FailureCause.LIQUIDITY,
    incoming_amount_msat=Msat(1_001),
    outgoing_amount_msat=Msat(1_000),
    outgoing_spendable_msat=Msat(900),
)


def random_tries(count: int, *, seed: int = 1, amount_of_refused: int = 4) -> Tries:
    """Return attempts of two channels, where those are refused that are larger than what there is."""
    chance = np.random.default_rng(seed)
    amounts = chance.integers(1_000, 400_000_000, count)
    spendable = chance.integers(1_000, 400_000_000, count) * amount_of_refused // 4
    return Tries(
        channel=chance.integers(0, 2, count),
        began_ns=np.arange(count) * NS_PER_HOUR // 60,
        amount_msat=amounts,
        capacity_msat=np.full(count, CAPACITY_MSAT),
        spendable_msat=spendable,
        refused=amounts > spendable,
    )


def test_only_what_tells_of_balances_is_looked_at() -> None:
    went_on = replace(REFUSED, incoming_htlc_id=2, began_ns=UnixNs(3), state=AttemptState.SETTLED)
    went_on = replace(went_on, cause=FailureCause.NONE, outgoing_spendable_msat=None)
    fee = replace(REFUSED, incoming_htlc_id=3, cause=FailureCause.FEE)
    unknown = replace(REFUSED, incoming_htlc_id=4, outgoing_channel_id=IN)
    no_amount = replace(REFUSED, incoming_htlc_id=5, outgoing_amount_msat=Msat(0))
    tries = tries_of([REFUSED, went_on, fee, unknown, no_amount], {OUT: CAPACITY_MSAT})
    assert tries.refused.tolist() == [False, True]
    assert tries.spendable_msat.tolist() == [-1, 900]
    assert tries.began_ns.tolist() == [3, 5]


def test_with_too_little_to_learn_from_nothing_is_said() -> None:
    assert refusal_probabilities(random_tries(2 * LEAST_OF_EACH - 2)) is None
    assert refusal_probabilities(tries_of([], {})) is None


@pytest.mark.promise("A2.18a")
@pytest.mark.promise("A3.18d")
def test_where_the_balance_decides_it_is_learnt_and_the_blind_do_worse() -> None:
    tries = random_tries(2_000)
    said = refusal_probabilities(tries)
    assert said is not None
    loss = {name: float(log_losses(said[name], tries.refused[1_000:]).mean()) for name in RULES}
    assert loss[BALANCE] == pytest.approx(-math.log(0.99))
    assert loss[LEARNED] < 0.15 < loss[LEARNED_BLIND] < loss[CHANNEL_RATE]


def test_lnd_rules_say_what_its_formulas_give_by_hand() -> None:
    count = 8 * LEAST_OF_EACH
    half = count // 2
    tries = Tries(
        channel=np.array([*(np.arange(half) % 2), *np.full(half, 2)]),
        began_ns=np.arange(count) * NS_PER_HOUR,
        amount_msat=np.full(count, 100_000_000),
        capacity_msat=np.full(count, CAPACITY_MSAT),
        spendable_msat=np.full(count, -1),
        refused=np.array([*(np.arange(half) % 2 == 1), True, *np.full(half - 1, False)]),
    )
    said = refusal_probabilities(tries)
    assert said is not None
    # Nothing is known of the third channel; an hour after a refusal half of 0.6 is left; after a success it is 0.95.
    assert said[APRIORI_RULE][:3].tolist() == pytest.approx([1 - 0.6, 1 - 0.3, 1 - 0.95], abs=1e-6)
    assert said[BIMODAL_RULE][1] > 0.9  # the same amount failed an hour ago
    assert said[BIMODAL_RULE][2] < 0.2  # and then passed
    assert said[CHANNEL_RATE][:3].tolist() == pytest.approx([1 / 2, 2 / 3, 2 / 4])
    assert said[BALANCE][:3].tolist() == said[CHANNEL_RATE][:3].tolist()  # nobody looked


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 10_000), st.integers(1, 8), st.integers(0, 99))
def test_no_rule_sees_how_an_attempt_ends_before_it_has(seed: int, scarcity: int, place: int) -> None:
    tries = random_tries(200, seed=seed, amount_of_refused=scarcity)
    said = refusal_probabilities(tries)
    if said is None:
        return
    refused = tries.refused.copy()
    refused[100 + place] = ~refused[100 + place]
    other = refusal_probabilities(tries._replace(refused=refused))
    assert other is not None
    for name in RULES:
        assert ((said[name] > 0) & (said[name] < 1)).all()
        assert said[name][: place + 1].tolist() == other[name][: place + 1].tolist()
