"""What profit and loss are made of: a range of time with its forwards, payments to oneself, costs and balances."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lightninglens.core.attempts import AttemptState
from lightninglens.core.costs import BalanceSum, HourSum, OnChainCost, SelfPayment, SettledSum
from lightninglens.core.forward_tables import Sums, Table
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_DAY

NS_PER_YEAR = 365 * NS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """What a channel is, as last seen."""

    peer_id: str
    peer_alias: str = ""
    capacity_sat: int | None = None
    """None where it was closed before anybody looked."""
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Estimated payments that went on over a channel, however they ended."""

    settled: int = 0
    failed: int = 0
    """Further down the route: at the peer, or beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything that is known of a range of time."""

    from_ns: int
    to_ns: int
    settled: tuple[SettledSum, ...] = ()
    """By pair of channels; a pair may be there several times."""
    hours: tuple[HourSum, ...] = ()
    """The same by the hour."""
    self_payments: tuple[SelfPayment, ...] = ()
    on_chain: tuple[OnChainCost, ...] = ()
    balances: tuple[BalanceSum, ...] = ()
    tried: Mapping[ChannelId, Tried] = field(default_factory=dict)
    """By outgoing channel, as far as it was recorded when it happened: no node keeps failures."""
    channels: Mapping[ChannelId, ChannelFacts] = field(default_factory=dict)

    @property
    def years(self) -> float:
        """Length of the range; what is annualised is divided by it."""
        return max(self.to_ns - self.from_ns, 1) / NS_PER_YEAR

    def facts(self, channel_id: ChannelId) -> ChannelFacts:
        """Return what a channel is; one that nobody ever saw is with a peer of its own, by its number."""
        return self.channels.get(channel_id) or ChannelFacts(peer_id="")

    def channel_ids(self) -> list[ChannelId]:
        """Return every channel that is known or that anything happened at, in order."""
        ids = set(self.channels) | set(self.tried) | {each.channel_id for each in self.balances}
        ids |= {at for each in self.settled for at in (each.incoming_channel_id, each.outgoing_channel_id)}
        ids |= {at for each in self.self_payments for at in (each.incoming_channel_id, each.outgoing_channel_id)}
        ids |= {each.channel_id for each in self.on_chain}
        return sorted(ids)


def tried_of(sums: Table[Sums]) -> dict[ChannelId, Tried]:
    """Return what became of the payments that our node sent on, by outgoing channel."""
    columns, count = sums.columns, len(sums.channels)

    def payments(state: AttemptState) -> list[int]:
        chosen = columns.state == state
        counts = np.bincount(columns.outgoing[chosen], columns.payments[chosen], count)
        return [int(each) for each in counts]

    rows = zip(
        sums.channels.tolist(), payments(AttemptState.SETTLED), payments(AttemptState.FAILED_DOWNSTREAM), strict=True
    )
    return {
        ChannelId(channel_id): Tried(settled=settled, failed=failed)
        for channel_id, settled, failed in rows
        if settled or failed
    }
