"""A recorder that is killed at any moment loses nothing that it was told is on disk, and counts nothing twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
                htlcs.now_ns = START_NS + number * 10**9
                if number % 2:
                    amounts = {"amount_msat": 1_000_000 + number, "fee_msat": 1_000}
                    accounting.take(htlcs.event(HtlcEventKind.FORWARD, number, **amounts))
                    accounting.take(htlcs.event(HtlcEventKind.SETTLE, number))
                else:
                    amounts = {"amount_msat": 1_000_000 + number, "fee_msat": 1_000, "failure": LIQUIDITY}
                    accounting.take(htlcs.event(HtlcEventKind.LINK_FAIL, number, **amounts))
                number += 1
            store.write(Batch(changes=accounting.changes(htlcs.now_ns), next_payment=accounting.next_payment))
            os.write(1, f"{number - 1}\\n".encode())

# One import of the libraries for all cycles: each cycle is a fork, killed by its parent.
path = Path(sys.argv[1])
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        record(path)
    os.write(1, f"child {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [100, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_killed_again_and_again_nothing_is_lost_and_nothing_counted_twice(cycles: int, tmp_path: Path) -> None:
    path = tmp_path / "forwards.db"
    root = Path(__file__).resolve().parents[2]
    acknowledged = -1
    command = [sys.executable, "-c", WRITER, str(path), str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for cycle in range(cycles):
            parent.stdin.write("go\n")
            child, seen = 0, 0
            # The kill comes after a number of batches that differs from cycle to cycle.
            for line in parent.stdout:
                if line.startswith("child"):
                    child = int(line.split()[1])
                elif line == "dead\n":
                    break
                else:
                    acknowledged = max(acknowledged, int(line))
                    seen += 1
                if child and seen > cycle % 5:
                    os.kill(child, signal.SIGKILL)
                    child = 0
                    seen = -(10**9)
        parent.stdin.close()
    with ForwardStore(path) as store:
        kept = [each for _, each in store.newest(10**6)]
        sums = [values for _, values in store.sums(since_ns=0, until_ns=2**62)]
        open_payments = store.open_payments()
    numbers = sorted(each.incoming_htlc_id for each in kept)
    assert acknowledged > cycles
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] >= acknowledged
    final = [each for each in kept if each.state.is_final]
    assert sum(values.attempts for values in sums) == len(final)
    assert sum(values.amount_msat for values in sums) == sum(each.outgoing_amount_msat for each in final)
    assert sum(each.state is AttemptState.SETTLED for each in kept) == sum(number % 2 for number in numbers)
    # A payment that was open when the recorder was killed may be two: one before, one after.
    payments = sum(values.payments for values in sums) + len(open_payments)
    assert len({each.payment for each in kept}) == payments
