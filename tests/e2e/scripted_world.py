"""A small network that pays by script: same seed, same payments, in the service's wire format."""

from __future__ import annotations

import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

START_MS = 1_767_225_600_000
CAPACITY_SAT = 1_000_000
COMMIT_FEE_SAT = 3_140
ANCHORS_SAT = 660
HOLDABLE_MSAT = (CAPACITY_SAT - COMMIT_FEE_SAT - ANCHORS_SAT) * 1000

PLACES = {
    "lnd-alice": (-1.4, 0.9),
    "lnd-bob": (0.0, 1.25),
    "lnd-carol": (1.4, 0.9),
    "lnd-dave": (1.0, -0.6),
    "lnd-eve": (-1.0, -0.6),
}
LINKS = (
    ("lnd-alice", "lnd-bob", 0.62),
    ("lnd-bob", "lnd-carol", 0.35),
    ("lnd-carol", "lnd-dave", 0.5),
    ("lnd-dave", "lnd-eve", 0.81),
    ("lnd-eve", "lnd-alice", 0.44),
    ("lnd-alice", "lnd-carol", 0.07),
    ("lnd-bob", "lnd-eve", 0.55),
)
PURPOSES = ("Coffee purchase", "Book", "Podcast tip", "Game item", "Server rent", "Lunch")


def node_id(name: str) -> str:
    """Return a made-up key of the right form for a node of the script."""
    return "02" + name.encode().hex().ljust(64, "0")[:64]


def _policy(fee_rate_ppm: int) -> Json:
    return {
        "base_fee_msat": 1000,
        "fee_rate_ppm": fee_rate_ppm,
        "time_lock_delta_blocks": 80,
        "min_htlc_msat": 1000,
        "max_htlc_msat": 990_000_000,
        "inbound_base_fee_msat": 0,
        "inbound_fee_rate_ppm": -20 if fee_rate_ppm > 400 else 0,
        "disabled": False,
    }


def _attempt(payment: Json, number: int, carried_msat: int, failed_hop: int | None) -> Json:
    started_ms = payment["started_ms"] + 200 * number
    return {
        "started_ms": started_ms,
        "ended_ms": started_ms + 180,
        "route_channel_ids": payment["route_channel_ids"],
        "route_node_ids": payment["route_node_ids"],
        "hop_amounts_msat": [carried_msat for _ in payment["route_channel_ids"]],
        "settled": failed_hop is None,
        "failed_hop": failed_hop,
        "code": "SETTLED" if failed_hop is None else "TEMPORARY_CHANNEL_FAILURE",
        "detail": "" if failed_hop is None else "INSUFFICIENT_BALANCE",
    }


def _channels() -> dict[str, Json]:
    channels: dict[str, Json] = {}
    for index, (first, second, share) in enumerate(LINKS):
        channel_id = f"{103 + index}x1x0"
        held_msat = int(HOLDABLE_MSAT * share)
        channels[channel_id] = {
            "channel_id": channel_id,
            "node1_id": node_id(first),
            "node2_id": node_id(second),
            "capacity_sat": CAPACITY_SAT,
            "node1_local_msat": held_msat,
            "node2_local_msat": HOLDABLE_MSAT - held_msat,
            "commit_fee_sat": COMMIT_FEE_SAT,
            "unsettled_msat": 0,
            "pending_htlcs": 0,
            "opener_id": node_id(first),
            "node1_policy": _policy(50 + 80 * index),
            "node2_policy": None if index == 6 else _policy(500 - 60 * index),
        }
    return channels


