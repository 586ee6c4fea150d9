"""What the rest of the code may ask of a node, one port per degree of trust.

Capability is in the type: what is handed only a `NodeReader` cannot move a
satoshi. Every world (simulated, replay, live) implements the same ports.

Every method of a node's port raises NodeUnavailable when the node cannot be
reached (retry), NodeRefused when it will not do it (do not retry), and
NodeUnauthorised when the credential does not allow it (stop).
"""

from collections.abc import AsyncGenerator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from lightninglens.core.bolt11 import SignedInvoice
from lightninglens.core.channels import ChannelPolicy, ChannelState
from lightninglens.core.costs import OnChainCost, SelfPayment
from lightninglens.core.forwards import ForwardPage, Gap
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.node import (
    ChannelBackup,
    ClosedChannel,
    NodeInfo,
    OnChainBalance,
    OnChainEstimate,
    OpenRequest,
    PendingChannel,
    Watchtower,
)
from lightninglens.core.payments import (
    InvoiceRecord,
    InvoiceRequest,
    KeysendOrder,
    PaymentRoute,
    PaymentState,
    ProbeResult,
    RouteEstimate,
    RouteQuestion,
    SendOrder,
)
from lightninglens.core.records import JournalRecord, RebalanceChange, RebalanceOutcome
from lightninglens.core.units import Sat

if TYPE_CHECKING:  # numpy takes 0.3 s to import, and a port's users need not have it
    from lightninglens.core.graph import NetworkGraph

__all__ = [
    "ChannelManager",
    "ChannelStatus",
    "FeeSetter",
    "Journal",
    "NodeInfo",
    "NodeReader",
    "Payer",
    "Rebalancer",
    "Watchtowers",
]


class NodeReader(Protocol):
    """Read a node; macaroon role `monitor`."""

    async def info(self) -> NodeInfo:
        """Return who the node is; raises NodeUnavailable."""
        ...

    async def channels(self) -> Sequence[ChannelState]:
        """Return the node's open channels; raises NodeUnavailable."""
        ...

    async def closed_channels(self) -> Sequence[ClosedChannel]:
        """Return the channels that the node once had."""
        ...

    async def pending_channels(self) -> Sequence[PendingChannel]:
        """Return the channels that are not open yet, or not closed yet."""
        ...

    async def graph(self) -> "NetworkGraph":
        """Return the public network as the node knows it; raises NodeUnavailable."""
        ...

    def forwarding_history(
        self, *, since_ns: int = 0, until_ns: int | None = None
    ) -> AsyncGenerator[ForwardPage, None]:
        """Yield the settled forwards from `since_ns` up to before `until_ns` (None: now), oldest first.

        Each page says which time is complete with it; the last one reaches `until_ns`.
        """
        ...

    def self_payments(self, *, since_ns: int = 0) -> AsyncGenerator[tuple[SelfPayment, ...], None]:
        """Yield the circular payments begun at or after `since_ns` that succeeded, in pages, the newest page first.

        A payment that is still under way is in a later answer, so who reads again
        goes back a while.
        """
        ...

    async def on_chain_costs(self, *, since_height: int = 0) -> Sequence[OnChainCost]:
        """Return what channels cost us that were opened or closed in a block from `since_height` on.

        What the node pays for and cannot tell is there with its fee unknown; what
        others pay for is not.
        """
        ...

    def htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
        """Yield HTLC events from now on, best effort, until the node goes away for good.

        Where events are missing a `Gap` says so, in its place among them.
        """
        ...


