"""The lab: five nodes, `lnd-alice` to `lnd-eve`, with channels of 1,000,000 sat.

As built, there are seven channels, in the order in which they are opened, each
opened by the node named first. As drawn,

    Alice ---- Bob ---- Carol
      |         |         |
      |         |         |
     Eve ------ | ----- Dave

shows six: the five along the edges, and a line down from Bob. A channel has two
ends and that line has one, where it meets the line from Eve to Dave. It is read
as bob-eve, because that is the channel which the built network has there; so the
drawing is the built network without alice-carol.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import ChannelId, derive_node_id
from lightninglens.core.units import MAX_UINT32, MSAT_PER_SAT, Blocks, Msat, Ppm, Sat

LAB_NODES: Final = ("lnd-alice", "lnd-bob", "lnd-carol", "lnd-dave", "lnd-eve")
LAB_CAPACITY_SAT: Final = Sat(1_000_000)

BUILT_CHANNELS: Final = (
    ("lnd-alice", "lnd-bob"),
    ("lnd-bob", "lnd-carol"),
    ("lnd-carol", "lnd-dave"),
    ("lnd-dave", "lnd-eve"),
    ("lnd-eve", "lnd-alice"),
    ("lnd-alice", "lnd-carol"),
    ("lnd-bob", "lnd-eve"),
)
"""Opener first, in the order of opening."""

DRAWN_CHANNELS: Final = tuple(pair for pair in BUILT_CHANNELS if pair != ("lnd-alice", "lnd-carol"))

_FUNDING_BLOCK: Final = 202
"""The first block after the 201 that make regtest coins spendable."""

_LND_DEFAULT: Final = ChannelPolicy(
    base_fee_msat=Msat(1000),
    fee_rate_ppm=Ppm(1),
    time_lock_delta_blocks=Blocks(80),
    min_htlc_msat=Msat(1000),
    max_htlc_msat=Msat(LAB_CAPACITY_SAT * MSAT_PER_SAT * 99 // 100),
)
"""LND's defaults (`chainreg` and `config.go`); the largest HTLC is the capacity less 1 % reserve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabTopology:
    """The lab's graph with what a public graph does not tell."""

    graph: NetworkGraph
    names: tuple[str, ...]
    """Of each node row; also its alias."""
    openers: tuple[int, ...]
    """Node row of each channel's opener."""


def lab_topology(seed: int, *, drawn: bool = False, fee_rates_ppm: Mapping[str, int] | None = None) -> LabTopology:
    """Return the lab as built, or as drawn; node ids are those of `derive_node_id(seed, name)`.

    Every direction has LND's default policy; `fee_rates_ppm` gives nodes, by
    name, another fee rate on all their channels.

    Raises:
        ConfigError: a fee rate is for a node that does not exist, or out of range.
    """
    rates = dict.fromkeys(LAB_NODES, int(_LND_DEFAULT.fee_rate_ppm)) | _checked(fee_rates_ppm or {})
    pairs = DRAWN_CHANNELS if drawn else BUILT_CHANNELS
    node_ids = tuple(derive_node_id(seed, name) for name in LAB_NODES)
    ends = np.array([[LAB_NODES.index(name) for name in pair] for pair in pairs], np.int32)
    lesser_first = np.array([sorted(pair, key=node_ids.__getitem__) for pair in ends], np.int32)
    policies = PolicyColumns.unknown(2 * len(pairs))
    for direction, row in enumerate(lesser_first.reshape(-1)):
        policies.put(direction, _policy(rates[LAB_NODES[row]]))
    graph = NetworkGraph(
        node_ids=node_ids,
        aliases=LAB_NODES,
        channel_ids=np.array([ChannelId.of(_FUNDING_BLOCK + row, 1, 0) for row in range(len(pairs))], np.uint64),
        node1=lesser_first[:, 0].copy(),
        node2=lesser_first[:, 1].copy(),
        capacity_sat=np.full(len(pairs), LAB_CAPACITY_SAT, np.int64),
        policies=policies,
    )
    return LabTopology(graph=graph, names=LAB_NODES, openers=tuple(int(opener) for opener in ends[:, 0]))


def with_capacity(graph: NetworkGraph, capacity_sat: int) -> NetworkGraph:
    """Return the lab with channels of another capacity; the largest HTLC follows it."""
    policies = graph.policies.copy()
    policies.max_htlc_msat[:] = capacity_sat * MSAT_PER_SAT * 99 // 100
    return dataclasses.replace(graph, capacity_sat=np.full_like(graph.capacity_sat, capacity_sat), policies=policies)


def _policy(fee_rate_ppm: int) -> ChannelPolicy:
    return ChannelPolicy(
        base_fee_msat=_LND_DEFAULT.base_fee_msat,
        fee_rate_ppm=Ppm(fee_rate_ppm),
        time_lock_delta_blocks=_LND_DEFAULT.time_lock_delta_blocks,
        min_htlc_msat=_LND_DEFAULT.min_htlc_msat,
        max_htlc_msat=_LND_DEFAULT.max_htlc_msat,
    )


def _checked(fee_rates_ppm: Mapping[str, int]) -> dict[str, int]:
    for name, rate in fee_rates_ppm.items():
        if name not in LAB_NODES:
            raise ConfigError(f"no lab node is called {name!r}; there are {', '.join(LAB_NODES)}")
        if not 0 <= rate <= MAX_UINT32:
            raise ConfigError(f"fee rate of {name}: {rate} ppm is out of range (0 to {MAX_UINT32})")
    return dict(fee_rates_ppm)
