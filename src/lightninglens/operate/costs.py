"""Keeping what channels earned and cost, beside the recording: read from the node's own books, which have all of it.

LND keeps every payment and forward that settled, so the first reading has all of
the past, and nothing is lost while nothing runs.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from lightninglens.core.clock import Clock
from lightninglens.core.costs import OnChainCost, SelfPayment, SettledSum
from lightninglens.core.errors import LensError
from lightninglens.core.ids import ChannelId
from lightninglens.core.node import ClosedChannel
from lightninglens.core.ports import NodeReader
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND

log = structlog.get_logger(__name__)

REACH_NS = NS_PER_DAY
"""Payments that began so long before the last reading are read again: they may have been under way then."""
LONG_REACH_NS = 15 * NS_PER_DAY
"""The same, once a day: an HTLC that hangs is over when its time lock is, 2016 blocks later at most."""
REACH_BLOCKS = 4_032
"""A channel that is closed by force is told as closed up to 2016 blocks after its closing transaction."""
LATE_NS = 60 * NS_PER_SECOND
"""LND writes forwards down up to 15 s after they settled (`htlcswitch.DefaultFwdEventInterval`)."""


class CostKeeper(Protocol):
    """Where it is kept; to write the same twice changes nothing."""

    def write_self_payments(self, payments: Iterable[SelfPayment], *, read_ns: int | None = None) -> None:
        """Write payments to oneself; `read_ns`: all that began before is written now. Raises LensError."""
        ...

    def write_on_chain(self, costs: Iterable[OnChainCost], closed: Iterable[ClosedChannel], *, height: int) -> None:
        """Write what is known up to a block; raises LensError."""
        ...

    def write_settled(self, sums: Iterable[SettledSum], *, from_hour: int, until_ns: int) -> None:
        """Write what settled from an hour on until a time, in place of what was known of it; raises LensError."""
        ...

    def read_until(self) -> "ReadUntil":
        """Return how far the node's books were read; raises DataError."""
        ...


class ReadUntil(Protocol):
    """How far the node's books were read."""

    @property
    def self_payments_ns(self) -> int:
        """Payments that began before are known."""
        ...

    @property
    def height(self) -> int:
        """Up to which block the costs on the chain are known."""
        ...

    @property
    def settled_ns(self) -> int:
        """Until when the forwards that settled are known."""
        ...


@dataclass(slots=True)
class CostReading:
    """Reads what channels cost one node."""

    reader: NodeReader
    keeper: CostKeeper
    clock: Clock
    problem: str = ""
    """Why something could not be read at the last time; empty when all is well."""
    _reached_far_ns: int | None = field(init=False, default=None)

    async def run(self, every_s: float) -> None:
        """Read until cancelled.

        What the node refuses, or the disk, is said and tried again: the recording
        goes on without it.
        """
        while True:
            await self.read()
            await asyncio.sleep(every_s)

    async def read(self) -> None:
        """Read once."""
        problems = []
        for work in (self._settled, self._self_payments, self._on_chain):
            try:
                await work()
            except LensError as problem:
                problems.append(str(problem))
        said = "; ".join(dict.fromkeys(problems))
        if said and said != self.problem:
            log.warning("what channels cost could not be read", problem=said)
        self.problem = said

    async def _self_payments(self) -> None:
        now_ns = self.clock.now_ns()
        known_ns = (await asyncio.to_thread(self.keeper.read_until)).self_payments_ns
        far = self._reached_far_ns is None or now_ns - self._reached_far_ns >= NS_PER_DAY
        since_ns = max(known_ns - (LONG_REACH_NS if far else REACH_NS), 0)
        async for page in self.reader.self_payments(since_ns=since_ns):
            await asyncio.to_thread(self.keeper.write_self_payments, page)
        # Only now, as pages come newest first: a reading that breaks off is made again in full.
        await asyncio.to_thread(self.keeper.write_self_payments, (), read_ns=now_ns)
        if far:
            self._reached_far_ns = now_ns

    async def _on_chain(self) -> None:
        height = (await self.reader.info()).block_height
        known = (await asyncio.to_thread(self.keeper.read_until)).height
        costs = await self.reader.on_chain_costs(since_height=max(known - REACH_BLOCKS, 0))
        closed = await self.reader.closed_channels()
        await asyncio.to_thread(self.keeper.write_on_chain, costs, closed, height=height)

    async def _settled(self) -> None:
        """Sum up forwards by the hour, from the hour on in which the last reading may have missed one."""
        known_ns = (await asyncio.to_thread(self.keeper.read_until)).settled_ns
        from_hour = max(known_ns - LATE_NS, 0) // NS_PER_HOUR
        sums: dict[tuple[int, ChannelId, ChannelId], SettledSum] = {}
        async for page in self.reader.forwarding_history(since_ns=from_hour * NS_PER_HOUR):
            for each in page.forwards:
                key = (each.settled_ns // NS_PER_HOUR, each.incoming_channel_id, each.outgoing_channel_id)
                _, _, _, forwards, amount_msat, fee_msat = sums.get(key, SettledSum(*key, 0, 0, 0))
                sums[key] = SettledSum(
                    *key, forwards + 1, amount_msat + each.outgoing_amount_msat, fee_msat + each.fee_msat
                )
            await asyncio.to_thread(
                self.keeper.write_settled, tuple(sums.values()), from_hour=from_hour, until_ns=page.covered_until_ns
            )
            # Hours that are over need not be written again: the next page goes on in the last of them.
            from_hour = page.covered_until_ns // NS_PER_HOUR
            sums = {key: each for key, each in sums.items() if each.hour >= from_hour}
