"""Observations of a small network, made up for tests of learning: three nodes in a triangle, all seen."""

import itertools
import random
from collections.abc import Iterator

from lightninglens.core.htlc import FailureCode
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.observations import AttemptSeen, ChannelSeen, Observation, PaymentSeen
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR, NS_PER_SECOND, Msat, Sat, UnixNs

START_NS = 1_767_571_200 * NS_PER_SECOND
CAPACITY_SAT = 1_000_000
PAIRS = (("a", "b"), ("b", "c"), ("a", "c"))
CHANNELS = {frozenset(pair): ChannelId.of(100 + row, 1, 0) for row, pair in enumerate(PAIRS)}


def seen(channel: ChannelId, ends: tuple[str, str], time_ns: int, local_sat: int, remote_sat: int) -> ChannelSeen:
    return ChannelSeen(
        seen_ns=UnixNs(time_ns),
        channel_id=channel,
        node1_id=ends[0],
        node2_id=ends[1],
        capacity_sat=Sat(CAPACITY_SAT),
        node1_local_msat=Msat(local_sat * MSAT_PER_SAT),
        node2_local_msat=Msat(remote_sat * MSAT_PER_SAT),
    )


def attempt(
    nodes: str, amounts_msat: tuple[int, ...], time_ns: int = START_NS, *, failed_hop: int | None = None
) -> AttemptSeen:
    """Return an attempt along nodes with one letter each; it settles unless a hop fails."""
    hops = list(itertools.pairwise(nodes))
    return AttemptSeen(
        started_ns=UnixNs(time_ns - NS_PER_SECOND),
        ended_ns=UnixNs(time_ns),
        channel_ids=tuple(CHANNELS[frozenset(hop)] for hop in hops),
        node_ids=tuple(NodeId(node) for node in nodes),
        hop_amounts_msat=tuple(Msat(amount) for amount in amounts_msat),
        failed_hop=failed_hop,
        settled=failed_hop is None,
        code=FailureCode.NONE if failed_hop is None else FailureCode.TEMPORARY_CHANNEL_FAILURE,
    )


def payment(
    nodes: str,
    amount_msat: int,
    *attempts: AttemptSeen,
    time_ns: int = START_NS,
    kind: str = "payment",
    attempts_known: bool = True,
    succeeded: bool | None = None,
) -> PaymentSeen:
    """Return a payment from the first to the last of `nodes`."""
    arrived = any(one.settled for one in attempts) if succeeded is None else succeeded
    return PaymentSeen(
        payment_id=f"{time_ns}",
        kind="rebalance" if kind == "rebalance" else "payment",
        started_ns=UnixNs(time_ns - NS_PER_SECOND),
        ended_ns=UnixNs(time_ns),
        sender_id=nodes[0],
        receiver_id=nodes[-1],
        amount_msat=Msat(amount_msat),
        fee_msat=Msat(attempts[-1].hop_amounts_msat[0] - amount_msat if arrived and attempts else 0),
        succeeded=arrived,
        attempts=tuple(attempts) if attempts_known else None,
    )


def network(hours: float, seed: int = 1, *, attempts_known: bool = True) -> list[Observation]:
    """Return a day or so of the triangle: forty payments an hour, more to `c` than back, over one or two hops."""
    return list(_network(hours, random.Random(seed), attempts_known=attempts_known))


def _network(hours: float, draw: random.Random, *, attempts_known: bool) -> Iterator[Observation]:
    local = {(channel, end): CAPACITY_SAT * 500 for pair, channel in CHANNELS.items() for end in pair}
    time_ns, next_seen_ns, tide = START_NS, START_NS, 0.5
    while time_ns < START_NS + hours * NS_PER_HOUR:
        if time_ns >= next_seen_ns:
            for ends in PAIRS:
                channel = CHANNELS[frozenset(ends)]
                sat = [local[channel, end] // MSAT_PER_SAT for end in ends]
                yield seen(channel, ends, time_ns, sat[0], sat[1])
            next_seen_ns += 300 * NS_PER_SECOND
            tide = min(max(tide + draw.uniform(-0.1, 0.1), 0.1), 0.9)
        time_ns += int(draw.expovariate(40) * NS_PER_HOUR) + 1
        sender, receiver = draw.choice(("ac", "bc", "ab")) if draw.random() < tide else draw.choice(("ca", "cb", "ba"))
        amount = int(draw.lognormvariate(17.5, 1.0)) + 1_000
        yield _pay(local, sender, receiver, amount, time_ns, attempts_known=attempts_known)


def _pay(
    local: dict[tuple[ChannelId, str], int],
    sender: str,
    receiver: str,
    amount: int,
    time_ns: int,
    *,
    attempts_known: bool,
) -> PaymentSeen:
    between = next(node for node in "abc" if node not in (sender, receiver))
    attempts = []
    for route, amounts in ((sender + receiver, (amount,)), (sender + between + receiver, (amount + 1_000, amount))):
        hops = [(CHANNELS[frozenset(hop)], *hop) for hop in itertools.pairwise(route)]
        short = [
            index
            for index, (hop, sent) in enumerate(zip(hops, amounts, strict=True))
            if local[hop[0], hop[1]] - sent < CAPACITY_SAT * 10
        ]
        if short and short[0] == 0:
            continue  # the sender knows its own balance
        attempts.append(attempt(route, amounts, time_ns, failed_hop=short[0] if short else None))
        if not short:
            for hop, sent in zip(hops, amounts, strict=True):
                local[hop[0], hop[1]] -= sent
                local[hop[0], hop[2]] += sent
            break
    return payment(sender + receiver, amount, *attempts, time_ns=time_ns, attempts_known=attempts_known)
