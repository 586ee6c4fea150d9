"""One channel's flows replayed as one would do it by hand: the twin of `learn/_kernels.py`."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """Above 0 leaves the node; a shift moves money but is no demand."""

    amount_msat: int
    is_shift: bool = False
    value_msat: int = 0


def replay(moves: Sequence[Move], start_msat: int, total_msat: int) -> tuple[int, int]:
    """Return the volume that failed and the value of what left."""
    reserve = total_msat // 100
    local, remote = start_msat, total_msat - start_msat
    failed = value = 0
    for move in moves:
        out = move.amount_msat > 0
        giver = local if out else remote
        amount = abs(move.amount_msat)
        if move.is_shift:
            amount = min(amount, giver)
        elif giver - amount < reserve:
            failed += amount
            continue
        elif out:
            value += move.value_msat
        local, remote = (local - amount, remote + amount) if out else (local + amount, remote - amount)
    return failed, value


def best(moves: Sequence[Move], total_msat: int, share_now: float) -> tuple[float, int, int]:
    """Return the best of 101 shares and today's, what fails from there, and what fails from today's."""
    shares = [step / 100 for step in range(101)] + [share_now]
    failing = {share: replay(moves, round(share * total_msat), total_msat)[0] for share in shares}
    least = min(failing.values())
    share = min((share for share in shares if failing[share] == least), key=lambda share: abs(share - share_now))
    return share, least, failing[share_now]
