"""Features of a channel side: what its node could know at a moment, from balances and flows until then.

One implementation: the running learner and the building of data sets both feed
a `FeatureTracker`, an observation at a time. A row never looks ahead.
"""

import math
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from lightninglens.core.ids import ChannelId
from lightninglens.core.observations import ChannelSeen, Observation, PaymentSeen
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR, PPM
from lightninglens.learn._decay import HALF_LIFE_NAMES, DecayedSums, effective_hours
from lightninglens.learn.flows import Flow, flows_of

HORIZON_H: Final = 6.0
"""How far the features that look along the present trend look."""

_LONG: Final = 2
"""Index of the longest half-life."""

_DAY_S: Final = 86_400

_BALANCES: Final = {
    "capacity": "capacity of the channel, sat",
    "local_balance": "what the node holds, sat",
    "remote_balance": "what the peer holds, sat",
    "balance_ratio": "local balance as a share of what both hold",
    "balance_velocity": "change of the local share per hour, over the last hour or since the first balance seen",
    "liquidity_stress": "the greater of both shares: 0.5 in balance, 1 when one side is empty",
    "node_balance_ratio": "local share over all channels of the node",
    "peer_balance_ratio": "local share of the peer over all its channels (known only where the whole network is seen)",
}
_TIMES: Final = {
    "hour_of_day": "hour of the day (UTC), with fraction",
    "hour_sin": "hour of the day as a point on a circle: sine",
    "hour_cos": "hour of the day as a point on a circle: cosine",
    "day_of_week": "day of the week, Monday 0",
    "observed_hours": "hours since the first observation, at most 24",
}
_NODE: Final = {
    "sent_count": "payments that the node sent and that arrived, per hour (half-life 8 h, as all that follow)",
    "received_count": "payments that the node received, per hour",
    "sent_amount": "volume that the node sent, in shares of the channel per hour",
    "received_amount": "volume that the node received, in shares of the channel per hour",
    "sender_success_rate": "share of the payments that the node wanted to send and that arrived",
    "avg_sent_amount": "mean of a payment sent, as a share of the channel",
    "avg_received_amount": "mean of a payment received, as a share of the channel",
    "avg_fee": "mean fee of a payment sent, in ppm of its amount",
    "peer_sent_amount": "volume that the peer sent, in shares of the channel per hour",
    "peer_received_amount": "volume that the peer received, in shares of the channel per hour",
}
_FLOWS: Final = {
    "tx_count": "payments that used or wanted this channel, per hour",
    "success_rate": "share of them that the channel could carry",
    "avg_amount": "mean amount of them, as a share of the channel",
    "forward_fee_ppm": "what the node earns by forwarding out over this channel, in ppm of the amount",
    "largest_out": "largest recent amount that wanted out (halves in 8 h), as a share of the channel",
    "largest_in": "largest recent amount that wanted in (halves in 8 h), as a share of the channel",
    "hours_since_failed_out": "hours since something that wanted out found no liquidity, at most 24",
    "hours_since_failed_in": "hours since something that wanted in found no liquidity, at most 24",
}
_RATES: Final = {
    "out": "volume that left over this channel",
    "in": "volume that came in over it",
    "failed_out": "volume that wanted out and found no liquidity",
    "failed_in": "volume that wanted in and found no liquidity (known only where the whole network is seen)",
}
_TRENDS: Final = {
    "net": "all that wanted in less all that wanted out, in shares of the channel per hour",
    "share_ahead": "share in six hours if that goes on, not cut at 0 and 1",
}
_VALUES: Final = {
    "earned": "fees of forwards that left over this channel, in ppm of the channel per hour",
    "forgone": "fees of forwards that found no liquidity, in ppm of the channel per hour",
    "own_out": "volume of the node's own payments that left over this channel, in shares of the channel per hour",
    "own_lost": "volume of own payments lost for lack of liquidity on it, in shares of the channel per hour",
}
_VALUE_HALF_LIVES: Final = ("2h", "8h")


