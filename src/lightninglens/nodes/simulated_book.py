"""What simulated nodes write down beside the engine: forwards, circular payments. And what they refuse, as LND does."""

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.costs import SelfPayment
from lightninglens.core.forwards import Forward, ForwardPage
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.node import ClosedChannel
from lightninglens.core.units import MAX_UINT32, MSAT_PER_SAT, Msat, Sat, UnixNs
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import Harvest

MAX_KEPT_FORWARDS = 200_000
"""Of one node; the oldest go first, and the coverage shrinks with them."""
MAX_KEPT_SELF_PAYMENTS = 200_000
"""Of one node."""
LEAST_TIME_LOCK_DELTA_BLOCKS = 24
MOST_TIME_LOCK_DELTA_BLOCKS = 2_016


class ForwardBook:
    """The settled forwards of observed nodes, each with the time from which it is complete."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._since_ns: dict[int, int] = {}
        self._forwards: dict[int, deque[Forward]] = {}

    def begin(self, node: int, now_ns: int) -> None:
        """Note that a node is observed from now on, unless it already is."""
        self._since_ns.setdefault(node, now_ns)

    def write(self, graph: NetworkGraph, events: NDArray[np.void]) -> None:
        """Keep the forwards that settled among these rows of HTLC_ROW."""
        settled = (events["kind"] == HtlcEventKind.SETTLE) & (events["event_type"] == HtlcEventType.FORWARD)
        for row in events[settled]:
            node = int(row["node"])
            self.begin(node, self._start_ns)  # observed by somebody before the first question
            kept = self._forwards.setdefault(node, deque())
            earliest_ns = kept[-1].settled_ns + 1 if kept else 0
            if len(kept) == MAX_KEPT_FORWARDS:
                self._since_ns[node] = kept.popleft().settled_ns + 1
            kept.append(_forward(graph, row, earliest_ns))

    def pages(self, node: int, since_ns: int, until_ns: int, size: int) -> Iterator[ForwardPage]:
        """Yield a node's forwards of this time, oldest first."""
        found = [each for each in self._forwards.get(node, ()) if since_ns <= each.settled_ns < until_ns]
        start_ns = max(since_ns, self._since_ns.get(node, until_ns))
        for first in range(0, max(len(found), 1), size):
            page = tuple(found[first : first + size])
            is_last = first + size >= len(found)
            end_ns = until_ns if is_last else page[-1].settled_ns + 1
            yield ForwardPage(
                forwards=page, covered_from_ns=UnixNs(min(start_ns, end_ns)), covered_until_ns=UnixNs(end_ns)
            )
            start_ns = end_ns


class SelfPaymentBook:
    """The payments to themselves of all nodes, since the world began."""

    def __init__(self) -> None:
        self._payments: dict[int, deque[SelfPayment]] = {}

    def write(self, graph: NetworkGraph, harvest: Harvest) -> None:
        """Keep the attempts that settled at the node that sent them."""
        attempts = harvest.attempts
        if not len(attempts):
            return
        ends = np.cumsum(attempts["hops"])
        last, targets = harvest.routes[ends - 1], graph.targets()
        circular = (attempts["code"] == FailureCode.NONE) & (targets[last] == attempts["sender"])
        for place in np.flatnonzero(circular).tolist():
            row = attempts[place]
            first = int(harvest.routes[int(ends[place]) - int(row["hops"])])
            kept = self._payments.setdefault(int(row["sender"]), deque(maxlen=MAX_KEPT_SELF_PAYMENTS))
            kept.append(
                SelfPayment(
                    payment_hash=f"{int(row['payment_id']):064x}",
                    part=int(row["number"]),
                    settled_ns=UnixNs(int(row["end_ns"])),
                    outgoing_channel_id=graph.channel_id(first // 2),
                    incoming_channel_id=graph.channel_id(int(last[place]) // 2),
                    amount_msat=Msat(int(row["amount_msat"])),
                    fee_msat=Msat(int(row["fee_msat"])),
                )
            )

    def since(self, node: int, since_ns: int) -> tuple[SelfPayment, ...]:
        """Return what a node has paid itself and what settled at or after a time, oldest first."""
        return tuple(each for each in self._payments.get(node, ()) if each.settled_ns >= since_ns)


def _forward(graph: NetworkGraph, row: NDArray[np.void], earliest_ns: int) -> Forward:
    return Forward(
        settled_ns=UnixNs(max(int(row["timestamp_ns"]), earliest_ns)),
        incoming_channel_id=graph.channel_id(int(row["incoming_direction"]) // 2),
        outgoing_channel_id=graph.channel_id(int(row["outgoing_direction"]) // 2),
        incoming_amount_msat=Msat(int(row["incoming_amount_msat"])),
        outgoing_amount_msat=Msat(int(row["outgoing_amount_msat"])),
        incoming_htlc_id=int(row["incoming_htlc_id"]),
        outgoing_htlc_id=int(row["outgoing_htlc_id"]),
    )


def closed_channels(engine: Engine, node: int) -> tuple[ClosedChannel, ...]:
    """Return a node's channels that were closed."""
    graph = engine.graph
    own = np.flatnonzero((graph.node1 == node) | (graph.node2 == node)).tolist()
    return tuple(_closed(graph, channel, node) for channel in own if engine.is_closed(channel))


def _closed(graph: NetworkGraph, channel: int, node: int) -> ClosedChannel:
    first = int(graph.node1[channel])
    peer = int(graph.node2[channel]) if first == node else first
    return ClosedChannel(
        channel_id=ChannelId(graph.channel_id(channel)),
        channel_point="",
        peer_id=NodeId(graph.node_ids[peer]),
        capacity_sat=Sat(int(graph.capacity_sat[channel])),
        settled_sat=None,
        close_height=None,
        closure=None,
        opener=None,
    )


def reason_to_refuse(policy: ChannelPolicy, capacity_sat: int) -> str:
    """Return why LND would refuse a policy, or an empty text."""
    delta = policy.time_lock_delta_blocks
    problems = (
        (
            not (0 <= policy.base_fee_msat <= MAX_UINT32 and 0 <= policy.fee_rate_ppm <= MAX_UINT32),
            f"base fee and fee rate must be from 0 to {MAX_UINT32}",
        ),
        (
            policy.inbound_base_fee_msat > 0 or policy.inbound_fee_rate_ppm > 0,
            "positive values for inbound fees are not supported",
        ),
        (
            delta < LEAST_TIME_LOCK_DELTA_BLOCKS,
            f"time lock delta of {delta} is too small, minimum supported is {LEAST_TIME_LOCK_DELTA_BLOCKS}",
        ),
        (
            delta > MOST_TIME_LOCK_DELTA_BLOCKS,
            f"time lock delta of {delta} is too big, maximum supported is {MOST_TIME_LOCK_DELTA_BLOCKS}",
        ),
        (
            not 0 <= policy.min_htlc_msat <= policy.max_htlc_msat,
            f"min htlc {policy.min_htlc_msat} msat is not from 0 to max htlc {policy.max_htlc_msat} msat",
        ),
        (
            policy.max_htlc_msat > capacity_sat * MSAT_PER_SAT,
            f"max htlc {policy.max_htlc_msat} msat is above the channel's capacity",
        ),
    )
    return next((text for wrong, text in problems if wrong), "")
