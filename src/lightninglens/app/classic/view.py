"""The lab's data in the shapes that the source documents' services answered with.

What is not known is null or absent, and a `message` says why: those services
filled such places with constants.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lightninglens.app.events import Channel, ErrorPoint, LearnerStatus, Node, Payment, Prediction
from lightninglens.app.feed import messages
from lightninglens.core.units import to_sat

Shape = dict[str, Any]

SIGNIFICANT = 0.1
LISTED = 0.05
SEVERE = 0.4
HIGH_PRIORITY = 0.3
SPAN_MS = 300_000
"""Of one point of a time series."""
_KEY_DIGITS = 8
HEALTH = ((80, "excellent"), (60, "good"), (40, "fair"), (20, "poor"), (0, "critical"))


def channel_key(node_name: str, peer_id: str) -> str:
    """Return how those services call one side of a channel: `lnd-alice_02cc9501`."""
    return f"{node_name}_{peer_id[:_KEY_DIGITS]}"


def channel_balances(nodes: Sequence[Node], channels: Iterable[Channel], predictions: Iterable[Prediction]) -> Shape:
    """Return both sides of each channel by key, in sat, with the predicted best balance where there is one.

    Of several channels with one peer, all but the first have the channel's id
    added to their key: the documents' key would be the same for all.
    """
    names = {node.node_id: node.name for node in nodes}
    best = {(one.channel_id, one.node_id): one for one in predictions}
    found: Shape = {}
    for channel in channels:
        for node_id, peer_id, local_msat, remote_msat in _sides(channel):
            key = channel_key(names[node_id], peer_id)
            if key in found:
                key = f"{key}_{channel.channel_id}"
            found[key] = _balance(channel, names[node_id], peer_id, names[peer_id], local_msat, remote_msat) | _optimal(
                best.get((channel.channel_id, node_id)), local_msat, remote_msat
            )
    return found


def _sides(channel: Channel) -> Iterator[tuple[str, str, int, int]]:
    yield channel.node1_id, channel.node2_id, channel.node1_local_msat, channel.node2_local_msat
    yield channel.node2_id, channel.node1_id, channel.node2_local_msat, channel.node1_local_msat


def _balance(channel: Channel, node: str, peer_id: str, peer: str, local_msat: int, remote_msat: int) -> Shape:
    held_msat = local_msat + remote_msat
    return {
        "node": node,
        "remote_pubkey": peer_id,
        "remote_node": peer,
        "scid": channel.channel_id,
        "capacity": channel.capacity_sat,
        "local_balance": to_sat(local_msat),
        "remote_balance": to_sat(remote_msat),
        "balance_ratio": local_msat / held_msat if held_msat else None,
    }


def _optimal(prediction: Prediction | None, local_msat: int, remote_msat: int) -> Shape:
    if prediction is None:
        return {"optimal_balance": None, "balance_diff": None, "balance_diff_percent": None}
    held_msat = local_msat + remote_msat
    optimal_msat = round(prediction.share * held_msat)
    difference_msat = abs(local_msat - optimal_msat)
    return {
        "optimal_balance": to_sat(optimal_msat),
        "balance_diff": to_sat(difference_msat),
        "balance_diff_percent": 100 * difference_msat / held_msat if held_msat else None,
    }


def predictions(nodes: Sequence[Node], channels: Iterable[Channel], made: Iterable[Prediction]) -> list[Shape]:
    """Return the predictions, one per side of a channel, farthest from its best share first."""
    names = {node.node_id: node.name for node in nodes}
    peers = {
        (channel.channel_id, node_id): peer_id
        for channel in channels
        for node_id, peer_id, _local, _remote in _sides(channel)
    }
    found = [
        {
            "channel_id": channel_key(names[one.node_id], peers[one.channel_id, one.node_id]),
            "scid": one.channel_id,
            "current_ratio": one.share_now,
            "optimal_ratio": one.share,
            "optimal_ratio_low": one.low_share,
            "optimal_ratio_high": one.high_share,
            "adjustment_needed": one.share - one.share_now,
            "significant": abs(one.share - one.share_now) > SIGNIFICANT,
            "model": one.model,
            "timestamp": messages.timestamp(one.made_ms),
        }
        for one in made
    ]
    return sorted(found, key=lambda one: (-abs(float(one["adjustment_needed"])), str(one["channel_id"])))


def transaction(payment: Payment) -> Shape:
    """Return a payment as the feed tells it, with the `status` that those services filter by."""
    return {**messages.transaction_data(payment), "status": "success" if payment.succeeded else "failed"}


def adjustments(made: Sequence[Prediction]) -> Shape | None:
    """Return how far channels are from their predicted shares; None where nothing is predicted.

    This is what the documents' server called performance. It measures the
    channels, not the model: the model's errors are in `model_error`.
    """
    gaps = [abs(one.share - one.share_now) for one in made]
    if not gaps:
        return None
    return {
        "avg_adjustment": sum(gaps) / len(gaps),
        "max_adjustment": max(gaps),
        "balanced_channels": sum(gap < SIGNIFICANT for gap in gaps) / len(gaps),
        "severely_imbalanced": sum(gap > SEVERE for gap in gaps) / len(gaps),
    }


def model_error(errors: Sequence[ErrorPoint]) -> Shape | None:
    """Return the newest mean absolute errors that are known, the model's and what it is compared with."""
    if not errors:
        return None
    newest = errors[-1]
    return {
        "mae": newest.model,
        "mae_online": newest.online,
        "mae_of_half": newest.half,
        "mae_of_last_value": newest.last_value,
        "mae_of_baseline": newest.baseline,
        "compared": newest.compared,
        "known_at": messages.timestamp(newest.world_ms),
    }