def _spread(texts: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {
        f"{key}_{name}": f"{text}{', per hour' if texts is _RATES else ''} (half-life {name})"
        for key, text in texts.items()
        for name in names
    }


_HELP: Final = (
    _BALANCES
    | _TIMES
    | _NODE
    | _FLOWS
    | _spread(_RATES, HALF_LIFE_NAMES)
    | _spread(_TRENDS, HALF_LIFE_NAMES)
    | _spread(_VALUES, _VALUE_HALF_LIVES)
)

FEATURE_HELP: Final[Mapping[str, str]] = MappingProxyType(_HELP)
"""What each feature is, in words."""

FULL_FEATURES: Final = tuple(_HELP)
"""All features, in the order of a row."""

REDUCED_FEATURES: Final = tuple(_BALANCES | _TIMES | _NODE)
"""What is left where payments come without their attempts: no flow of a single channel is known then."""

_VOLUME, _COUNT, _FAILED, _FAILED_COUNT, _EARNED, _FORWARDED, _FORGONE, _OWN, _OWN_LOST = range(9)
_SENT, _SENT_COUNT, _RECEIVED, _RECEIVED_COUNT, _FEES, _FEES_KNOWN_OF, _WANTED_COUNT = range(7)


class _Direction:
    """What wanted to move in one direction of a channel."""

    __slots__ = ("failed_ns", "largest_msat", "largest_ns", "sums")

    def __init__(self, start_ns: int) -> None:
        self.sums = DecayedSums(9, start_ns)
        self.failed_ns: int | None = None
        self.largest_msat = 0.0
        self.largest_ns = start_ns

    def take(self, flow: Flow) -> None:
        amount, fee, own = float(flow.amount_msat), float(flow.fee_msat), float(flow.role == "own")
        added = np.zeros(9)
        if flow.settled:
            added[[_VOLUME, _COUNT, _EARNED, _FORWARDED, _OWN]] = amount, 1, fee, amount * (1 - own), amount * own
        else:
            added[[_FAILED, _FAILED_COUNT, _FORGONE, _OWN_LOST]] = amount, 1, fee, amount * own * flow.lost
            self.failed_ns = flow.time_ns
        self.sums.add(flow.time_ns, added)
        self.largest_msat = max(self.largest_at(flow.time_ns), amount)
        self.largest_ns = flow.time_ns

    def largest_at(self, now_ns: int) -> float:
        return self.largest_msat * math.exp2(min(self.largest_ns - now_ns, 0) / (8 * NS_PER_HOUR))


class _Channel:
    """A channel's balances, followed from one report to the next by the flows between."""

    __slots__ = ("ends", "history", "local_msat", "seen")

    def __init__(self, seen: ChannelSeen) -> None:
        self.ends = (seen.node1_id, seen.node2_id)
        self.history: deque[tuple[int, float]] = deque()
        self.take(seen)

    def take(self, seen: ChannelSeen) -> None:
        self.seen = seen
        self.local_msat = [int(seen.node1_local_msat), int(seen.node2_local_msat)]
        self.history.append((int(seen.seen_ns), self.share(0)))
        while len(self.history) > 1 and self.history[1][0] <= seen.seen_ns - NS_PER_HOUR:
            self.history.popleft()

    def move(self, flow: Flow) -> None:
        if flow.from_node_id in self.ends:
            side = self.ends.index(flow.from_node_id)
            amount_msat = min(int(flow.amount_msat), self.local_msat[side])
            self.local_msat[side] -= amount_msat
            self.local_msat[1 - side] += amount_msat

    @property
    def total_msat(self) -> int:
        return sum(self.local_msat)

    def share(self, side: int) -> float:
        return self.local_msat[side] / self.total_msat if self.total_msat else 0.5

    def velocity(self, side: int, now_ns: int) -> float:
        time_ns, share = self.history[0]
        if now_ns <= time_ns:
            return math.nan
        per_hour = (self.share(0) - share) * NS_PER_HOUR / (now_ns - time_ns)
        return -per_hour if side else per_hour


class FeatureTracker:
    """Follows a network's observations in order of time, and says what is known of each channel side."""

    def __init__(self) -> None:
        self._channels: dict[ChannelId, _Channel] = {}
        self._of_node: dict[str, list[tuple[_Channel, int]]] = {}
        self._between: dict[frozenset[str], list[ChannelId]] = {}
        self._directions: dict[tuple[ChannelId, str], _Direction] = {}
        self._nodes: dict[str, DecayedSums] = {}
        self._start_ns: int | None = None

    def observe(self, observation: Observation) -> tuple[Flow, ...]:
        """Take an observation, and return the flows that it means; a balance report means none."""
        if isinstance(observation, ChannelSeen):
            self._begin(observation.seen_ns)
            self._take_channel(observation)
            return ()
        self._begin(observation.ended_ns)
        self._take_payment(observation)
        flows = flows_of(observation, self._between)
        for flow in flows:
            self._take_flow(flow)
        return flows

    def sides(self) -> list[tuple[ChannelId, str]]:
        """Return the sides of all channels whose balances have been seen, both of a channel one after the other."""
        return [(channel_id, end) for channel_id, channel in self._channels.items() for end in channel.ends]

    def share(self, channel_id: ChannelId, node_id: str) -> float:
        """Return the local share as it is now; raises KeyError for a side that has not been seen."""
        channel, side = self._side(channel_id, node_id)
        return channel.share(side)

    def balances_msat(self, channel_id: ChannelId, node_id: str) -> tuple[int, int]:
        """Return local and remote balance as they are now; raises KeyError for a side that has not been seen."""
        channel, side = self._side(channel_id, node_id)
        return channel.local_msat[side], channel.local_msat[1 - side]

    def row(self, channel_id: ChannelId, node_id: str, now_ns: int) -> dict[str, float]:
        """Return `FULL_FEATURES` of a side as of now, NaN where nothing is known.

        Raises KeyError for a side that has not been seen.
        """
        channel, side = self._side(channel_id, node_id)
        peer_id, total = channel.ends[1 - side], float(max(channel.total_msat, 1))
        hours = effective_hours(now_ns - (self._start_ns or 0))
        row = self._balance_features(channel, side, now_ns)
        row |= self._time_features(now_ns)
        row |= self._node_features(node_id, peer_id, now_ns, total, float(hours[_LONG]))
        row |= self._flow_features(channel_id, (node_id, peer_id), now_ns, total, row["balance_ratio"])
        return {name: row[name] for name in FULL_FEATURES}

    def _begin(self, time_ns: int) -> None:
        if self._start_ns is None:
            self._start_ns = time_ns

    def _side(self, channel_id: ChannelId, node_id: str) -> tuple[_Channel, int]:
        channel = self._channels[channel_id]
        if node_id not in channel.ends:
            raise KeyError(node_id)
        return channel, channel.ends.index(node_id)

    def _take_channel(self, seen: ChannelSeen) -> None:
        known = self._channels.get(seen.channel_id)
        if known is not None:
            known.take(seen)
            return
        channel = self._channels[seen.channel_id] = _Channel(seen)
        self._between.setdefault(frozenset(channel.ends), []).append(seen.channel_id)
        for side, end in enumerate(channel.ends):
            self._of_node.setdefault(end, []).append((channel, side))

    def _take_payment(self, payment: PaymentSeen) -> None:
        if payment.kind != "payment" or payment.succeeded is None:
            return
        sent, received = np.zeros(7), np.zeros(7)
        sent[_WANTED_COUNT] = 1
        if payment.succeeded:
            sent[[_SENT, _SENT_COUNT]] = received[[_RECEIVED, _RECEIVED_COUNT]] = payment.amount_msat, 1
            if payment.fee_msat is not None:
                sent[[_FEES, _FEES_KNOWN_OF]] = payment.fee_msat, payment.amount_msat
        self._node(payment.sender_id).add(payment.ended_ns, sent)
        self._node(payment.receiver_id).add(payment.ended_ns, received)

    def _node(self, node_id: str) -> DecayedSums:
        sums = self._nodes.get(node_id)
        if sums is None:
            sums = self._nodes[node_id] = DecayedSums(7, self._start_ns or 0)
        return sums

    def _take_flow(self, flow: Flow) -> None:
        channel = self._channels.get(flow.channel_id)
        if channel is not None and flow.settled:
            channel.move(flow)
        if flow.role != "rebalance":
            self._direction(flow.channel_id, flow.from_node_id).take(flow)

    def _direction(self, channel_id: ChannelId, node_id: str) -> _Direction:
        direction = self._directions.get((channel_id, node_id))
        if direction is None:
            direction = self._directions[channel_id, node_id] = _Direction(self._start_ns or 0)
        return direction

    def _balance_features(self, channel: _Channel, side: int, now_ns: int) -> dict[str, float]:
        share = channel.share(side)
        return {
            "capacity": float(channel.seen.capacity_sat),
            "local_balance": channel.local_msat[side] / MSAT_PER_SAT,
            "remote_balance": channel.local_msat[1 - side] / MSAT_PER_SAT,
            "balance_ratio": share,
            "balance_velocity": channel.velocity(side, now_ns),
            "liquidity_stress": max(share, 1.0 - share),
            "node_balance_ratio": self._share_of_node(channel.ends[side]),
            "peer_balance_ratio": self._share_of_node(channel.ends[1 - side]),
        }

    def _share_of_node(self, node_id: str) -> float:
        own = self._of_node[node_id]
        total = sum(channel.total_msat for channel, _ in own)
        return sum(channel.local_msat[side] for channel, side in own) / total if total else 0.5

    def _time_features(self, now_ns: int) -> dict[str, float]:
        second = now_ns / 1e9 % _DAY_S
        angle = 2 * math.pi * second / _DAY_S
        return {
            "hour_of_day": second / 3_600,
            "hour_sin": math.sin(angle),
            "hour_cos": math.cos(angle),
            # The epoch began on a Thursday.
            "day_of_week": float((now_ns // (_DAY_S * 1_000_000_000) + 3) % 7),
            "observed_hours": min((now_ns - (self._start_ns or 0)) / NS_PER_HOUR, 24.0),
        }

    def _node_features(
        self, node_id: str, peer_id: str, now_ns: int, total_msat: float, hours: float
    ) -> dict[str, float]:
        own, peer = (self._node(end).at(now_ns)[_LONG] for end in (node_id, peer_id))
        return {
            "sent_count": own[_SENT_COUNT] / hours,
            "received_count": own[_RECEIVED_COUNT] / hours,
            "sent_amount": own[_SENT] / total_msat / hours,
            "received_amount": own[_RECEIVED] / total_msat / hours,
            "sender_success_rate": _ratio(own[_SENT_COUNT], own[_WANTED_COUNT]),
            "avg_sent_amount": _ratio(own[_SENT] / total_msat, own[_SENT_COUNT]),
            "avg_received_amount": _ratio(own[_RECEIVED] / total_msat, own[_RECEIVED_COUNT]),
            "avg_fee": _ratio(own[_FEES] * PPM, own[_FEES_KNOWN_OF]),
            "peer_sent_amount": peer[_SENT] / total_msat / hours,
            "peer_received_amount": peer[_RECEIVED] / total_msat / hours,
        }

    def _flow_features(
        self, channel_id: ChannelId, ends: tuple[str, str], now_ns: int, total_msat: float, share: float
    ) -> dict[str, float]:
        out, back = (self._direction(channel_id, end) for end in ends)
        hours = effective_hours(now_ns - (self._start_ns or 0))
        left, came = out.sums.at(now_ns), back.sums.at(now_ns)
        carried = left[_LONG][_COUNT] + came[_LONG][_COUNT]
        wanted = carried + left[_LONG][_FAILED_COUNT] + came[_LONG][_FAILED_COUNT]
        volume = left[_LONG][[_VOLUME, _FAILED]].sum() + came[_LONG][[_VOLUME, _FAILED]].sum()
        row = {
            "tx_count": wanted / hours[_LONG],
            "success_rate": _ratio(carried, wanted),
            "avg_amount": _ratio(volume / total_msat, wanted),
            "forward_fee_ppm": _ratio(left[_LONG][_EARNED] * PPM, left[_LONG][_FORWARDED]),
            "largest_out": out.largest_at(now_ns) / total_msat,
            "largest_in": back.largest_at(now_ns) / total_msat,
            "hours_since_failed_out": _hours_since(out.failed_ns, now_ns),
            "hours_since_failed_in": _hours_since(back.failed_ns, now_ns),
        }
        left, came = (sums / total_msat / hours[:, np.newaxis] for sums in (left, came))
        for index, name in enumerate(HALF_LIFE_NAMES):
            moved_out, moved_in = left[index][_VOLUME], came[index][_VOLUME]
            failed_out, failed_in = left[index][_FAILED], came[index][_FAILED]
            net = moved_in + failed_in - moved_out - failed_out
            row |= {
                f"out_{name}": moved_out,
                f"in_{name}": moved_in,
                f"failed_out_{name}": failed_out,
                f"failed_in_{name}": failed_in,
                f"net_{name}": net,
                f"share_ahead_{name}": share + net * HORIZON_H,
            }
            if name in _VALUE_HALF_LIVES:
                row |= {
                    f"earned_{name}": left[index][_EARNED] * PPM,
                    f"forgone_{name}": left[index][_FORGONE] * PPM,
                    f"own_out_{name}": left[index][_OWN],
                    f"own_lost_{name}": left[index][_OWN_LOST],
                }
        return {key: float(value) for key, value in row.items()}


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 1e-9 else math.nan


def _hours_since(time_ns: int | None, now_ns: int) -> float:
    return 24.0 if time_ns is None else min((now_ns - time_ns) / NS_PER_HOUR, 24.0)
