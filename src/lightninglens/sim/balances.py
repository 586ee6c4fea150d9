"""Who opened each channel and how its balance starts, since no public graph says so."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import ANCHORS_SAT, COMMITMENT_WEIGHT
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import MSAT_PER_SAT


class BalanceModel(StrEnum):
    """How the liquidity of a channel is shared at the start."""

    UNIFORM = "uniform"
    """The local share is uniform: what probing of the active core suggests (arXiv 2107.05322)."""
    BIMODAL = "bimodal"
    """Mostly on one side or the other: what LND's data on the whole network suggests."""
    BALANCED = "balanced"
    """Half each."""
    OPENER = "opener"
    """All of it with the opener, as when a channel has just been opened without a push."""


_BIMODAL_SPREAD = 0.1


def draw_openers(graph: NetworkGraph, *, seed: int) -> NDArray[np.int8]:
    """Return, per channel, the side (0 or 1) that opened it: a fair coin addressed by the channel's id."""
    draws = _per_channel(graph, seed, Stream.OPENER)
    return (draws >= 0.5).astype(np.int8)


def initial_balances(
    graph: NetworkGraph,
    opener_side: NDArray[np.int8],
    *,
    model: BalanceModel,
    seed: int,
    commit_feerate_sat_per_kw: int,
) -> NDArray[np.int64]:
    """Return the gross balance per direction in msat; the two sides add up to the capacity exactly.

    The commitment fee and the anchors are the opener's; the rest is shared by
    `model`, in whole sat.
    """
    costs_sat = commit_feerate_sat_per_kw * COMMITMENT_WEIGHT // 1000 + ANCHORS_SAT
    shared_sat = np.maximum(graph.capacity_sat - costs_sat, 0)
    share = _side0_share(model, _per_channel(graph, seed, Stream.INITIAL_BALANCE), opener_side)
    side0_sat = np.floor(shared_sat * share).astype(np.int64)
    gross = np.stack([side0_sat, shared_sat - side0_sat], axis=1)
    rows = np.arange(graph.channel_count)
    gross[rows, opener_side] += graph.capacity_sat - shared_sat
    return np.asarray(gross.reshape(-1) * MSAT_PER_SAT, np.int64)


def _side0_share(model: BalanceModel, draws: NDArray[np.float64], opener_side: NDArray[np.int8]) -> NDArray[np.float64]:
    match model:
        case BalanceModel.UNIFORM:
            return draws.copy()
        case BalanceModel.BALANCED:
            return np.full(len(draws), 0.5)
        case BalanceModel.OPENER:
            return np.asarray(np.where(opener_side == 0, 1.0, 0.0), np.float64)
        case BalanceModel.BIMODAL:
            # An exponential from whichever end the draw falls on.
            from_low = np.minimum(draws, 1.0 - draws) * 2.0
            distance = np.minimum(-_BIMODAL_SPREAD * np.log1p(-from_low * (1.0 - np.exp(-5.0))), 0.5)
            return np.asarray(np.where(draws < 0.5, distance, 1.0 - distance), np.float64)


def _per_channel(graph: NetworkGraph, seed: int, stream: Stream) -> NDArray[np.float64]:
    """Return one uniform draw per channel, addressed by its row."""
    return uniforms(seed, 0, stream, graph.channel_count)
