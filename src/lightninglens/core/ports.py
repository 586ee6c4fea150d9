"""What the rest of the code may ask of a node, one port per degree of trust.

Capability is in the type: what is handed only a `NodeReader` cannot move a
satoshi. Every world (simulated, replay, live) implements the same ports.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lightninglens.core.channels import ChannelState
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import NodeId
from lightninglens.core.records import JournalRecord, RebalanceChange, RebalanceOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """Who a node is."""

    node_id: NodeId
    alias: str
    channel_count: int
    block_height: int


class NodeReader(Protocol):
    """Read a node; macaroon role `monitor`."""

    async def info(self) -> NodeInfo:
        """Return who the node is; raises NodeUnavailable."""
        ...

    async def channels(self) -> Sequence[ChannelState]:
        """Return the node's open channels; raises NodeUnavailable."""
        ...

    async def graph(self) -> NetworkGraph:
        """Return the public network as the node knows it; raises NodeUnavailable."""
        ...

    def htlc_events(self) -> AsyncIterator[HtlcEvent]:
        """Yield HTLC events from now on, best effort, until the node goes away."""
        ...


class Rebalancer(Protocol):
    """Pay oneself in a circle; macaroon role `rebalance`."""

    async def rebalance(self, change: RebalanceChange) -> RebalanceOutcome:
        """Carry out one circular self-payment and return when it is final.

        Raises NodeUnavailable when it is unknown whether anything was sent, and
        NodeRefused when the node would not try.
        """
        ...


class Journal(Protocol):
    """The book of what was done with money. Appending returns only when it is on disk."""

    def append(self, record: JournalRecord) -> JournalRecord:
        """Write one record and return it with its sequence number."""
        ...

    def records(self, *, since_sequence: int = 0) -> Sequence[JournalRecord]:
        """Return the records after `since_sequence`, oldest first."""
        ...
