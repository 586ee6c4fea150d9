"""What a graph looks like, in numbers: size, liquidity, connectivity, policies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.components import strong_components
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.units import MSAT_PER_SAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Quantiles that occur in the data (the lower of two), and the mean; all 0 for no data."""

    p10: int
    p25: int
    median: int
    p75: int
    p90: int
    p99: int
    largest: int
    mean: float
    zero_share: float

    @classmethod
    def of(cls, values: NDArray[np.int64]) -> "Distribution":
        """Summarise a column."""
        if not len(values):
            return cls(p10=0, p25=0, median=0, p75=0, p90=0, p99=0, largest=0, mean=0.0, zero_share=0.0)
        cuts = np.quantile(values, (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0), method="lower")
        p10, p25, median, p75, p90, p99, largest = (int(cut) for cut in cuts)
        return cls(
            p10=p10,
            p25=p25,
            median=median,
            p75=p75,
            p90=p90,
            p99=p99,
            largest=largest,
            mean=float(values.mean()),
            zero_share=float((values == 0).mean()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphStatistics:
    """Counts are of the whole graph; distributions of policies are over usable directions only.

    A direction is usable when its policy is known and not disabled.
    """

    nodes: int
    channels: int
    capacity_sat: int
    connected_pairs: int
    """Pairs of nodes with at least one channel; parallel channels count once."""
    directions: int
    directions_usable: int
    directions_disabled: int
    directions_unknown: int
    unusable_share: float
    channels_usable_both_ways: int
    channels_usable_one_way: int
    capacity_usable_sat: int
    """Of channels that are usable in at least one direction."""
    nodes_with_channels: int
    nodes_with_usable_direction: int
    largest_strong_component_nodes: int
    """Nodes that can all pay one another over usable directions, liquidity aside."""
    single_peer_nodes: int
    """Nodes whose channels all lead to one peer."""
    single_peer_share: float
    single_usable_peer_nodes: int
    """The same, counting only channels with a usable direction."""
    single_usable_peer_share: float
    channels_per_node: Distribution
    channel_capacity_sat: Distribution
    fee_rate_ppm: Distribution
    base_fee_msat: Distribution
    time_lock_delta_blocks: Distribution
    min_htlc_msat: Distribution
    max_htlc_capacity_per_mille: Distribution
    """Largest HTLC allowed, in thousandths of the channel's capacity."""
    inbound_fee_share: float
    """Share of usable directions with an inbound fee or discount."""
    newest_update_s: int
    """Newest channel_update, in Unix seconds; 0 when none has a time."""


def describe(graph: NetworkGraph) -> GraphStatistics:
    """Return the statistics of `graph`."""
    usable = graph.usable()
    policies = graph.policies
    one_way, both_ways = (int((usable.reshape(-1, 2).sum(axis=1) == count).sum()) for count in (1, 2))
    any_way = np.asarray(usable.reshape(-1, 2).any(axis=1), np.bool_)
    peers = _peers(graph, np.ones(graph.channel_count, np.bool_))
    usable_peers = _peers(graph, any_way)
    capacity_msat = np.repeat(graph.capacity_sat, 2)[usable] * MSAT_PER_SAT
    inbound = (policies.inbound_base_fee_msat[usable] != 0) | (policies.inbound_fee_rate_ppm[usable] != 0)
    known = int(policies.known.sum())
    return GraphStatistics(
        nodes=graph.node_count,
        channels=graph.channel_count,
        capacity_sat=int(graph.capacity_sat.sum()),
        connected_pairs=int(peers.sum()) // 2,
        directions=len(usable),
        directions_usable=int(usable.sum()),
        directions_disabled=known - int(usable.sum()),
        directions_unknown=len(usable) - known,
        unusable_share=_share(len(usable) - int(usable.sum()), len(usable)),
        channels_usable_both_ways=both_ways,
        channels_usable_one_way=one_way,
        capacity_usable_sat=int(graph.capacity_sat[any_way].sum()),
        nodes_with_channels=int((peers > 0).sum()),
        nodes_with_usable_direction=int((usable_peers > 0).sum()),
        largest_strong_component_nodes=_largest_component(graph, usable),
        single_peer_nodes=int((peers == 1).sum()),
        single_peer_share=_share(int((peers == 1).sum()), int((peers > 0).sum())),
        single_usable_peer_nodes=int((usable_peers == 1).sum()),
        single_usable_peer_share=_share(int((usable_peers == 1).sum()), int((usable_peers > 0).sum())),
        channels_per_node=Distribution.of(_degrees(graph)),
        channel_capacity_sat=Distribution.of(graph.capacity_sat),
        fee_rate_ppm=Distribution.of(policies.fee_rate_ppm[usable]),
        base_fee_msat=Distribution.of(policies.base_fee_msat[usable]),
        time_lock_delta_blocks=Distribution.of(policies.time_lock_delta_blocks[usable]),
        min_htlc_msat=Distribution.of(policies.min_htlc_msat[usable]),
        max_htlc_capacity_per_mille=Distribution.of(
            np.rint(policies.max_htlc_msat[usable] / capacity_msat * 1000).astype(np.int64)
        ),
        inbound_fee_share=_share(int(inbound.sum()), len(inbound)),
        newest_update_s=int(policies.last_update_s.max(initial=0)),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _degrees(graph: NetworkGraph) -> NDArray[np.int64]:
    return np.bincount(np.concatenate([graph.node1, graph.node2]), minlength=graph.node_count).astype(np.int64)


def _peers(graph: NetworkGraph, channels: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many different peers each node has over these channels."""
    pairs = np.unique(np.stack([graph.node1[channels], graph.node2[channels]], axis=1), axis=0)
    return np.bincount(pairs.reshape(-1), minlength=graph.node_count).astype(np.int64)


def _largest_component(graph: NetworkGraph, usable: NDArray[np.bool_]) -> int:
    if not graph.node_count:
        return 0
    component = strong_components(graph.sources()[usable], graph.targets()[usable], graph.node_count)
    return int(np.bincount(component).max())