class ChannelStatus(StrEnum):
    """Who decides whether our direction of a channel is announced as disabled."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    AUTO = "auto"
    """The node: disabled while the peer is away."""


class FeeSetter(Protocol):
    """Set what one asks for forwarding; macaroon role `fees`."""

    async def policy(self, channel_id: ChannelId) -> ChannelPolicy:
        """Return what is asked for in our direction of a channel; raises NodeRefused when it is not ours."""
        ...

    async def set_policy(self, channel_id: ChannelId, policy: ChannelPolicy) -> ChannelPolicy:
        """Ask for this from now on, every field of it, and return what the node then says it asks.

        `disabled` is not part of it: `set_status` is for that. Raises NodeRefused
        when the node refuses any field; then nothing has changed.
        """
        ...

    async def set_status(self, channel_id: ChannelId, status: ChannelStatus) -> None:
        """Announce our direction of a channel as usable or not."""
        ...


class Rebalancer(Protocol):
    """Pay oneself in a circle; macaroon role `rebalance`."""

    async def rebalance(self, change: RebalanceChange) -> RebalanceOutcome:
        """Carry out one circular self-payment and return when it is final.

        Raises NodeUnavailable when it is unknown whether anything was sent, and
        NodeRefused when the node would not try.
        """
        ...


class Payer(Protocol):
    """Be paid and pay; macaroon role `payments`."""

    async def create_invoice(self, request: InvoiceRequest) -> SignedInvoice:
        """Return a new invoice of the node."""
        ...

    async def invoice(self, payment_hash: bytes) -> InvoiceRecord:
        """Return what has become of an invoice of the node; raises NodeRefused when it has none of this hash."""
        ...

    async def decode(self, text: str) -> SignedInvoice:
        """Return what an invoice says; raises DataError for what is none, or is of another network than the node's."""
        ...

    async def find_route(self, question: RouteQuestion) -> RouteEstimate | None:
        """Return a route that the node would try, or None when it knows none."""
        ...

    async def probe(self, question: RouteQuestion) -> ProbeResult:
        """Send what nobody can claim, to learn whether the amount would get through."""
        ...

    async def send(self, order: SendOrder) -> PaymentState:
        """Pay an invoice and return when that is final; one hash is never paid twice.

        Raises NodeUnavailable when it is unknown how it ended: `track` tells later.
        """
        ...

    async def send_along(self, route: PaymentRoute, invoice: SignedInvoice) -> PaymentState:
        """Pay an invoice over this one route and return when that is final."""
        ...

    async def keysend(self, order: KeysendOrder) -> PaymentState:
        """Pay a node that gave no invoice, and return when that is final."""
        ...

    async def track(self, payment_hash: bytes) -> PaymentState | None:
        """Return how far a payment has come, or None when the node never began it."""
        ...


class ChannelManager(Protocol):
    """Open and close channels, with the wallet that pays for them; macaroon role `channels`."""

    async def connect(self, peer_id: NodeId, address: str) -> None:
        """Connect to a peer at `host:port`; to be connected already is no error."""
        ...

    async def disconnect(self, peer_id: NodeId) -> None:
        """Let go of a peer; raises NodeRefused where there are channels with it and the node does not let go then."""
        ...

    async def open(self, request: OpenRequest) -> str:
        """Begin to open a channel and return its funding output, `txid:index`, once that is published."""
        ...

    async def close(self, channel_point: str, *, force: bool = False, fee_rate_sat_per_vbyte: int | None = None) -> str:
        """Begin to close a channel and return the closing transaction's id, once that is published."""
        ...

    async def pending(self) -> Sequence[PendingChannel]:
        """Return the channels that are not open yet, or not closed yet."""
        ...

    async def on_chain_balance(self) -> OnChainBalance:
        """Return what the wallet has on the chain."""
        ...

    async def new_address(self) -> str:
        """Return an address of the wallet that was not used before."""
        ...

    async def estimate_on_chain(self, address: str, amount_sat: Sat, *, target_blocks: int = 6) -> OnChainEstimate:
        """Return what sending this much to an address would cost."""
        ...

    async def export_backup(self) -> ChannelBackup:
        """Return the backup of all channels."""
        ...


class Watchtowers(Protocol):
    """Choose who watches the channels while the node is away; macaroon role `channels`."""

    async def add_tower(self, tower_id: NodeId, address: str) -> None:
        """Let a tower at `host:port` watch."""
        ...

    async def remove_tower(self, tower_id: NodeId) -> None:
        """Use a tower no more."""
        ...

    async def towers(self) -> Sequence[Watchtower]:
        """Return the towers in use."""
        ...


class Journal(Protocol):
    """The book of what was done with money. Appending returns only when it is on disk."""

    def append(self, record: JournalRecord) -> JournalRecord:
        """Write one record and return it with its sequence number."""
        ...

    def records(self, *, since_sequence: int = 0) -> Sequence[JournalRecord]:
        """Return the records after `since_sequence`, oldest first."""
        ...
