"""HTLC events and channels as one writes them in tests: a node between peers P, Q and R."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from lightninglens.core.channels import ChannelPolicy, ChannelState, Opener
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Blocks, Msat, Ppm, Sat, UnixNs

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
P, Q, R = ChannelId.of(800_000, 1, 0), ChannelId.of(800_000, 2, 0), ChannelId.of(800_000, 3, 0)
POLICY = ChannelPolicy(
    base_fee_msat=Msat(0),
    fee_rate_ppm=Ppm(1_000),
    time_lock_delta_blocks=Blocks(80),
    min_htlc_msat=Msat(1_000),
    max_htlc_msat=Msat(900_000_000),
)
LIQUIDITY = (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.INSUFFICIENT_BALANCE)


def channel(channel_id: ChannelId, **changed: Any) -> ChannelState:
    """Return a channel of 1,000,000 sat, half of it ours, with a peer of its own."""
    state = ChannelState(
        channel_id=channel_id,
        peer_id=NodeId(f"02{int(channel_id):064x}"),
        peer_alias=str(channel_id),
        capacity_sat=Sat(1_000_000),
        local_msat=Msat(500_000_000),
        remote_msat=Msat(500_000_000),
        commit_fee_sat=Sat(0),
        unsettled_msat=Msat(0),
        pending_htlcs=0,
        local_reserve_sat=Sat(10_000),
        remote_reserve_sat=Sat(10_000),
        opener=Opener.LOCAL,
        active=True,
        outbound_msat=Msat(480_000_000),
        inbound_msat=Msat(480_000_000),
        local_policy=POLICY,
        remote_policy=POLICY,
    )
    return dataclasses.replace(state, **changed)


@dataclass
class Htlcs:
    """Makes events; each HTLC has the next number of its incoming channel."""

    now_ns: int = START_NS
    numbers: dict[ChannelId, int] = field(default_factory=dict)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += round(seconds * SECOND)

    def event(
        self,
        kind: HtlcEventKind,
        number: int,
        *,
        incoming: ChannelId = P,
        outgoing: ChannelId = Q,
        amount_msat: int = 0,
        fee_msat: int = 0,
        failure: tuple[FailureCode, FailureDetail] = (FailureCode.NONE, FailureDetail.UNKNOWN),
        event_type: HtlcEventType = HtlcEventType.FORWARD,
    ) -> HtlcEvent:
        """Return one event at this moment."""
        return HtlcEvent(
            timestamp_ns=UnixNs(self.now_ns),
            kind=kind,
            event_type=event_type,
            incoming_channel_id=incoming,
            outgoing_channel_id=outgoing,
            incoming_htlc_id=number,
            outgoing_htlc_id=0 if kind is HtlcEventKind.LINK_FAIL else number,
            incoming_amount_msat=Msat(amount_msat + fee_msat),
            outgoing_amount_msat=Msat(amount_msat),
            incoming_timelock_blocks=200,
            outgoing_timelock_blocks=120,
            wire_failure=failure[0],
            failure_detail=failure[1],
        )

    def number(self, incoming: ChannelId = P) -> int:
        """Return the next number of a channel."""
        self.numbers[incoming] = self.numbers.get(incoming, -1) + 1
        return self.numbers[incoming]

    def offered(
        self, amount_msat: int, fee_msat: int = 100, *, incoming: ChannelId = P, outgoing: ChannelId = Q
    ) -> HtlcEvent:
        """Return the event of an HTLC that goes on."""
        return self.event(
            HtlcEventKind.FORWARD,
            self.number(incoming),
            amount_msat=amount_msat,
            fee_msat=fee_msat,
            incoming=incoming,
            outgoing=outgoing,
        )

    def refused(
        self,
        amount_msat: int,
        fee_msat: int = 100,
        failure: tuple[FailureCode, FailureDetail] = LIQUIDITY,
        *,
        incoming: ChannelId = P,
        outgoing: ChannelId = Q,
    ) -> HtlcEvent:
        """Return the event of an HTLC that our node refuses."""
        return self.event(
            HtlcEventKind.LINK_FAIL,
            self.number(incoming),
            amount_msat=amount_msat,
            fee_msat=fee_msat,
            failure=failure,
            incoming=incoming,
            outgoing=outgoing,
        )

    def settled(self, offered: HtlcEvent) -> HtlcEvent:
        """Return the event that an offered HTLC settles, which as LND's has no amounts."""
        return self._end(HtlcEventKind.SETTLE, offered)

    def failed(self, offered: HtlcEvent) -> HtlcEvent:
        """Return the event that an offered HTLC failed further down."""
        return self._end(HtlcEventKind.FORWARD_FAIL, offered)

    def _end(self, kind: HtlcEventKind, offered: HtlcEvent) -> HtlcEvent:
        return self.event(
            kind,
            offered.incoming_htlc_id,
            incoming=offered.incoming_channel_id,
            outgoing=offered.outgoing_channel_id,
        )
