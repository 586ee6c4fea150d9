"""Who opened each channel and how its balance starts, since no public graph says so."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import ANCHORS_SAT, COMMITMENT_WEIGHT
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.records import STRICT
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import MSAT_PER_SAT


class BalanceModel(StrEnum):
    """How the liquidity of a channel is shared at the start."""

    UNIFORM = "uniform"
    """The local share is uniform: what probing of the active core suggests (arXiv 2107.05322)."""
    BIMODAL = "bimodal"
    """Mostly on one side or the other, whatever the capacity: exponential with a tenth of it from either end."""
    BIMODAL_LND = "bimodal-lnd"
    """Mostly on one side or the other as LND's bimodal estimator takes it: exponential with 300,000 sat from either
    end, so that a large channel is lopsided and a small one is not."""
    BALANCED = "balanced"
    """Half each."""
    OPENER = "opener"
    """All of it with the opener, as when a channel has just been opened without a push."""


_BIMODAL_SPREAD = 0.1

LND_BIMODAL_SCALE_SAT = 300_000
"""LND `routing/probability_bimodal.go`, `DefaultBimodalScaleMsat`."""

UNKNOWN_LOCAL = -1
"""As a local balance: not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancesFile:
    """Balances that a file tells, named by its content so that it cannot change unnoticed."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    file: str
    """Its name, for people."""
    sha256: str
    """Of its bytes."""


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
    node1_local_msat: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Return the gross balance per direction in msat; the two sides add up to the capacity exactly.

    The commitment fee and the anchors are the opener's; the rest is shared by
    `model`, in whole sat. `node1_local_msat` is what is known, per channel, as
    node1 would report it, and UNKNOWN_LOCAL elsewhere.

    Raises ValueError when a known balance is above what the channel shares.
    """
    shared_sat = shareable_sat(graph, commit_feerate_sat_per_kw)
    share = _side0_share(model, _per_channel(graph, seed, Stream.INITIAL_BALANCE), opener_side, shared_sat)
    side0_msat = np.floor(shared_sat * share).astype(np.int64) * MSAT_PER_SAT
    shared_msat = shared_sat * MSAT_PER_SAT
    if node1_local_msat is not None:
        side0_msat = np.where(node1_local_msat == UNKNOWN_LOCAL, side0_msat, node1_local_msat)
        wrong = (side0_msat < 0) | (side0_msat > shared_msat)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"channel {graph.channel_id(row)}: a local balance of {side0_msat[row]:,} msat is not between 0 and the"
                f" {shared_msat[row]:,} msat that its two sides share"
            )
    gross = np.stack([side0_msat, shared_msat - side0_msat], axis=1)
    rows = np.arange(graph.channel_count)
    gross[rows, opener_side] += (graph.capacity_sat - shared_sat) * MSAT_PER_SAT
    return np.asarray(gross.reshape(-1), np.int64)


def shareable_sat(graph: NetworkGraph, commit_feerate_sat_per_kw: int) -> NDArray[np.int64]:
    """Return, per channel, the capacity less the commitment fee and the anchors."""
    costs_sat = commit_feerate_sat_per_kw * COMMITMENT_WEIGHT // 1000 + ANCHORS_SAT
    return np.asarray(np.maximum(graph.capacity_sat - costs_sat, 0), np.int64)


def _side0_share(
    model: BalanceModel, draws: NDArray[np.float64], opener_side: NDArray[np.int8], shared_sat: NDArray[np.int64]
) -> NDArray[np.float64]:
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
        case BalanceModel.BIMODAL_LND:
            # LND's density e^(-x/s) + e^((x-c)/s) is an even mixture of two exponentials cut off at the capacity c.
            # Its third term, 1/c, is left out: as LND computes it, in msat, its mass is below 10^-8.
            scale = np.maximum(shared_sat, 1) / LND_BIMODAL_SCALE_SAT
            from_low = np.where(draws < 0.5, draws, draws - 0.5) * 2.0
            distance = np.minimum(-np.log1p(from_low * np.expm1(-scale)) / scale, 1.0)
            return np.asarray(np.where(draws < 0.5, distance, 1.0 - distance), np.float64)


def _per_channel(graph: NetworkGraph, seed: int, stream: Stream) -> NDArray[np.float64]:
    """Return one uniform draw per channel, addressed by its row."""
    return uniforms(seed, 0, stream, graph.channel_count)
