"""What a rebalance gained: the time after, replayed in isolation with and without it.

Isolation looks at the two channels that were touched and at nothing else. It
ignores that what goes through here may fail at another hop, that what fails
here may find another way, and that a circle cannot change what a whole set of
nodes can send or receive: the gain of many such moves is not the sum of theirs.
"""

from dataclasses import dataclass

from lightninglens.learn.target import FlowColumns, served_value_msat


@dataclass(frozen=True, slots=True, kw_only=True)
class SideThen:
    """One side of a channel at the moment of a move, and the flows of the horizon after it."""

    flows: FlowColumns
    local_msat: int
    """Before the move."""
    total_msat: int
    """Held by both sides."""


def realised_gain_msat(outgoing: SideThen, incoming: SideThen, *, amount_msat: int) -> int:
    """Return what moving an amount out over one channel and in over the other was worth, before its cost.

    That is what the incoming channel served in addition, less what the outgoing
    channel could no longer serve, as the flows' values are.
    """
    return _change_msat(incoming, amount_msat) + _change_msat(outgoing, -amount_msat)


def _change_msat(side: SideThen, shift_msat: int) -> int:
    after_msat = min(max(side.local_msat + shift_msat, 0), side.total_msat)
    served = [
        served_value_msat(side.flows, total_msat=side.total_msat, local_msat=local_msat)
        for local_msat in (after_msat, side.local_msat)
    ]
    return served[0] - served[1]
