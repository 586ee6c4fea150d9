"""A watched node in the form in which it is shown: its channels as a star, its forwards as they end.

Balances are those of the last look at the channels, moved on by what settled since.
"""

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Sequence

from lightninglens.app.events import (
    Attempt,
    Channel,
    Network,
    Node,
    Payment,
    PaymentFailure,
    Policy,
    Stats,
    WorldAdvanced,
)
from lightninglens.app.world_view import Mode
from lightninglens.core.attempts import AttemptState, ForwardAttempt
from lightninglens.core.channels import ChannelState, Opener
from lightninglens.core.ids import ChannelId
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_MS
from lightninglens.storage.forwards import Batch

KEPT_PAYMENTS = 1_000
OUTCOMES = {
    AttemptState.SETTLED: "SUCCEEDED",
    AttemptState.FAILED_DOWNSTREAM: "FAILED_DOWNSTREAM",
    AttemptState.FAILED_HERE: "REFUSED_HERE",
}
_NOBODY = ""


class NodeObserver:
    """Keeps the newest state of one node. `absorb` each batch of its recording."""

    def __init__(self, info: NodeInfo, mode: Mode, *, now_ns: int, speed: float = 1.0) -> None:
        self._info, self._mode, self._speed = info, mode, speed
        self._channels: dict[ChannelId, Channel] = {}
        self._peers: dict[str, str] = {}
        self._ended = 0
        self.nodes: tuple[Node, ...] = (self._centre(()),)
        self.payments: deque[Payment] = deque(maxlen=KEPT_PAYMENTS)
        """The newest forwards that have ended, oldest first."""
        self.stats = Stats(
            world_ms=now_ns // NS_PER_MS,
            speed=speed,
            payments=0,
            succeeded=0,
            success_rate=None,
            volume_msat=0,
            fees_msat=0,
            rebalances=0,
            rebalanced_msat=0,
            rebalance_cost_msat=0,
        )

    def network(self) -> Network:
        """Return the node, its peers and the channels between them."""
        name = self._info.alias or self._info.node_id[:12]
        return Network(name=name, mode=self._mode, nodes=self.nodes, channels=self.channels())

    def channels(self) -> tuple[Channel, ...]:
        """Return the node's channels; the node is the first end of each."""
        return tuple(self._channels.values())

    def channel(self, channel_id: str) -> Channel | None:
        """Return one channel, or None where there is none such."""
        return next((each for each in self._channels.values() if each.channel_id == channel_id), None)

    def subject_name(self, kind: str, subject: str) -> str:
        """Return the name of what an alert is about: a channel, a peer, or nothing for the node itself."""
        match kind:
            case "channel":
                channel = self.channel(subject)
                return f"{self._name(channel.node2_id, subject)} ({subject})" if channel else subject
            case "peer":
                return self._name(subject, "")
            case _:
                return ""

    def set_speed(self, speed: float) -> None:
        """Say this speed from now on."""
        self._speed = speed
        self.stats = dataclasses.replace(self.stats, speed=speed)

    def begin(self, states: Sequence[ChannelState], newest: Iterable[ForwardAttempt]) -> tuple[Payment, ...]:
        """Take in what an earlier run left, newest last, and return it as payments; it is in no total."""
        self._look(states)
        earlier = tuple(self._payment(each) for each in newest if each.state.is_final)
        self.payments.extend(earlier)
        return earlier

    def absorb(self, batch: Batch, now_ns: int) -> WorldAdvanced:
        """Take in what has happened and return what is new."""
        changed: dict[ChannelId, Channel] = {}
        if batch.channels:
            changed |= self._look(batch.channels)
        for attempt in batch.changes.ended:
            if attempt.state is AttemptState.SETTLED and not batch.channels:
                changed |= self._settle(attempt)
        payments = tuple(self._payment(each) for each in batch.changes.ended)
        self.payments.extend(payments)
        self._count(batch.changes.ended, now_ns)
        return WorldAdvanced(payments=payments, channels=tuple(changed.values()), stats=self.stats)

    def _look(self, states: Sequence[ChannelState]) -> dict[ChannelId, Channel]:
        """Take in all channels as they are now and return those that changed."""
        before, self._channels = self._channels, {each.channel_id: self._channel(each) for each in states}
        self._peers |= {str(each.peer_id): each.peer_alias or each.peer_id[:12] for each in states}
        if {each: one.capacity_sat for each, one in before.items()} != {
            each: one.capacity_sat for each, one in self._channels.items()
        }:
            self.nodes = self._places(states)
        return {each: one for each, one in self._channels.items() if before.get(each) != one}

    def _settle(self, attempt: ForwardAttempt) -> dict[ChannelId, Channel]:
        """Move what settled, until the next look."""
        moves = (
            (attempt.outgoing_channel_id, -attempt.outgoing_amount_msat),
            (attempt.incoming_channel_id, attempt.incoming_amount_msat),
        )
        moved = {}
        for channel_id, amount_msat in moves:
            channel = self._channels.get(channel_id)
            if channel is not None:
                moved[channel_id] = self._channels[channel_id] = dataclasses.replace(
                    channel,
                    node1_local_msat=max(channel.node1_local_msat + amount_msat, 0),
                    node2_local_msat=max(channel.node2_local_msat - amount_msat, 0),
                )
        return moved

    def _payment(self, attempt: ForwardAttempt) -> Payment:
        self._ended += 1
        ends = [self._peer(each) for each in (attempt.incoming_channel_id, attempt.outgoing_channel_id)]
        ended_ns = attempt.ended_ns or attempt.began_ns
        outcome = OUTCOMES.get(attempt.state, attempt.state.name)
        settled = attempt.state is AttemptState.SETTLED
        failure = None if settled else _failure(attempt, outcome)
        channel_ids = (str(attempt.incoming_channel_id), str(attempt.outgoing_channel_id))
        node_ids = (ends[0], str(self._info.node_id), ends[1])
        return Payment(
            payment_id=self._ended,
            kind="forward",
            started_ms=attempt.began_ns // NS_PER_MS,
            duration_ms=(ended_ns - attempt.began_ns) // NS_PER_MS,
            sender_id=ends[0],
            receiver_id=ends[1],
            sender_name=self._name(ends[0], channel_ids[0]),
            receiver_name=self._name(ends[1], channel_ids[1]),
            amount_msat=attempt.outgoing_amount_msat,
            fee_msat=attempt.fee_msat,
            succeeded=settled,
            outcome=outcome,
            failure=failure,
            attempts=1,
            route_channel_ids=channel_ids,
            route_node_ids=node_ids,
            description=_words(attempt),
            attempt_log=(
                Attempt(
                    started_ms=attempt.began_ns // NS_PER_MS,
                    ended_ms=ended_ns // NS_PER_MS,
                    route_channel_ids=channel_ids,
                    route_node_ids=node_ids,
                    hop_amounts_msat=(attempt.incoming_amount_msat, attempt.outgoing_amount_msat),
                    settled=settled,
                    failed_hop=1 if attempt.state is AttemptState.FAILED_HERE else None,
                    code=failure.code if failure else "NONE",
                    detail=failure.detail if failure else "",
                ),
            ),
        )

    def _count(self, ended: Iterable[ForwardAttempt], now_ns: int) -> None:
        stats = self.stats
        attempts, settled = stats.payments, stats.succeeded
        volume_msat, fees_msat = stats.volume_msat, stats.fees_msat
        for each in ended:
            attempts += 1
            if each.state is AttemptState.SETTLED:
                settled += 1
                volume_msat += each.outgoing_amount_msat
                fees_msat += each.fee_msat
        self.stats = dataclasses.replace(
            stats,
            world_ms=now_ns // NS_PER_MS,
            payments=attempts,
            succeeded=settled,
            success_rate=settled / attempts if attempts else None,
            volume_msat=volume_msat,
            fees_msat=fees_msat,
        )

    def _peer(self, channel_id: ChannelId) -> str:
        channel = self._channels.get(channel_id)
        return channel.node2_id if channel is not None else _NOBODY

    def _name(self, peer_id: str, channel_id: str) -> str:
        return self._peers.get(peer_id) or f"channel {channel_id}"

    def _channel(self, state: ChannelState) -> Channel:
        own_id, peer_id = str(self._info.node_id), str(state.peer_id)
        return Channel(
            channel_id=str(state.channel_id),
            node1_id=own_id,
            node2_id=peer_id,
            capacity_sat=state.capacity_sat,
            node1_local_msat=state.local_msat,
            node2_local_msat=state.remote_msat,
            commit_fee_sat=state.commit_fee_sat,
            unsettled_msat=state.unsettled_msat,
            pending_htlcs=state.pending_htlcs,
            opener_id=own_id if state.opener is Opener.LOCAL else peer_id,
            node1_policy=Policy.of(state.local_policy),
            node2_policy=Policy.of(state.remote_policy),
            active=state.active,
        )

    def _places(self, states: Sequence[ChannelState]) -> tuple[Node, ...]:
        """Return the node in the middle of its peers, the largest on top and on clockwise."""
        capacity_sat: dict[str, int] = {}
        counts: dict[str, int] = {}
        for each in states:
            capacity_sat[each.peer_id] = capacity_sat.get(each.peer_id, 0) + each.capacity_sat
            counts[each.peer_id] = counts.get(each.peer_id, 0) + 1
        order = sorted(capacity_sat, key=lambda peer_id: (-capacity_sat[peer_id], peer_id))
        angle = 2 * math.pi / max(len(order), 1)
        peers = tuple(
            Node(
                node_id=peer_id,
                name=self._peers[peer_id],
                x=math.sin(place * angle),
                y=math.cos(place * angle),
                capacity_sat=capacity_sat[peer_id],
                channel_count=counts[peer_id],
            )
            for place, peer_id in enumerate(order)
        )
        return (self._centre(states), *peers)

    def _centre(self, states: Sequence[ChannelState]) -> Node:
        return Node(
            node_id=str(self._info.node_id),
            name=self._info.alias or self._info.node_id[:12],
            x=0.0,
            y=0.0,
            capacity_sat=sum(each.capacity_sat for each in states),
            channel_count=len(states),
        )


def _failure(attempt: ForwardAttempt, outcome: str) -> PaymentFailure:
    if attempt.state is AttemptState.FAILED_HERE:
        return PaymentFailure(
            code=attempt.cause.name, detail=attempt.cause.label, channel_id=str(attempt.outgoing_channel_id)
        )
    return PaymentFailure(code=outcome, detail="somebody further down the route", channel_id=None)


def _words(attempt: ForwardAttempt) -> str:
    match attempt.state:
        case AttemptState.SETTLED:
            return "forwarded"
        case AttemptState.FAILED_HERE:
            return f"refused here: {attempt.cause.label}"
        case _:
            return "failed further down"
