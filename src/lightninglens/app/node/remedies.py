"""Seeing which remedies are taken at a watched node, whoever takes them, and writing them down."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import structlog

from lightninglens.analytics.missed.remedies import changes_between
from lightninglens.app.node.watched import WatchedNode
from lightninglens.core.channels import ChannelState
from lightninglens.core.costs import SelfPayment
from lightninglens.core.errors import LensError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.remedies import Remedy, RemedyKind
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR, NS_PER_SECOND, Msat
from lightninglens.storage.forwards import Batch
from lightninglens.storage.remedies import RemedyStore

log = structlog.get_logger(__name__)

EVERY_S = 300.0
"""Payments to oneself are read from the node as often."""
LATE_NS = 900 * NS_PER_SECOND


@dataclass(slots=True)
class RemedyWatch:
    """Writes down remedies. Give it each batch of the recording, and `run` it."""

    watched: WatchedNode
    store: RemedyStore
    _states: Sequence[ChannelState] = field(init=False)
    _seen: list[Remedy] = field(init=False, default_factory=list)
    _written_ns: int = field(init=False, default=0)
    """Up to when payments to oneself are written; the first time all that are known are."""

    def __post_init__(self) -> None:
        """Take up the channels as they were last seen, so that what was done since is seen."""
        self._states = tuple(state for _, state in self.watched.store.channels())

    def take(self, batch: Batch) -> None:
        """Take in what the recording is about to write: a look at the channels shows what was done to them."""
        if not batch.channels:
            return
        now_ns = self.watched.clock.now_ns()
        self._seen += changes_between(self._states, batch.channels, now_ns, self._expected_per_day())
        self._states = batch.channels

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self.write()
            await asyncio.sleep(EVERY_S)

    async def write(self) -> None:
        """Write what was seen since the last time; where the disk refuses, it waits."""
        try:
            await asyncio.to_thread(self._write)
        except LensError as problem:
            log.warning("remedies cannot be written", problem=str(problem))

    def _write(self) -> None:
        # Hours that are over, and a while longer: payments to oneself are read some minutes late.
        until_ns = (self.watched.clock.now_ns() - LATE_NS) // NS_PER_HOUR * NS_PER_HOUR
        payments = self.watched.store.costs.self_payments(since_ns=self._written_ns, until_ns=until_ns)
        peers = {each.channel_id: each.peer_id for each in self.watched.channels()}
        seen = tuple(self._seen)
        self.store.append([*seen, *liquidity_added(payments, peers, self._expected_per_day())])
        self._seen = self._seen[len(seen) :]
        self._written_ns = max(until_ns, 0)

    def _expected_per_day(self) -> dict[ChannelId, int]:
        """Return the expected missed revenue of each channel, of the last 24 hours that were analysed."""
        return {
            ChannelId.parse(each.subject): round(each.value * MSAT_PER_SAT)
            for each in self.watched.latest.values()
            if each.series == "channel_missed_revenue"
        }


def liquidity_added(
    payments: Iterable[SelfPayment], peers: dict[ChannelId, NodeId], expected_msat_per_day: dict[ChannelId, int]
) -> Iterator[Remedy]:
    """Yield what circular rebalances brought to each channel, hour by hour; channels that are gone are left out."""

    def key(payment: SelfPayment) -> tuple[int, ChannelId]:
        return payment.settled_ns // NS_PER_HOUR, payment.incoming_channel_id

    for (_, channel_id), of_hour in groupby(sorted(payments, key=key), key=key):
        parts = list(of_hour)
        if channel_id not in peers:
            continue
        expected = expected_msat_per_day.get(channel_id)
        yield Remedy(
            at_ns=min(each.settled_ns for each in parts),
            channel_id=channel_id,
            peer_id=peers[channel_id],
            kind=RemedyKind.LIQUIDITY_ADDED,
            before=0,
            after=sum(each.amount_msat for each in parts),
            cost_msat=Msat(sum(each.fee_msat for each in parts)),
            expected_msat_per_day=None if expected is None else Msat(expected),
        )
