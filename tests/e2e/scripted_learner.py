"""The learner's part of the script: what it would say, suggest and have done. Numbers are the script's own."""

from __future__ import annotations

import itertools
from typing import Any

from tests.e2e.scripted_world import START_MS, Json, ScriptedWorld, node_id

HORIZON_S = 21_600
MODEL = "20261120T101500Z-3f9a1c"
BEST = {"103x1x0": 0.5, "104x1x0": 0.55, "105x1x0": 0.5, "106x1x0": 0.6, "107x1x0": 0.45, "108x1x0": 0.4}
"""The share that the script holds to be best for a channel's first node; the seventh has none."""


class ScriptedLearner:
    """Suggestions, alerts, settings and what became of changes, for one scripted world."""

    def __init__(self, world: ScriptedWorld) -> None:
        self.world = world
        self.settings: Json = {
            "speed": 1.0,
            "paused": False,
            "automatic": False,
            "min_confidence": 0.5,
            "budget_sat_per_day": 10_000,
        }
        self.phase = "ready"
        self.suggestions: list[Json] = [_suggestion(1, "lnd-alice", "lnd-bob", "lnd-carol", 40_000)]
        self.suggestions.append(_suggestion(2, "lnd-dave", "lnd-eve", "lnd-carol", 900_000))
        self.alerts: list[Json] = [_alert(1, "imbalance", "lnd-alice holds 7 % of 108x1x0 for 12 min", "108x1x0")]
        self.effects: list[Json] = [_effect(1, realised_msat=-310), _effect(2, realised_msat=None)]
        self.rebalances: list[Json] = []
        self._plans = itertools.count(1)

    def status(self) -> Json:
        """Return what the learner is doing."""
        ready = self.phase == "ready"
        return {
            "phase": self.phase,
            "missing": [] if ready else ["60 payments of 200"],
            "model": MODEL if ready else None,
            "model_trained_on": "the script of this test" if ready else "",
            "horizon_s": HORIZON_S,
            "observed_payments": self.world.total,
            "outcomes_known": 480 if ready else 0,
            "first_outcome_ms": START_MS if ready else None,
            "drifts": 1 if ready else 0,
            "last_drift_ms": START_MS + 5_000 if ready else None,
            "verdict": "Better than always half, not better than the present share." if ready else "",
        }

    def predictions(self) -> list[Json]:
        """Return one prediction per channel of the script, as its first node sees it."""
        if self.phase != "ready":
            return []
        found = []
        for channel_id, share in BEST.items():
            channel = self.world.channels[channel_id]
            held = channel["node1_local_msat"] + channel["node2_local_msat"]
            found.append(
                {
                    "channel_id": channel_id,
                    "node_id": channel["node1_id"],
                    "share_now": channel["node1_local_msat"] / held,
                    "share": share,
                    "low_share": share - 0.14,
                    "high_share": share + 0.17,
                    "model": MODEL,
                    "made_ms": self.world.world_ms - 20_000,
                    "horizon_s": HORIZON_S,
                }
            )
        return found

    def errors(self) -> list[Json]:
        """Return errors over the last twelve hours of the script's time."""
        if self.phase != "ready":
            return []
        return [
            {
                "world_ms": START_MS - (24 - step) * 1_800_000,
                "compared": 20,
                "model": 0.14 - 0.001 * step,
                "online": 0.19 - 0.003 * step,
                "half": 0.21,
                "last_value": 0.13 + 0.002 * (step % 5),
                "baseline": 0.24 if step > 4 else None,
            }
            for step in range(24)
        ]

    def metrics(self) -> Json:
        """Return how good the script's model is."""
        ready = self.phase == "ready"
        return {
            "status": self.status(),
            "errors": self.errors(),
            "reliability": _RELIABILITY if ready else None,
            "card": _CARD if ready else None,
            "success": [
                {
                    "world_ms": START_MS - (40 - span) * 300_000,
                    "payments": 20,
                    "succeeded": 15 + span % 5,
                    "volume_msat": (400_000 + 17_000 * (span % 7)) * 1000,
                }
                for span in range(40)
            ],
        }

    def models(self) -> list[Json]:
        """Return the script's two models."""
        return [
            {
                "version": version,
                "created_ms": START_MS,
                "trained_on": "the script of this test",
                "verdict": _CARD["verdict"],
                "selected": version == MODEL,
                "share_errors": _CARD["share_errors"],
            }
            for version in (MODEL, "20261119T080000Z-77aa01")
        ]

    def snapshot(self) -> Json:
        """Return the learner's part of what a client needs to start."""
        return {
            "learner": self.status(),
            "predictions": self.predictions(),
            "suggestions": self.suggestions,
            "errors": self.errors(),
            "alerts": [alert for alert in self.alerts if alert["state"] == "raised"],
            "rebalances": self.rebalances,
            "settings": self.settings,
        }

    def news(self) -> Json:
        """Return what an update says of suggestions, predictions and settings."""
        return {
            "suggestions": self.suggestions,
            "predictions": self.predictions(),
            "settings": self.settings,
            "learner": self.status(),
        }

    def suggestion(self, suggestion_id: str) -> Json | None:
        """Return a suggestion by its id."""
        return next((one for one in self.suggestions if one["suggestion_id"] == suggestion_id), None)

    def accept(self, suggestion: Json) -> tuple[list[Json], Json, Json]:
        """Carry a suggestion out; return the channels that changed, the payment, and the rebalance's event."""
        names = (suggestion["from_node"], suggestion["to_node"], suggestion["back_from_node"], suggestion["from_node"])
        changed, payment = self.world.circle(names, suggestion["amount_sat"] * 1000)
        done = payment["succeeded"]
        suggestion["status"] = "done" if done else "failed"
        suggestion["outcome"] = "moved whole" if done else "no way could carry it; nothing moved"
        event = self.event(suggestion["from_node"], suggestion["to_node"], suggestion["amount_sat"], payment)
        if done:
            self.effects.insert(0, _effect(10 + len(self.effects), realised_msat=None, suggestion=suggestion))
        return changed, payment, event

    def event(self, from_node: str, to_node: str, amount_sat: int, payment: Json) -> Json:
        """Return the event of a rebalance that has ended, and remember it."""
        event = {
            "plan_id": f"script-{next(self._plans)}",
            "author": "learner",
            "from_node": from_node,
            "to_node": to_node,
            "amount_sat": amount_sat,
            "confidence": None,
            "accepted": True,
            "executed": payment["succeeded"],
            "moved_msat": payment["amount_msat"] if payment["succeeded"] else 0,
            "fee_msat": payment["fee_msat"],
            "refusal": None,
            "reason": "" if payment["succeeded"] else "no way could carry it",
            "world_ms": self.world.world_ms,
        }
        self.rebalances.insert(0, event)
        return event


