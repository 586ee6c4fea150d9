"""Small random networks in which everything that can be odd is odd sometimes."""

import random
from collections.abc import Sequence

import numpy as np

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Blocks, Msat, Ppm

Channel = tuple[int, int, int]
"""(node, node, capacity in sat)"""


def plain_policy(
    *,
    base_msat: int = 1_000,
    rate_ppm: int = 100,
    delta_blocks: int = 40,
    min_msat: int = 1,
    max_msat: int = 0,
    inbound_base_msat: int = 0,
    inbound_rate_ppm: int = 0,
    disabled: bool = False,
) -> ChannelPolicy:
    """Return a policy, ordinary but for what is given."""
    return ChannelPolicy(
        base_fee_msat=Msat(base_msat),
        fee_rate_ppm=Ppm(rate_ppm),
        time_lock_delta_blocks=Blocks(delta_blocks),
        min_htlc_msat=Msat(min_msat),
        max_htlc_msat=Msat(max_msat),
        inbound_base_fee_msat=Msat(inbound_base_msat),
        inbound_fee_rate_ppm=Ppm(inbound_rate_ppm),
        disabled=disabled,
    )


def build_graph(
    nodes: int, channels: Sequence[Channel], policies: Sequence[ChannelPolicy | None] | None = None
) -> NetworkGraph:
    """Return a graph; `policies` has one entry per direction, all plain when it is not given."""
    columns = PolicyColumns.unknown(2 * len(channels))
    for direction in range(2 * len(channels)):
        policy = plain_policy() if policies is None else policies[direction]
        if policy is not None:
            columns.put(direction, policy)
    return NetworkGraph(
        node_ids=[NodeId(f"02{node:064x}") for node in range(nodes)],
        aliases=[f"node-{node}" for node in range(nodes)],
        channel_ids=np.array([ChannelId.of(700_000 + row, 1, 0) for row in range(len(channels))], np.uint64),
        node1=np.array([channel[0] for channel in channels], np.int32),
        node2=np.array([channel[1] for channel in channels], np.int32),
        capacity_sat=np.array([channel[2] for channel in channels], np.int64),
        policies=columns,
    )


def draw_policy(draw: random.Random, capacity_sat: int) -> ChannelPolicy | None:
    """Draw a policy, or None for a direction that was never announced."""
    if draw.random() < 0.04:
        return None
    free = draw.random() < 0.15
    return plain_policy(
        base_msat=0 if free else draw.choice([0, 1, 999, 1_000, 5_000]),
        rate_ppm=0 if free else draw.choice([0, 1, 7, 100, 1_000, 2_500, 30_000]),
        delta_blocks=draw.choice([0, 6, 18, 40, 40, 80, 144, 400]),
        min_msat=draw.choice([0, 1, 1, 1_000, 1_000_000]),
        max_msat=draw.choice([0, 0, capacity_sat * 990, capacity_sat * 500, 2_000_000]),
        inbound_base_msat=draw.choice([0, 0, 0, -500, -2_000, 700]),
        inbound_rate_ppm=draw.choice([0, 0, 0, -50, -2_000, 300, -20_000_000, 11_000_000]),
        disabled=draw.random() < 0.06,
    )


def draw_channels(draw: random.Random) -> tuple[int, list[Channel]]:
    """Draw the shape: (number of nodes, channels)."""
    shape = draw.choice(["line", "ring", "star", "clique", "sparse", "sparse", "dense", "long"])
    nodes = {"line": 6, "ring": 7, "star": 8, "clique": 4, "sparse": 12, "dense": 9, "long": 31}[shape]
    pairs: list[tuple[int, int]] = []
    if shape in ("line", "ring", "long"):
        pairs = [(node, node + 1) for node in range(nodes - 1)]
    if shape == "ring":
        pairs.append((0, nodes - 1))
    if shape == "star":
        pairs = [(0, node) for node in range(1, nodes)]
    if shape == "clique":
        pairs = [(low, high) for high in range(nodes) for low in range(high)] * 2
    if shape in ("sparse", "dense"):
        pairs = [(draw.randrange(node), node) for node in range(1, nodes)]
        extra = nodes if shape == "sparse" else 3 * nodes
        pairs += [tuple(sorted(draw.sample(range(nodes), 2))) for _ in range(extra)]  # type: ignore[misc]
    pairs += [draw.choice(pairs) for _ in range(draw.choice([0, 0, 1, 4]))]
    sizes = draw.choice([(20_000, 50_000), (500_000, 1_000_000, 1_000_000, 5_000_000), (1_000_000,)])
    return nodes, [(low, high, draw.choice(sizes)) for low, high in pairs]


def draw_graph(draw: random.Random) -> NetworkGraph:
    """Draw a network; in a third of them all policies are alike, so that there are ties."""
    nodes, channels = draw_channels(draw)
    same = plain_policy(base_msat=draw.choice([0, 1_000]), rate_ppm=draw.choice([0, 100]))
    alike = draw.random() < 1 / 3
    policies = [same if alike else draw_policy(draw, channel[2]) for channel in channels for _ in range(2)]
    return build_graph(nodes, channels, policies)
