"""The feed's messages. What the source documents show is there exactly; every other key is an addition.

Amounts are whole sat, as in the documents, rounded down as LND shows balances;
where that loses something an addition ending in `_msat` has it exactly.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from lightninglens.app.events import Attempt, Channel, Network, Payment, RebalanceDone, SuggestedChange
from lightninglens.app.rebalancing import Proposal, TrackRecord
from lightninglens.control.guard import Refusal, RefusalCode
from lightninglens.core.units import to_sat

MAX_MESSAGE_BYTES = 65_536
MAX_SUGGESTIONS = 10
"""Of one message; the clients of the source documents send three."""

LARGE_NETWORK_CHANNELS = 1_000

KNOWN_TYPES = ("register", "request_suggestions", "rebalance_suggestion", "suggestions")

MS_PER_SECOND = 1_000

Message = dict[str, Any]


def encode(message: Message) -> str:
    """Return a message as the text that goes over the wire."""
    return orjson.dumps(message).decode()


def state_update(channels: dict[str, list[Message]], payments: Sequence[Payment], world_ms: int) -> Message:
    """Return what a client is told first: all channels by node, and the newest payments."""
    return {
        "type": "state_update",
        "data": {
            "channels": channels,
            "transactions": [transaction_data(payment) for payment in payments],
            "last_update": timestamp(world_ms),
        },
    }


def transaction(payment: Payment) -> Message:
    """Return the news of one payment or rebalance."""
    return {"type": "transaction", "data": transaction_data(payment)}


def transaction_data(payment: Payment) -> Message:
    """Return a payment in the documents' form; of a circular rebalance sender and receiver are the same."""
    failure = payment.failure
    return {
        "sender": payment.sender_name,
        "receiver": payment.receiver_name,
        "amount": to_sat(payment.amount_msat),
        "success": payment.succeeded,
        "description": payment.description,
        "type": payment.kind,
        "fee": -to_sat(-payment.fee_msat),
        "fee_msat": payment.fee_msat,
        "route_length": len(payment.route_channel_ids),
        "attempts": payment.attempts,
        "outcome": payment.outcome,
        "duration_ms": payment.duration_ms,
        "failure_reason": None if payment.succeeded else (failure.code if failure else payment.outcome).lower(),
        "payment_id": payment.payment_id,
        "attempt_log": [attempt_data(attempt) for attempt in payment.attempt_log],
        "timestamp": timestamp(payment.started_ms + payment.duration_ms),
    }


def attempt_data(attempt: Attempt) -> Message:
    """Return one attempt; `failed_hop` counts channels from 0 and is null where none failed."""
    return {
        "channel_ids": attempt.route_channel_ids,
        "nodes": attempt.route_node_ids,
        "hop_amounts_msat": attempt.hop_amounts_msat,
        "settled": attempt.settled,
        "failed_hop": attempt.failed_hop,
        "code": attempt.code.lower(),
        "started": timestamp(attempt.started_ms),
        "ended": timestamp(attempt.ended_ms),
    }


def channel_update(channels: dict[str, list[Message]]) -> Message:
    """Return the news of some nodes' channels, by node."""
    return {"type": "channel_update", "data": channels}


class ChannelBook:
    """All channels by node, each seen from that node, in the documents' form.

    News of a node holds all its channels, so that a client may replace what it
    knew. In a large network, whose hubs have thousands, it holds those that
    changed, and says so.
    """

    def __init__(self, network: Network) -> None:
        self._names = {node.node_id: node.name for node in network.nodes}
        self._by_node: dict[str, dict[str, Message]] = {node.name: {} for node in network.nodes}
        self._is_large = len(network.channels) > LARGE_NETWORK_CHANNELS
        self.take(network.channels)

    def take(self, channels: Iterable[Channel]) -> list[Message]:
        """Take in channels as they are now, and return what to tell of them: one message, or none."""
        touched: dict[str, list[Message]] = {}
        for channel in channels:
            for node_id, entry in self._entries(channel):
                name = self._names[node_id]
                self._by_node[name][channel.channel_id] = entry
                touched.setdefault(name, []).append(entry)
        if not touched:
            return []
        if self._is_large:
            return [{**channel_update(touched), "partial": True}]
        return [channel_update({name: list(self._by_node[name].values()) for name in sorted(touched)})]

    def snapshot(self, channels: Sequence[Channel]) -> list[Message]:
        """Take in all channels, and return the message with all of them; of a large network there is none."""
        news = self.take(channels)
        return [] if self._is_large else news

    def all(self) -> dict[str, list[Message]]:
        """Return all channels of all nodes, by name."""
        return {name: list(channels.values()) for name, channels in self._by_node.items()}

    def _entries(self, channel: Channel) -> Iterator[tuple[str, Message]]:
        sides = (
            (channel.node1_id, channel.node2_id, channel.node1_local_msat, channel.node2_local_msat),
            (channel.node2_id, channel.node1_id, channel.node2_local_msat, channel.node1_local_msat),
        )
        for node_id, peer_id, local_msat, remote_msat in sides:
            yield (
                node_id,
                {
                    "remote_pubkey": peer_id,
                    "capacity": channel.capacity_sat,
                    "local_balance": to_sat(local_msat),
                    "remote_balance": to_sat(remote_msat),
                    "remote_node": self._names[peer_id],
                    "channel_id": channel.channel_id,
                    "commit_fee": channel.commit_fee_sat,
                    "unsettled_balance": -to_sat(-channel.unsettled_msat),
                    "pending_htlcs": channel.pending_htlcs,
                    "initiator": channel.opener_id == node_id,
                },
            )


