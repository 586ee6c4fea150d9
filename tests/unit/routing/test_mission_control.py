"""Mission control's table, growth, and every kind of result, against the twin."""

import random

import numpy as np
import pytest
from tests.reference import mission_control as twin
from tests.reference.lnd import pairs_in
from tests.reference.pair_results import TimedPairResult

from lightninglens.core.htlc import FailureCode
from lightninglens.routing import _memory, _probability, _results
from lightninglens.routing.growth import make_room
from lightninglens.routing.memory import make_mission_control, remembered_results
from lightninglens.routing.state import REPORT_PAIRS, Estimator

pytestmark = pytest.mark.kernel

NODES = 7
CODES = list(FailureCode)


def test_results_in_any_order_equal_the_twin() -> None:
    """Routes with loops, all codes, all reporters, times close and far: the same memory after each."""
    draw = random.Random(3)
    memory, estimator = make_mission_control(NODES), Estimator()
    pairs = np.zeros((REPORT_PAIRS, 4), np.int64)
    senders = {sender: twin.MissionControl(sender) for sender in range(2)}
    now = 10**18
    for _ in range(3_000):
        now += draw.choice([0, 1, 10**9, 59 * 10**9, 60 * 10**9, 60 * 10**9 + 1, 3_600 * 10**9])
        sender, hops = draw.randrange(2), draw.randrange(1, 6)
        nodes = [sender]
        while len(nodes) <= hops:
            nodes.append(draw.choice([node for node in range(NODES) if node != nodes[-1]]))
        amounts = sorted((draw.choice([1, 1_000, 50_000, 50_001, 10**9]) for _ in range(hops)), reverse=True)
        code, source = draw.choice(CODES), draw.randrange(hops + 1)
        over = _results.report_result(
            memory, estimator, sender, np.array(nodes), np.array(amounts), hops, int(code), source, now, pairs
        )
        assert bool(over) == senders[sender].report(nodes, amounts, code, source, now)
        assert remembered_results(memory) == {
            (who, *pair): (never(last.fail_time), last.fail_amt, never(last.success_time), last.success_amt)
            for who, remembered in senders.items()
            for pair, last in flat(remembered.state).items()
        }


def flat(state: twin.State) -> dict[tuple[int, int], TimedPairResult]:
    """Return the twin's nested maps as one."""
    return {(low, high): last for low, results in state.last_pair_result.items() for high, last in results.items()}


def never(time_ns: int | None) -> int:
    """Return the kernel's way of saying never."""
    return -(2**62) if time_ns is None else time_ns


def test_memory_finds_what_it_holds_after_growing() -> None:
    """Thousands of pairs in a memory that doubles: every one is found, and no other."""
    draw = random.Random(4)
    memory = make_mission_control(1_000, 16, 16)
    rows: dict[tuple[int, int, int], int] = {}
    for _ in range(2_000):
        low, high = draw.sample(range(1_000), 2)
        key = (draw.randrange(3), low, high)
        memory = make_room(memory)
        rows[key] = int(_memory.claim_entry(memory, *key))
    assert len(set(rows.values())) == len(rows) == pairs_in(memory)
    for key, row in rows.items():
        assert int(_memory.find_entry(memory, *key)) == row
        other = (key[0], key[2], key[1])
        if other not in rows:
            assert int(_memory.find_entry(memory, *other)) == -1


@pytest.mark.parametrize("fraction", [0.75, 0.9, 0.9996, 0.9999, 1.0])
def test_capacity_factor_equals_the_twin(fraction: float) -> None:
    """The shortcut for small amounts included: it is exact, not nearly so."""
    draw = random.Random(5)
    cases = [(1, 0), (5, 4), (4, 4)]
    for _ in range(2_000):
        capacity = draw.choice([20_000, 1_000_000, 16_777_215_000, 10**12])
        cases.append((int(capacity * draw.choice([draw.random(), 0.08, 0.0799, 0.95])) + 1, capacity))
    for amount, capacity in cases:
        assert float(_probability.capacity_factor(amount, capacity, fraction)) == twin.capacity_factor(
            amount, capacity, fraction
        )
