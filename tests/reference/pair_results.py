"""What mission control remembers of one directed pair of nodes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TimedPairResult:
    """`TimedPairResult`; a time of None is Go's zero time."""

    fail_time: int | None = None
    fail_amt: int = 0
    success_time: int | None = None
    success_amt: int = 0
