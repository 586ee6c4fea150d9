"""HTLCs on their way along a route and back, compiled.

Plain-Python twin: tests/reference/engine_htlcs.py.
"""

import math
from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType
from lightninglens.core.jit import inlined
from lightninglens.core.rng import Stream, standard_normal
from lightninglens.sim._channels import add_htlc, resolve_htlc
from lightninglens.sim._forwarding import choose_link
from lightninglens.sim._heap import schedule
from lightninglens.sim._life import after_resolution
from lightninglens.sim._logs import log_htlc
from lightninglens.sim.state import EventKind

_SETTLE = int(EventKind.SETTLE)
_FAIL = int(EventKind.FAIL)
_ARRIVE = int(EventKind.ARRIVE)

_NONE = int(FailureCode.NONE)
_ADD_FAILED = int(FailureDetail.HTLC_ADD_FAILED)

_SENT = int(HtlcEventType.SEND)
_RECEIVED = int(HtlcEventType.RECEIVE)
_FORWARDED = int(HtlcEventType.FORWARD)
_FORWARD_EVENT = int(HtlcEventKind.FORWARD)
_FORWARD_FAIL_EVENT = int(HtlcEventKind.FORWARD_FAIL)
_SETTLE_EVENT = int(HtlcEventKind.SETTLE)
_LINK_FAIL_EVENT = int(HtlcEventKind.LINK_FAIL)

_HOP_DELAY = int(Stream.HOP_DELAY)


@inlined
def travel(world: Any, slot: Any, step: Any, now: Any, kind: Any, hop: Any) -> None:
    """Schedule what follows step number `step` of an attempt: log-normal, addressed by payment, attempt and step."""
    parameters, attempt = world.parameters, world.attempts[slot]
    payment_id = world.payments[attempt.payment].payment_id
    index = np.int64(attempt.number) * 128 + step
    z = standard_normal(parameters.seed, payment_id, _HOP_DELAY, index)
    delay_ns = np.int64(parameters.hop_delay_median_ns * math.exp(parameters.hop_delay_sigma * z)) + 1
    schedule(world.heap, world.counters, now + delay_ns, kind, slot, hop)


@inlined
def offer(world: Any, slot: Any, hop: Any, now: Any) -> None:
    """Add HTLC number `hop` of a route and let it travel."""
    network = world.network
    direction = world.routes.direction[slot, hop]
    world.htlc_id[slot, hop] = add_htlc(
        network,
        world.own,
        world.parameters.commit_feerate_sat_per_kw,
        direction,
        world.routes.amount_msat[slot, hop],
    )
    event_type = _SENT if hop == 0 else _FORWARDED
    log_htlc(world, slot, hop, network.source[direction], _FORWARD_EVENT, event_type, now, 0, 0)
    travel(world, slot, 2 * hop, now, _ARRIVE, hop)


@inlined
def forward(world: Any, slot: Any, hop: Any, now: Any) -> None:
    """HTLC number `hop` is with a node on the way: it goes on, or fails there."""
    direction, code, detail = choose_link(world, slot, hop + 1, now)
    if code == _NONE:
        world.routes.direction[slot, hop + 1] = direction
        offer(world, slot, hop + 1, now)
        return
    attempt = world.attempts[slot]
    attempt.code = code
    attempt.detail = detail
    attempt.failed_index = hop + 1
    attempt.failed_direction = direction
    # The mailbox's answer names no outgoing channel, which is how LND tells a receive from a forward.
    event_type = _RECEIVED if detail == _ADD_FAILED else _FORWARDED
    node = world.network.target[world.routes.direction[slot, hop]]
    log_htlc(world, slot, hop + 1, node, _LINK_FAIL_EVENT, event_type, now, code, detail)
    travel(world, slot, 2 * hop + 1, now, _FAIL, hop)


@inlined
def come_back(world: Any, slot: Any, hop: Any, now: Any, settled: Any) -> Any:
    """HTLC number `hop` is resolved at the node that offered it; return True when that is the sender."""
    network = world.network
    direction = world.routes.direction[slot, hop]
    amount = world.routes.amount_msat[slot, hop]
    resolve_htlc(network, world.own, world.parameters.commit_feerate_sat_per_kw, direction, amount, settled)
    after_resolution(world, direction // 2)
    kind = _SETTLE_EVENT if settled else _FORWARD_FAIL_EVENT
    event_type = _SENT if hop == 0 else _FORWARDED
    log_htlc(world, slot, hop, network.source[direction], kind, event_type, now, 0, 0)
    if hop == 0:
        return True
    travel(world, slot, 2 * hop - 1, now, _SETTLE if settled else _FAIL, hop - 1)
    return False
