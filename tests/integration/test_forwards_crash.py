"""A recorder that is killed at any moment loses nothing that it was told is on disk, and counts nothing twice."""

from pathlib import Path

import pytest
from tests.support.killing import killed_again_and_again
from tests.support.recorded import evidence

from lightninglens.core.attempts import AttemptState
from lightninglens.storage.forwards import ForwardStore

WRITER = """
import os, sys
from pathlib import Path
from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.core.htlc import HtlcEventKind
from lightninglens.storage.forwards import Batch, ForwardStore
sys.path.insert(0, sys.argv[2])
from tests.support.htlcs import LIQUIDITY, START_NS, Htlcs, P

AGAIN = 5  # events that come a second time, as after a restart of the node

def record(path):
    htlcs = Htlcs()
    with ForwardStore(path) as store:
        newest = store.newest(1)
        accounting = HtlcAccounting(next_payment=store.next_payment(), earlier=store)
        accounting.restore(store.unresolved(), store.open_payments())
        number = max(newest[0][1].incoming_htlc_id - AGAIN, 0) if newest else 0
        while True:
            for _ in range(3):
                htlcs.now_ns = START_NS + number * 100 * 10**9
                if number % 2:
                    amounts = {"amount_msat": 1_000_000 + number, "fee_msat": 1_000}
                    accounting.take(htlcs.event(HtlcEventKind.FORWARD, number, **amounts))
                    accounting.take(htlcs.event(HtlcEventKind.SETTLE, number))
                else:
                    amounts = {"amount_msat": 1_000_000 + number, "fee_msat": 1_000, "failure": LIQUIDITY}
                    accounting.take(htlcs.event(HtlcEventKind.LINK_FAIL, number, **amounts))
                number += 1
            store.write(Batch(changes=accounting.changes(htlcs.now_ns), next_payment=accounting.next_payment))
            store.pack(now_ns=htlcs.now_ns)
            os.write(1, f"{number - 1}\\n".encode())

def work():
    record(Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [100, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_killed_again_and_again_nothing_is_lost_and_nothing_counted_twice(cycles: int, tmp_path: Path) -> None:
    path = tmp_path / "forwards.db"
    root = Path(__file__).resolve().parents[2]
    acknowledged = killed_again_and_again(WRITER, [str(path), str(root)], cycles=cycles, most=5)
    with ForwardStore(path) as store:
        kept = [each for _, each in store.newest(10**6)]
        sums = evidence(store, since_ns=0, until_ns=2**62).sums
        open_payments = store.open_payments()
    numbers = sorted(each.incoming_htlc_id for each in kept)
    assert max(acknowledged) > cycles
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] >= max(acknowledged)
    final = [each for each in kept if each.state.is_final]
    assert sums.attempts.sum() == len(final)
    assert sums.amount_msat.sum() == sum(each.outgoing_amount_msat for each in final)
    assert sum(each.state is AttemptState.SETTLED for each in kept) == sum(number % 2 for number in numbers)
    # A payment that was open when the recorder was killed may be two: one before, one after.
    payments = sums.payments.sum() + len(open_payments)
    assert len({each.payment for each in kept}) == payments