def _suggestion(number: int, from_node: str, to_node: str, back_from: str, amount_sat: int) -> Json:
    channels = {("lnd-alice", "lnd-bob"): "103x1x0", ("lnd-alice", "lnd-carol"): "108x1x0"}
    channels |= {("lnd-dave", "lnd-eve"): "106x1x0", ("lnd-dave", "lnd-carol"): "105x1x0"}
    return {
        "suggestion_id": f"suggestion-{number}",
        "author": "learner",
        "model": MODEL,
        "node_id": node_id(from_node),
        "from_node": from_node,
        "to_node": to_node,
        "back_from_node": back_from,
        "outgoing_channel_id": channels[from_node, to_node],
        "incoming_channel_id": channels[from_node, back_from],
        "amount_sat": amount_sat,
        "max_fee_msat": 12_000,
        "confidence": 0.61,
        "gain_msat": 1_240,
        "low_gain_msat": -300,
        "high_gain_msat": 2_900,
        "reason": f"{to_node} gives more than it gets back; payments from {back_from} fail for lack of balance",
        "made_ms": START_MS,
        "expires_ms": START_MS + 600_000,
        "status": "open",
        "outcome": "",
    }


def _alert(number: int, source: str, text: str, channel_id: str | None) -> Json:
    return {
        "level": "warning",
        "source": source,
        "text": text,
        "state": "raised",
        "alert_id": f"alert-{number}",
        "channel_id": channel_id,
        "world_ms": START_MS,
        "acknowledged": False,
    }


def _effect(number: int, *, realised_msat: int | None, suggestion: Json | None = None) -> Json:
    of = suggestion or {"from_node": "lnd-bob", "to_node": "lnd-eve", "back_from_node": "lnd-alice"}
    amount_sat = of.get("amount_sat", 25_000)
    return {
        "plan_id": f"plan-{number}",
        "change_index": 0,
        "author": "learner",
        "world_ms": START_MS + number * 1_000,
        "node": of["from_node"],
        "from_node": of["from_node"],
        "to_node": of["to_node"],
        "back_from_node": of["back_from_node"],
        "amount_sat": amount_sat,
        "fee_msat": 2_104,
        "predicted_gain_msat": of.get("gain_msat", 800),
        "predicted_low_msat": of.get("low_gain_msat", -700),
        "predicted_high_msat": of.get("high_gain_msat", 2_100),
        "confidence": 0.58,
        "outgoing_local_msat": [500_000_000, 500_000_000 - amount_sat * 1000 - 2_104],
        "incoming_local_msat": [90_000_000, 90_000_000 + amount_sat * 1000],
        "realised_gain_msat": realised_msat,
        "due_ms": START_MS + HORIZON_S * 1000,
        "status": "succeeded",
    }


_RELIABILITY: Json = {
    "bins": [
        {"low": low / 5, "high": low / 5 + 0.2, "count": count, "mean_confidence": said, "share_gained": gained}
        for low, count, said, gained in (
            (0, 900, 0.08, 0.06),
            (1, 240, 0.29, 0.33),
            (2, 90, 0.5, 0.46),
            (3, 30, 0.68, 0.6),
            (4, 0, 0.0, 0.0),
        )
    ],
    "brier": 0.0931,
    "brier_of_base_rate": 0.1214,
    "interval_coverage": 0.79,
}
_CARD: dict[str, Any] = {
    "version": MODEL,
    "trained_on": "the script of this test",
    "rows_trained": 12_000,
    "rows_held_out": 3_000,
    "reduced": False,
    "share_errors": {"rows": 3_000, "model": 0.1312, "half": 0.2108, "last_value": 0.1298, "baseline": None},
    "verdict": "Better than always half, not better than the present share.",
}
