"""Balances, HTLC slots and what a side can still send, compiled.

Source: LND `lnwallet/channel.go` (availableCommitmentBalance, applyCommitFee,
CalcFeeBuffer). Plain-Python twin: tests/reference/channels.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.channels import ANCHORS_SAT, COMMITMENT_WEIGHT, HTLC_OUTPUT_WEIGHT
from lightninglens.core.jit import kernel
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.sim.state import DUST_LIMIT_MSAT

_ANCHORS_MSAT = int(ANCHORS_SAT) * MSAT_PER_SAT


@kernel
def commit_fee_msat(feerate: Any, htlcs: Any) -> Any:
    """Return the fee of a commitment transaction with `htlcs` outputs; feerate in sat per kw."""
    return feerate * (COMMITMENT_WEIGHT + HTLC_OUTPUT_WEIGHT * np.int64(htlcs)) // 1000 * MSAT_PER_SAT


@kernel
def _htlc_fee_msat(feerate: Any) -> Any:
    """Return what one more HTLC output costs, rounded down by itself as in LND."""
    return feerate * HTLC_OUTPUT_WEIGHT // 1000 * MSAT_PER_SAT


@kernel
def _fee_buffer_msat(feerate: Any, htlcs: Any) -> Any:
    """Return what an opener keeps back: twice the feerate, for two more HTLCs than now (CalcFeeBuffer)."""
    return commit_fee_msat(2 * feerate, htlcs + 2)


@kernel
def spendable_msat(network: Any, feerate: Any, direction: Any) -> Any:
    """Return what the owner of a direction can send over it now, slots aside."""
    channel = direction // 2
    htlcs = np.int64(network.htlcs_with_weight[channel])
    mine = max(network.balance_msat[direction] - network.reserve_msat[direction], 0)
    if network.opener_side[channel] == direction % 2:
        return max(mine - _ANCHORS_MSAT - _fee_buffer_msat(feerate, htlcs), 0)
    theirs = max(network.balance_msat[direction ^ 1] - _ANCHORS_MSAT - network.reserve_msat[direction ^ 1], 0)
    if theirs < commit_fee_msat(feerate, htlcs) + _htlc_fee_msat(feerate):
        return min(mine, DUST_LIMIT_MSAT - 1)
    return mine


@kernel
def refresh(network: Any, own: Any, feerate: Any, channel: Any) -> None:
    """Recompute what both sides can send, after a change."""
    own.spendable_msat[2 * channel] = spendable_msat(network, feerate, 2 * channel)
    own.spendable_msat[2 * channel + 1] = spendable_msat(network, feerate, 2 * channel + 1)


@kernel
def refresh_all(network: Any, own: Any, feerate: Any) -> None:
    """Recompute what every side can send."""
    for channel in range(network.capacity_msat.shape[0]):
        refresh(network, own, feerate, channel)


@kernel
def add_htlc(network: Any, own: Any, feerate: Any, direction: Any, amount: Any) -> Any:
    """Lock `amount` in a direction and return the HTLC's id."""
    channel = direction // 2
    network.balance_msat[direction] -= amount
    network.node_msat[network.source[direction]] -= amount
    network.pending_msat[direction] += amount
    own.pending_htlcs[direction] += 1
    if amount >= DUST_LIMIT_MSAT:
        network.htlcs_with_weight[channel] += 1
    htlc_id = network.next_htlc_id[direction]
    network.next_htlc_id[direction] += 1
    refresh(network, own, feerate, channel)
    return htlc_id


@kernel
def resolve_htlc(network: Any, own: Any, feerate: Any, direction: Any, amount: Any, settled: Any) -> None:
    """Give the locked amount to the other side (settled) or back."""
    channel = direction // 2
    network.pending_msat[direction] -= amount
    own.pending_htlcs[direction] -= 1
    if amount >= DUST_LIMIT_MSAT:
        network.htlcs_with_weight[channel] -= 1
    owner = direction ^ 1 if settled else direction
    network.balance_msat[owner] += amount
    network.node_msat[network.source[owner]] += amount
    refresh(network, own, feerate, channel)


@kernel
def conservation_drift_msat(network: Any, ledger_msat: Any) -> Any:
    """Return by how much balances and HTLCs differ from capacities, summed without sign.

    The capacities must be what has come into channels less what has left them: the two sums of the ledger.
    """
    drift = abs(network.capacity_msat.sum() + ledger_msat[1] - ledger_msat[0])
    for channel in range(network.capacity_msat.shape[0]):
        total = np.int64(0)
        for direction in (2 * channel, 2 * channel + 1):
            total += network.balance_msat[direction] + network.pending_msat[direction]
            drift += max(-network.balance_msat[direction], 0) + max(-network.pending_msat[direction], 0)
        drift += abs(total - network.capacity_msat[channel])
    return drift
