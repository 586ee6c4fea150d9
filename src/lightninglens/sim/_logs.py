"""What leaves the event loop, compiled: HTLC events of observed nodes, and attempts that are over."""

from typing import Any

from lightninglens.core.htlc import FailureDetail, HtlcEventKind, HtlcEventType
from lightninglens.core.jit import inlined
from lightninglens.sim.state import Count

_ATTEMPT_LOG = int(Count.ATTEMPT_LOG)
_ROUTE_LOG = int(Count.ROUTE_LOG)
_HTLC_LOG = int(Count.HTLC_LOG)
_ADD_FAILED = int(FailureDetail.HTLC_ADD_FAILED)
_SENT = int(HtlcEventType.SEND)
_RECEIVED = int(HtlcEventType.RECEIVE)
_LINK_FAIL = int(HtlcEventKind.LINK_FAIL)


@inlined
def log_htlc(
    world: Any, slot: Any, hop: Any, node: Any, kind: Any, event_type: Any, now: Any, code: Any, detail: Any
) -> None:
    """Write what node number `hop` of the route sees, if it is observed.

    Its incoming HTLC is number hop - 1 of the route, its outgoing number hop.
    An HTLC that the picked link could not add comes back without amounts, time
    locks and outgoing channel, as LND's mailbox returns it (FailAdd).
    """
    if not world.network.observed[node]:
        return
    route, htlc_id = world.routes, world.htlc_id
    row = world.htlc_log[world.counters[_HTLC_LOG]]
    world.counters[_HTLC_LOG] += 1
    row.timestamp_ns = now
    row.node = node
    row.kind = kind
    row.event_type = event_type
    row.code = code
    row.detail = detail
    incoming = event_type != _SENT
    outgoing = event_type != _RECEIVED
    sized = detail != _ADD_FAILED
    row.incoming_direction = route.direction[slot, hop - 1] if incoming else -1
    row.incoming_htlc_id = htlc_id[slot, hop - 1] if incoming else 0
    row.incoming_amount_msat = route.amount_msat[slot, hop - 1] if incoming and sized else 0
    row.incoming_timelock_blocks = route.cltv_blocks[slot, hop - 1] if incoming and sized else 0
    row.outgoing_direction = route.direction[slot, hop] if outgoing else -1
    added = outgoing and kind != _LINK_FAIL
    row.outgoing_htlc_id = htlc_id[slot, hop] if added else 0
    row.outgoing_amount_msat = route.amount_msat[slot, hop] if outgoing else 0
    row.outgoing_timelock_blocks = route.cltv_blocks[slot, hop] if outgoing else 0


@inlined
def log_attempt(world: Any, slot: Any, now: Any) -> None:
    """Write an attempt that is over, and the directions and amounts of its route."""
    attempt, route = world.attempts[slot], world.routes
    payment = world.payments[attempt.payment]
    row = world.attempt_log[world.counters[_ATTEMPT_LOG]]
    world.counters[_ATTEMPT_LOG] += 1
    row.payment_id = payment.payment_id
    row.number = attempt.number
    row.start_ns = attempt.start_ns
    row.end_ns = now
    row.amount_msat = attempt.amount_msat
    row.fee_msat = route.amount_msat[slot, 0] - attempt.amount_msat
    row.hops = route.hops[slot]
    row.code = attempt.code
    row.detail = attempt.detail
    row.failed_index = attempt.failed_index
    row.failed_direction = attempt.failed_direction
    row.sender = payment.sender
    for hop in range(route.hops[slot]):
        world.route_log[world.counters[_ROUTE_LOG]] = route.direction[slot, hop]
        world.route_amount_log[world.counters[_ROUTE_LOG]] = route.amount_msat[slot, hop]
        world.counters[_ROUTE_LOG] += 1