@dataclass(slots=True)
class ScriptedWorld:
    """The state behind the scripted service; `step` makes the next payment."""

    seed: int = 7
    name: str = "lab"
    mode: str = "simulated"
    random: random.Random = field(init=False)
    channels: dict[str, Json] = field(default_factory=_channels)
    payments: list[Json] = field(default_factory=list)
    world_ms: int = START_MS
    succeeded: int = 0
    total: int = 0
    volume_msat: int = 0
    fees_msat: int = 0
    rebalances: int = 0
    rebalanced_msat: int = 0
    rebalance_cost_msat: int = 0
    speed: float = 1

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def nodes(self) -> list[Json]:
        """Return the nodes as the wire has them."""
        rows = []
        for name, (x, y) in PLACES.items():
            count = sum(name in link[:2] for link in LINKS)
            rows.append(
                {
                    "node_id": node_id(name),
                    "name": name,
                    "x": x,
                    "y": y,
                    "capacity_sat": count * CAPACITY_SAT,
                    "channel_count": count,
                }
            )
        return rows

    def stats(self) -> Json:
        """Return the statistics as the wire has them."""
        return {
            "world_ms": self.world_ms,
            "speed": self.speed,
            "payments": self.total,
            "succeeded": self.succeeded,
            "success_rate": self.succeeded / self.total if self.total else None,
            "volume_msat": self.volume_msat,
            "fees_msat": self.fees_msat,
            "rebalances": self.rebalances,
            "rebalanced_msat": self.rebalanced_msat,
            "rebalance_cost_msat": self.rebalance_cost_msat,
        }

    def snapshot(self) -> Json:
        """Return everything a client needs to start."""
        return {
            "network": {
                "name": self.name,
                "mode": self.mode,
                "nodes": self.nodes(),
                "channels": list(self.channels.values()),
            },
            "payments": self.payments[-200:],
            "stats": self.stats(),
        }

    def step(self) -> tuple[list[Json], Json]:
        """Make the next payment; return the channels it changed, and the payment."""
        self.world_ms += 700
        number = self.total + self.rebalances + 1
        if number % 12 == 0:
            return self._rebalance(number)
        sender, receiver = self.random.sample(list(PLACES), 2)
        amount_msat = int(self.random.lognormvariate(17.6, 1.1))
        return self.pay(sender, receiver, amount_msat, self.random.choice(PURPOSES))

    def pay(self, sender: str, receiver: str, amount_msat: int, description: str) -> tuple[list[Json], Json]:
        """Pay along the shortest route; it fails where a balance is too small."""
        self.total += 1
        route = self._shortest(node_id(sender), node_id(receiver))
        payment = self._payment("payment", sender, receiver, amount_msat, description, route)
        changed = self._carry(payment, route)
        if payment["succeeded"]:
            self.succeeded += 1
            self.volume_msat += amount_msat
            self.fees_msat += payment["fee_msat"]
        return changed, payment

    def _rebalance(self, number: int) -> tuple[list[Json], Json]:
        return self.circle(("lnd-alice", "lnd-eve", "lnd-bob", "lnd-alice"), 40_000_000 + 1_000_000 * (number % 7))

    def circle(self, names: tuple[str, ...], amount_msat: int) -> tuple[list[Json], Json]:
        """Pay from a node to itself along a circle."""
        cycle = [node_id(name) for name in names]
        route = [self._between(first, second) for first, second in itertools.pairwise(cycle)]
        steps = list(zip(cycle, route, strict=False))
        payment = self._payment("rebalance", names[0], names[0], amount_msat, "Circular rebalance", steps)
        changed = self._carry(payment, steps)
        self.rebalances += 1
        if payment["succeeded"]:
            self.rebalanced_msat += amount_msat
            self.rebalance_cost_msat += payment["fee_msat"]
        return changed, payment

    def _payment(
        self,
        kind: str,
        sender: str,
        receiver: str,
        amount_msat: int,
        description: str,
        route: list[tuple[str, str]],
    ) -> Json:
        route_nodes = [start for start, _ in route]
        return {
            "payment_id": self.total + self.rebalances + (kind == "rebalance"),
            "kind": kind,
            "started_ms": self.world_ms,
            "duration_ms": 240 * len(route) + amount_msat % 97,
            "sender_id": node_id(sender),
            "receiver_id": node_id(receiver),
            "sender_name": sender,
            "receiver_name": receiver,
            "amount_msat": amount_msat,
            "fee_msat": 0,
            "succeeded": True,
            "outcome": "SUCCEEDED",
            "failure": None,
            "attempts": 1,
            "route_channel_ids": [channel_id for _, channel_id in route],
            "route_node_ids": [*route_nodes, node_id(receiver)],
            "description": description,
            "attempt_log": [],
        }

    def _carry(self, payment: Json, route: list[tuple[str, str]]) -> list[Json]:
        amount_msat: int = payment["amount_msat"]
        fee_msat = sum(1000 + amount_msat // 10_000 for _ in route[1:])
        carried = amount_msat + fee_msat
        for start, channel_id in route:
            if self.channels[channel_id][self._side(start, channel_id)] < carried:
                payment["succeeded"] = False
                payment["outcome"] = "FAILED_ON_ROUTE"
                payment["attempts"] = 3
                payment["failure"] = {
                    "code": "TEMPORARY_CHANNEL_FAILURE",
                    "detail": "INSUFFICIENT_BALANCE",
                    "channel_id": channel_id,
                }
                failed_hop = payment["route_channel_ids"].index(channel_id)
                payment["attempt_log"] = [_attempt(payment, number, carried, failed_hop) for number in range(3)]
                return []
        payment["fee_msat"] = fee_msat
        if route:
            payment["attempt_log"] = [_attempt(payment, 0, carried, None)]
        changed = []
        for position, (start, channel_id) in enumerate(route):
            moved = carried if position < len(route) - 1 else amount_msat
            channel = dict(self.channels[channel_id])
            near = self._side(start, channel_id)
            far = "node2_local_msat" if near == "node1_local_msat" else "node1_local_msat"
            channel[near] -= moved
            channel[far] += moved
            self.channels[channel_id] = channel
            changed.append(channel)
        return changed

    def _side(self, start: str, channel_id: str) -> str:
        is_first = self.channels[channel_id]["node1_id"] == start
        return "node1_local_msat" if is_first else "node2_local_msat"

    def _between(self, first: str, second: str) -> str:
        return next(
            channel_id
            for channel_id, channel in self.channels.items()
            if {channel["node1_id"], channel["node2_id"]} == {first, second}
        )

    def _shortest(self, start: str, goal: str) -> list[tuple[str, str]]:
        queue: deque[tuple[str, list[tuple[str, str]]]] = deque([(start, [])])
        seen = {start}
        while queue:
            here, path = queue.popleft()
            if here == goal:
                return path
            for channel_id, channel in self.channels.items():
                ends = (channel["node1_id"], channel["node2_id"])
                if here in ends:
                    other = ends[1] if ends[0] == here else ends[0]
                    if other not in seen:
                        seen.add(other)
                        queue.append((other, [*path, (here, channel_id)]))
        return []
