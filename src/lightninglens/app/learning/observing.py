"""What the service publishes, as observations to learn from."""

from collections.abc import Iterable, Iterator

from lightninglens.app.events import Attempt, Channel, Payment
from lightninglens.core.htlc import FailureCode
from lightninglens.core.ids import ChannelId
from lightninglens.core.observations import AttemptSeen, ChannelSeen, PaymentSeen
from lightninglens.core.units import NS_PER_MS, Msat, Sat, UnixNs


def payment_seen(payment: Payment) -> PaymentSeen:
    """Return a payment as an observation."""
    return PaymentSeen(
        payment_id=str(payment.payment_id),
        kind="rebalance" if payment.kind == "rebalance" else "payment",
        started_ns=_ns(payment.started_ms),
        ended_ns=_ns(payment.started_ms + payment.duration_ms),
        sender_id=payment.sender_id,
        receiver_id=payment.receiver_id,
        amount_msat=Msat(payment.amount_msat),
        fee_msat=Msat(payment.fee_msat) if payment.succeeded else None,
        succeeded=payment.succeeded,
        attempts=tuple(_attempt_seen(attempt) for attempt in payment.attempt_log),
    )


def channels_seen(channels: Iterable[Channel], world_ms: int) -> Iterator[ChannelSeen]:
    """Yield channels as observations of one moment."""
    for channel in channels:
        yield ChannelSeen(
            seen_ns=_ns(world_ms),
            channel_id=ChannelId.parse(channel.channel_id),
            node1_id=channel.node1_id,
            node2_id=channel.node2_id,
            capacity_sat=Sat(channel.capacity_sat),
            node1_local_msat=Msat(channel.node1_local_msat),
            node2_local_msat=Msat(channel.node2_local_msat),
        )


def _attempt_seen(attempt: Attempt) -> AttemptSeen:
    return AttemptSeen(
        started_ns=_ns(attempt.started_ms),
        ended_ns=_ns(attempt.ended_ms),
        channel_ids=tuple(ChannelId.parse(channel) for channel in attempt.route_channel_ids),
        node_ids=tuple(attempt.route_node_ids),  # type: ignore[arg-type]  # they were made from node ids
        hop_amounts_msat=tuple(Msat(amount) for amount in attempt.hop_amounts_msat),
        failed_hop=attempt.failed_hop,
        settled=attempt.settled,
        code=FailureCode[attempt.code],
    )


def _ns(time_ms: int) -> UnixNs:
    return UnixNs(time_ms * NS_PER_MS)