def accuracy(errors: Sequence[ErrorPoint]) -> float | None:
    """Return 1 / (1 + mean absolute error), the documents' measure; None before any error is known."""
    known = [point.model for point in errors if point.model is not None]
    return 1 / (1 + known[-1]) if known else None


def network_health(success_rate: float | None, channels: Sequence[Channel], accuracy: float | None) -> Shape:
    """Return the documents' score of 0 to 100, 40 for success, 30 for balance and 30 for accuracy, and its category.

    Balance is what both sides hold, as a part of all capacity. The score is
    null while one of the three is not known.
    """
    capacity_sat = sum(channel.capacity_sat for channel in channels)
    held_msat = sum(channel.node1_local_msat + channel.node2_local_msat for channel in channels)
    balance = to_sat(held_msat) / capacity_sat if capacity_sat else None
    parts = {"success_rate": success_rate, "balance": balance, "accuracy": accuracy}
    missing = [name for name, value in parts.items() if value is None]
    if success_rate is None or balance is None or accuracy is None:
        return {"score": None, "category": None, "parts": parts, "message": f"not known yet: {', '.join(missing)}"}
    score = success_rate * 40 + balance * 30 + accuracy * 30
    category = next(name for least, name in HEALTH if score >= least)
    return {"score": score, "category": category, "parts": parts}


def learning_metrics(status: LearnerStatus, errors: Sequence[ErrorPoint]) -> Shape:
    """Return what the learner is doing, in the documents' keys and ours."""
    return {
        "model_version": status.model or "not_loaded",
        "last_update": messages.timestamp(errors[-1].world_ms) if errors else None,
        "phase": status.phase,
        "missing": list(status.missing),
        "drifts": status.drifts,
        "outcomes_known": status.outcomes_known,
        "verdict": status.verdict,
        "errors": model_error(errors),
    }


def time_series(payments: Iterable[Payment]) -> list[Shape]:
    """Return payments by spans of five minutes of the world's time, oldest first."""
    spans: dict[int, list[Payment]] = {}
    for payment in payments:
        if payment.kind == "payment":
            spans.setdefault((payment.started_ms + payment.duration_ms) // SPAN_MS, []).append(payment)
    return [
        {
            "time": messages.timestamp(span * SPAN_MS),
            "transactions": len(inside),
            "volume": sum(to_sat(payment.amount_msat) for payment in inside if payment.succeeded),
            "success_rate": sum(payment.succeeded for payment in inside) / len(inside),
        }
        for span, inside in sorted(spans.items())
    ]
