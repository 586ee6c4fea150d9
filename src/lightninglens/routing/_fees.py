"""What a hop costs and how much of the onion it takes, compiled.

Source: LND `routing/unified_edges.go`, `graph/db/models/cached_edge_policy.go` (ComputeFee),
`inbound_fee.go` (CalcFee), `routing/route/route.go` (PayloadSize).
Plain-Python twin: tests/reference/pathfinding.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.channels import MAX_INBOUND_RATE_PPM
from lightninglens.core.jit import kernel

ONION_BYTES = 1300
_HMAC_BYTES = 32
_PPM = np.int64(1_000_000)
_MAX_INBOUND_RATE_PPM = np.int64(MAX_INBOUND_RATE_PPM)


@kernel
def proportional_fee(amount: Any, rate_ppm: Any) -> Any:
    """Return amount * rate / 10**6 truncated towards zero, without overflow."""
    size = abs(rate_ppm)
    fee = (amount // _PPM) * size + (amount % _PPM) * size // _PPM
    return fee if rate_ppm >= 0 else -fee


@kernel
def outbound_fee(edge: Any, amount: Any) -> Any:
    """Return what the node at an edge's start asks for sending `amount` over it."""
    return edge.base_fee_msat + proportional_fee(amount, edge.fee_rate_ppm)


@kernel
def inbound_fee(base_msat: Any, rate_ppm: Any, amount: Any) -> Any:
    """Return what a node asks for an HTLC that arrives, its rate capped at ten times the amount (CalcFee)."""
    return base_msat + proportional_fee(amount, max(min(rate_ppm, _MAX_INBOUND_RATE_PPM), -_MAX_INBOUND_RATE_PPM))


@kernel
def edge_inbound_fee(edge: Any, amount: Any) -> Any:
    """Return what the node at an edge's end asks for `amount` arriving over it."""
    return inbound_fee(np.int64(edge.inbound_base_fee_msat), np.int64(edge.inbound_fee_rate_ppm), amount)


@kernel
def capped_inbound_fee(edge: Any, amount: Any, next_outbound_fee: Any) -> Any:
    """Return the inbound fee at an edge's end: a discount never exceeds that node's outbound fee."""
    if edge.inbound_base_fee_msat == 0 and edge.inbound_fee_rate_ppm == 0:
        return np.int64(0)
    return max(edge_inbound_fee(edge, amount), -next_outbound_fee)


@kernel
def in_range(edge: Any, amount: Any) -> Any:
    """Say whether an edge's limits let an amount through (amtInRange)."""
    return (
        amount <= edge.capacity_msat
        and (edge.max_htlc_msat == 0 or amount <= edge.max_htlc_msat)
        and amount >= edge.min_htlc_msat
    )


@kernel
def _varint_bytes(value: Any) -> Any:
    size = 1
    while value >= 256:
        value >>= 8
        size += 1
    return size


@kernel
def hop_payload_bytes(amount: Any, cltv: Any, last: Any) -> Any:
    """Return a hop's share of the onion (BOLT 4, tlv_payload); the last hop carries payment data."""
    size = 2 + _varint_bytes(amount) + 2 + _varint_bytes(cltv)
    size += 2 + 32 + _varint_bytes(amount) if last else 10
    return size + 1 + _HMAC_BYTES
