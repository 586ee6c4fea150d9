"""Settled forwards as a node's own book has them, and what is missing from a record of HTLC events."""

from dataclasses import dataclass
from enum import StrEnum

from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Msat, UnixNs


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """One forward that settled (`lnrpc.ForwardingEvent`)."""

    settled_ns: UnixNs
    """Unique within a node: LND moves it by single ns until it is."""
    incoming_channel_id: ChannelId
    outgoing_channel_id: ChannelId
    incoming_amount_msat: Msat
    outgoing_amount_msat: Msat
    incoming_htlc_id: int | None = None
    """None for what LND settled before 0.20."""
    outgoing_htlc_id: int | None = None

    @property
    def fee_msat(self) -> Msat:
        """What it earned; negative where an inbound discount was greater than the outbound fee."""
        return Msat(self.incoming_amount_msat - self.outgoing_amount_msat)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardPage:
    """Some forwards, oldest first, and the time that is complete with them and all pages before."""

    forwards: tuple[Forward, ...]
    covered_from_ns: UnixNs
    covered_until_ns: UnixNs
    """Exclusive: who goes on from here misses nothing and has nothing twice."""


class GapReason(StrEnum):
    """Why HTLC events are missing."""

    DISCONNECTED = "disconnected"
    """The connection broke, or could not be made again for a while."""
    ENDED = "ended by the node"
    """The node closed the stream in order, as when it is restarted."""
    OVERFLOW = "overflow"
    """The reader was too slow, and events were let go so that the node is not held up."""
    NOT_RUNNING = "not running"
    """Nobody was listening: the program that records was not running."""
    UNWRITTEN = "not written"
    """They were seen, and the disk would not take them."""
    CLOCK = "clock was set"
    """The clock jumped: forward, over a time that nobody saw, or back, so that some time is there twice."""
    MALFORMED = "malformed"
    """The node sent what this program does not understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which HTLC events happened unseen; they cannot be had again.

    Forwards that settled meanwhile can: `forwards` has them, or is None where
    they could not be read either. Failures of that time are lost for good, so a
    figure that counts them covers less than the time it is about.
    """

    from_ns: UnixNs
    to_ns: UnixNs
    reason: GapReason
    detail: str
    lost: int | None = None
    """How many events were let go; None where nobody counted."""
    forwards: tuple[Forward, ...] | None = None
