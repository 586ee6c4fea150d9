"""A synthetic mainnet: the network to simulate on when a user has no graph.

Its statistics are those of the real network (`mainnet_fit`): degrees, which
degrees join which, parallel channels, capacities, which channels are unusable,
and policies. Each column is made in two steps: a score per channel or direction
that carries the dependencies (on the degrees, on the node, on the capacity), and
then the measured quantile at the rank of that score. So every marginal
distribution is right in every draw, whatever the size.

What it does not have: geography, policies that react to their neighbours, the
few hubs' individual habits, inbound fees. Channels that are unusable have no
policy at all, since the source does not tell disabled from unknown.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import ChannelId, derive_node_id
from lightninglens.core.rng import Stream, normals, uniforms
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.sim.topology import mainnet_fit as fit
from lightninglens.sim.topology.wiring import degree_sequence, wire

MAINNET_NODES: Final = 17_324
MAINNET_CHANNELS: Final = 50_808
MAX_NODES: Final = 200_000
MAX_CHANNELS: Final = 1_000_000

_FIRST_BLOCK: Final = 100_000
_UPDATE_S: Final = 1_770_076_800
"""3 February 2026, the day of the graph that the constants come from."""


class _Draw(IntEnum):
    """Entity of each family of draws."""

    CAPACITY = 1
    STALE_NODE = 2
    UNUSABLE = 3
    ONE_WAY = 4
    POLICY_NODE = 16
    POLICY_DIRECTION = 32


def channels_for(nodes: int) -> int:
    """Return how many channels a network of this size has, in mainnet's proportion."""
    return max(round(nodes * fit.CHANNELS_PER_NODE), nodes - 1)


def synthetic_graph(nodes: int, channels: int, seed: int) -> NetworkGraph:
    """Return a network with mainnet's statistics; the same for the same arguments.

    Raises:
        ConfigError: a size or the seed is out of range, or there are too few
            channels to give each node one.
    """
    _check(nodes, channels, seed)
    degrees = degree_sequence(nodes, channels)
    class_of = _classes(degrees, seed)
    ends = wire(degrees, class_of, seed)
    pair = _class_pairs(class_of, ends)
    capacity_score = _capacity_scores(pair, seed)
    capacity_sat = _at_ranks(capacity_score, fit.CAPACITY_QUANTILES_SAT)
    stale: NDArray[np.bool_] = np.asarray((class_of[ends] >= len(fit.STALE)).any(axis=1), np.bool_)
    usable = _usable(stale, pair, _normal_scores(capacity_score), seed)
    policies = _policies(ends, usable, capacity_sat, _normal_scores(capacity_score), seed)
    return _graph(ends, capacity_sat, policies, nodes, seed)


def _check(nodes: int, channels: int, seed: int) -> None:
    if not 2 <= nodes <= MAX_NODES:
        raise ConfigError(f"a synthetic network has 2 to {MAX_NODES} nodes, not {nodes}")
    if not nodes <= 2 * channels or not channels <= MAX_CHANNELS:
        raise ConfigError(f"{nodes} nodes need {(nodes + 1) // 2} to {MAX_CHANNELS} channels, not {channels}")
    if not 0 <= seed < 2**64:
        raise ConfigError(f"a seed is a whole number from 0 to 2**64 - 1, not {seed}")