def rebalance_suggestions(proposals: Iterable[Proposal], record: TrackRecord, rest: str) -> Message:
    """Return what the baseline would do now.

    `confidence` is an estimate with a stated rule: the expected chance that the
    change succeeds when tried, from how the baseline's changes have fared so far.
    """
    suggestions = [
        {
            "from_node": proposal.from_node,
            "to_node": proposal.to_node,
            "amount": to_sat(proposal.change.amount_msat),
            "confidence": round(record.confidence, 4),
            "channel_id": str(proposal.change.outgoing_channel_id),
            "return_channel_id": str(proposal.change.incoming_channel_id),
            "reason": proposal.change.reason,
        }
        for proposal in proposals
    ]
    return {
        "type": "rebalance_suggestions",
        "suggestions": suggestions,
        "source": "baseline",
        "confidence_basis": {
            "kind": "estimated",
            "rule": "(succeeded + 1) / (finished + 2)",
            "succeeded": record.succeeded,
            "finished": record.finished,
        },
        "reason": rest,
    }


def learned_suggestions(suggestions: Iterable[SuggestedChange], model: str, rest: str) -> Message:
    """Return what the learner suggests now, best first; a model's confidence is a calibrated probability."""
    return {
        "type": "rebalance_suggestions",
        "suggestions": [
            {
                "from_node": one.from_node,
                "to_node": one.to_node,
                "amount": one.amount_sat,
                "confidence": round(one.confidence, 4),
                "channel_id": one.outgoing_channel_id,
                "return_channel_id": one.incoming_channel_id,
                "reason": one.reason,
                "expected_gain_msat": one.gain_msat,
                "low_gain_msat": one.low_gain_msat,
                "high_gain_msat": one.high_gain_msat,
            }
            for one in suggestions
        ],
        "source": "learner",
        "confidence_basis": {
            "kind": "estimated",
            "rule": "probability that the net gain is above 0, calibrated on held-out time",
            "model": model,
        },
        "reason": rest,
    }


def rebalance_result(done: RebalanceDone) -> Message:
    """Return what became of a rebalance that was accepted."""
    return {
        "type": "rebalance_result",
        "data": {
            "from_node": done.from_node,
            "to_node": done.to_node,
            "amount": done.amount_sat,
            "confidence": done.confidence,
            "accepted": done.accepted,
            "executed": done.executed,
            "moved": to_sat(done.moved_msat),
            "fee": -to_sat(-done.fee_msat),
            "fee_msat": done.fee_msat,
            "reason": done.reason,
            "refusal": done.refusal,
            "author": done.author,
            "plan_id": done.plan_id,
            "timestamp": timestamp(done.world_ms),
        },
    }


def rebalance_refusal(suggestion: Message, refusal: Refusal) -> Message:
    """Return the answer to a sound suggestion that was turned down: nothing was sent."""
    return {
        "type": "rebalance_result",
        "data": {
            **suggestion,
            "accepted": False,
            "executed": False,
            "moved": 0,
            "fee": 0,
            "fee_msat": 0,
            "reason": refusal.reason,
            "refusal": refusal.code,
        },
    }


def registered() -> Message:
    """Return the answer to `register`: there is nothing to register for, everybody hears everything."""
    return {"type": "registered", "data": {"receives": ["state_update", "transaction", "channel_update"]}}


def error(code: str, reason: str) -> Message:
    """Return an error for one client."""
    return {"type": "error", "error": {"code": code, "reason": reason}, "message": reason}


def decode(text: str | bytes) -> Message | Refusal:
    """Return the message in a frame, or why it is none."""
    if isinstance(text, bytes):
        return _malformed("binary frames are not understood: send JSON as text")
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        return _malformed(f"not JSON: {problem.msg} (character {problem.pos})")
    if not isinstance(message, dict):
        return _malformed("a message is a JSON object with a type")
    if not isinstance(message.get("type"), str):
        return _malformed("the message has no type")
    return message


def suggestions_in(message: Message) -> list[object] | Refusal:
    """Return the suggestions of a `rebalance_suggestion` or `suggestions` message, still unchecked."""
    if message["type"] == "rebalance_suggestion":
        found = message.get("suggestion", message.get("data"))
        return _malformed("the message has no suggestion") if found is None else [found]
    several = message.get("suggestions")
    if not isinstance(several, list):
        return _malformed("suggestions must be a list")
    if len(several) > MAX_SUGGESTIONS:
        return _malformed(f"{len(several)} suggestions in one message; at most {MAX_SUGGESTIONS} are taken")
    return several


def timestamp(world_ms: int) -> str:
    """Return a world time as ISO 8601 in UTC, with milliseconds."""
    moment = dt.datetime.fromtimestamp(world_ms // MS_PER_SECOND, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{world_ms % MS_PER_SECOND:03d}+00:00"


def _malformed(reason: str) -> Refusal:
    return Refusal(code=RefusalCode.MALFORMED, reason=reason)
