"""An engine's configuration as scalars for the kernels."""

import math
from typing import TYPE_CHECKING

import numpy as np

from lightninglens.core.units import NS_PER_MS, NS_PER_SECOND
from lightninglens.routing.pathfinding import BLOCK_PADDING, DEFAULT_CLTV_LIMIT_BLOCKS, DEFAULT_FINAL_CLTV_BLOCKS
from lightninglens.sim.gossip import SLOWEST_SIGMAS
from lightninglens.sim.state import Parameters

if TYPE_CHECKING:
    from lightninglens.sim.records import EngineConfig


def parameters_of(config: "EngineConfig") -> Parameters:
    """Return a configuration as the kernels take it.

    An int where a float is meant would have them all compiled once more.
    """
    return Parameters(
        seed=np.uint64(config.seed),
        start_ns=config.start_ns,
        start_height=config.start_height,
        commit_feerate_sat_per_kw=config.commit_feerate_sat_per_kw,
        hop_delay_median_ns=float(config.hop_delay_median_ms * NS_PER_MS),
        hop_delay_sigma=float(config.hop_delay_sigma),
        timeout_ns=config.payment_timeout_ns,
        retry_delay_ns=config.retry_delay_ns,
        mpp_timeout_ns=config.mpp_timeout_ns,
        final_delta_blocks=DEFAULT_FINAL_CLTV_BLOCKS + BLOCK_PADDING,
        cltv_limit_blocks=DEFAULT_CLTV_LIMIT_BLOCKS,
        gossip_delay_median_ns=float(config.gossip_delay_median_ms * NS_PER_MS),
        gossip_delay_sigma=float(config.gossip_delay_sigma),
        gossip_spread_ns=_spread_ns(config),
        node_up_ns=_mean_up_ns(config.node_offline_share, config.node_offline_mean_s),
        node_down_ns=float(config.node_offline_mean_s * NS_PER_SECOND),
        channel_up_ns=_mean_up_ns(config.channel_offline_share, config.channel_offline_mean_s),
        channel_down_ns=float(config.channel_offline_mean_s * NS_PER_SECOND),
        hold_expiry_delta_blocks=config.hold_expiry_delta_blocks,
    )


def _mean_up_ns(offline_share: float, offline_mean_s: float) -> float:
    """Return the mean time between outages, 0 when there are none."""
    return float(offline_mean_s * NS_PER_SECOND * (1.0 - offline_share) / offline_share) if offline_share else 0.0


def _spread_ns(config: "EngineConfig") -> int:
    """Return how long after its announcement everybody has heard of a change."""
    slowest = math.exp(config.gossip_delay_sigma * SLOWEST_SIGMAS)
    return int(config.gossip_delay_median_ms * NS_PER_MS * slowest) + 1