def _classes(degrees: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return each node's class; nodes are in ascending order of degree.

    A degree class is a range of ranks, not of degrees, so that it means the same
    in a small network, where nobody has 300 channels.
    """
    levels = (np.arange(len(degrees)) + 0.5) / len(degrees)
    degree_class = np.searchsorted(np.cumsum(fit.CLASS_NODE_SHARE[:-1]), levels, side="right")
    # In a class, too, the smaller nodes are the stale ones.
    luck = degrees * uniforms(seed, _Draw.STALE_NODE, Stream.TOPOLOGY, len(degrees))
    class_of = degree_class.astype(np.int64)
    for index, share in enumerate(fit.STALE):
        members = np.flatnonzero(degree_class == index)
        stale = members[np.argsort(luck[members], kind="stable")][: round(share * len(members))]
        class_of[stale] = len(fit.STALE) + min(index, fit.STALE_CLASSES - 1)
    return class_of


def _class_pairs(class_of: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, per channel, the index of its pair of classes."""
    low, high = np.sort(class_of[ends], axis=1).T
    classes = len(fit.STALE) + fit.STALE_CLASSES
    return np.asarray(low * classes - low * (low - 1) // 2 + high - low)


def _capacity_scores(pair: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    spread = fit.LOG_CAPACITY_SPREAD * normals(seed, _Draw.CAPACITY, Stream.TOPOLOGY, len(pair))
    return np.asarray(np.array(fit.PAIR_LOG_CAPACITY)[pair] + spread)


def _usable(
    stale: NDArray[np.bool_], pair: NDArray[np.int64], capacity_score: NDArray[np.float64], seed: int
) -> NDArray[np.bool_]:
    """Return, per direction, whether it is usable; `stale` says which channels have a stale end."""
    luck = normals(seed, _Draw.UNUSABLE, Stream.TOPOLOGY, len(pair)) + fit.UNUSABLE_CAPACITY_WEIGHT * capacity_score
    dead = stale.copy()
    for index, share in enumerate(fit.UNUSABLE):
        members = np.flatnonzero((pair == index) & ~stale)
        dead[members[np.argsort(luck[members], kind="stable")][: round(share * len(members))]] = True
    side = uniforms(seed, _Draw.ONE_WAY, Stream.TOPOLOGY, len(pair))
    half = np.array(fit.ONE_WAY)[pair] / 2
    missing = np.stack([side < half, side >= 1 - half], axis=1)
    return np.asarray(~(missing | dead[:, np.newaxis]).reshape(-1))


def _policies(
    ends: NDArray[np.int64],
    usable: NDArray[np.bool_],
    capacity_sat: NDArray[np.int64],
    capacity_score: NDArray[np.float64],
    seed: int,
) -> PolicyColumns:
    """Return the policies; `ends` gives the source of direction 2 * channel + side."""
    directions = np.flatnonzero(usable)
    source = ends.reshape(-1)
    nodes = int(source.max()) + 1
    drawn: dict[str, NDArray[np.int64]] = {}
    for number, (name, quantiles) in enumerate(fit.POLICY_QUANTILES.items()):
        shared = fit.NODE_VARIANCE_SHARE[name]
        tilt = fit.FEE_RATE_CAPACITY_CORRELATION if name == "fee_rate_ppm" else 0.0
        score = (
            np.sqrt(shared) * normals(seed, _Draw.POLICY_NODE + number, Stream.POLICY, nodes)[source]
            + np.sqrt(1 - shared - tilt**2) * normals(seed, _Draw.POLICY_DIRECTION + number, Stream.POLICY, len(source))
            + tilt * np.repeat(capacity_score, 2)
        )
        drawn[name] = _at_ranks(score[directions], quantiles)
    capacity_msat = np.repeat(capacity_sat, 2)[directions] * MSAT_PER_SAT
    largest = np.maximum(capacity_msat // 1000 * drawn["max_htlc_per_mille"], 1)
    columns = PolicyColumns.unknown(len(source))
    columns.known[directions] = True
    columns.base_fee_msat[directions] = drawn["base_fee_msat"]
    columns.fee_rate_ppm[directions] = drawn["fee_rate_ppm"]
    columns.time_lock_delta_blocks[directions] = drawn["time_lock_delta_blocks"]
    columns.min_htlc_msat[directions] = np.minimum(drawn["min_htlc_msat"], largest)
    columns.max_htlc_msat[directions] = largest
    columns.last_update_s[directions] = _UPDATE_S
    return columns


def _ranks(score: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = np.empty(len(score))
    ranks[np.argsort(score, kind="stable")] = (np.arange(len(score)) + 0.5) / max(len(score), 1)
    return ranks


def _normal_scores(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores on a common scale of mean 0 and deviation 1."""
    return np.asarray((score - score.mean()) / (score.std() or 1.0))


def _at_ranks(score: NDArray[np.float64], quantiles: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the measured value at each score's rank, between two levels on a logarithmic scale."""
    values = np.interp(_ranks(score), fit.LEVELS, np.log1p(np.array(quantiles, np.float64)))
    return np.rint(np.expm1(values)).astype(np.int64)


def _graph(
    ends: NDArray[np.int64], capacity_sat: NDArray[np.int64], policies: PolicyColumns, nodes: int, seed: int
) -> NetworkGraph:
    """Name the nodes, largest first, and put each channel's lesser key first."""
    ends = nodes - 1 - ends
    node_ids = tuple(derive_node_id(seed, f"synthetic/{row}") for row in range(nodes))
    order = np.empty(nodes, np.int64)
    order[sorted(range(nodes), key=node_ids.__getitem__)] = np.arange(nodes)
    greater_first = order[ends[:, 0]] > order[ends[:, 1]]
    ends[greater_first] = ends[greater_first][:, ::-1]
    directions = np.arange(2 * len(ends)).reshape(-1, 2)
    directions[greater_first] = directions[greater_first][:, ::-1]
    turned = {name: getattr(policies, name)[directions.reshape(-1)] for name in policies.__slots__}
    return NetworkGraph(
        node_ids=node_ids,
        aliases=tuple(f"synthetic-{row}" for row in range(nodes)),
        channel_ids=np.array([ChannelId.of(_FIRST_BLOCK + row, 1, 0) for row in range(len(ends))], np.uint64),
        node1=ends[:, 0].astype(np.int32),
        node2=ends[:, 1].astype(np.int32),
        capacity_sat=capacity_sat,
        policies=PolicyColumns(**turned),
    )
