"""How payments get into an engine: to be searched for, or along routes that are given."""

from collections.abc import Sequence

import numpy as np

from lightninglens.core.errors import InvariantError
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.sim import _heap
from lightninglens.sim._paying import register_part
from lightninglens.sim.answers import Answer
from lightninglens.sim.engine_receivers import EngineReceivers
from lightninglens.sim.given import GivenRoute, SentRoute, problem_of_route
from lightninglens.sim.records import PaymentKind, PaymentRequests
from lightninglens.sim.room import with_events, with_more_attempts, with_payments
from lightninglens.sim.state import MOST_PARTS, ROUTES_GIVEN, Count, EventKind

_ZERO_AT_START = (
    "attempts",
    "parts",
    "parts_in_flight",
    "sent_msat",
    "sent_fee_msat",
    "held_msat",
    "fee_msat",
    "hops",
    "failure_code",
    "failure_detail",
    "outcome",
    "failed",
    "trying",
)
"""Columns of a payment's slot that an earlier payment may have left."""

_NONE_AT_START = ("failure_direction", "first_held")

NO_TAG = -1


class EnginePayments(EngineReceivers):
    """An engine that takes payments."""

    def submit(self, requests: PaymentRequests, *, first_id: int | None = None) -> int:
        """Schedule payments and return the id of the first; the rest follow it.

        Ids address the payments' draws (delays, links). Whoever submits at
        different moments in worlds that are to be compared numbers them with
        `first_id`, below 2**32 and each once; otherwise they are counted.

        Raises InvariantError when one would start in the past, or names what is not in the graph.
        """
        requests = requests.filled()
        self._check(requests)
        return self._enter(requests, first_id)

    def submit_route(
        self,
        route: GivenRoute,
        *,
        payment_id: int | None = None,
        total_msat: int | None = None,
        answer: Answer = Answer.SETTLE,
        hold_ns: int = 0,
        skips_temporary_errors: bool = False,
        kind: PaymentKind = PaymentKind.PAYMENT,
        tag: int = NO_TAG,
    ) -> SentRoute:
        """Send one attempt along a route now, without a search or a second try (LND's SendToRouteV2).

        `payment_id` names a payment of given routes that is in flight, of which
        this is a further part: `total_msat` is what all parts are to bring, and
        the receiver settles when they have. Without one in flight the route
        begins a payment of that id, or of the next one that is counted. A failure
        ends the payment, and no part is added any more; with
        `skips_temporary_errors` only the receiver's word does. When nothing is
        in flight the payment is over in any case. The sender's memory learns of
        the attempt as of any other.

        Raises InvariantError when the route cannot be one, or the part does not fit the payment.
        """
        problem = problem_of_route(self.graph, self._world.gossip.position, route)
        if problem:
            raise InvariantError(problem)
        row = None if payment_id is None else self._find_in_flight(payment_id)
        if row is None:
            total = route.amounts_msat[-1] if total_msat is None else total_msat
            payment_id = self._enter(self._request_of(route, total, answer, hold_ns, kind, tag), payment_id)
            row = self._row_in_flight(payment_id)
        problem = self._problem_of_part(row, route, total_msat)
        if problem:
            raise InvariantError(f"payment {payment_id}: {problem}")
        slot = self._write_part(row, route.directions, route.amounts_msat, route.expiry_heights, self._now_ns)
        self._world.attempts[slot]["skips_temporary"] = skips_temporary_errors
        return SentRoute(int(self._world.payments[row]["payment_id"]), int(self._world.attempts[slot]["number"]))

    def _request_of(
        self, route: GivenRoute, total_msat: int, answer: Answer, hold_ns: int, kind: PaymentKind, tag: int
    ) -> PaymentRequests:
        """Return the payment that a route begins, checked as any other."""
        network, first, last = self._world.network, route.directions[0], route.directions[-1]
        requests = PaymentRequests(
            start_ns=np.array([self._now_ns], np.int64),
            sender=network.source[[first]],
            receiver=network.target[[last]],
            amount_msat=np.array([total_msat], np.int64),
            fee_limit_msat=np.zeros(1, np.int64),
            kind=np.array([kind], np.int8),
            tag=np.array([tag], np.int32),
            outgoing=np.full(1, NO_TAG, np.int32),
            last_hop=np.full(1, NO_TAG, np.int32),
            answer=np.array([answer], np.int8),
            hold_ns=np.array([hold_ns], np.int64),
        ).filled()
        self._check(requests)
        if total_msat < route.amounts_msat[-1]:
            raise InvariantError(
                f"a route that brings {route.amounts_msat[-1]:,} msat is no part of a payment of {total_msat:,} msat"
            )
        return requests._replace(most_parts=np.full(1, ROUTES_GIVEN, np.int32))

    def _problem_of_part(self, row: int, route: GivenRoute, total_msat: int | None) -> str | None:
        """Return why a route is no further part of a payment (`payments/db/payment.go`, verifyAttempt, Registrable)."""
        payment, network = self._world.payments[row], self._world.network
        left_msat = int(payment["amount_msat"] - payment["sent_msat"])
        ends = (int(network.source[route.directions[0]]), int(network.target[route.directions[-1]]))
        if payment["most_parts"] != ROUTES_GIVEN:
            return "its routes are searched: no other is added"
        if (int(payment["sender"]), int(payment["receiver"])) != ends:
            return f"it goes from node {payment['sender']} to node {payment['receiver']}, and the route does not"
        if total_msat is not None and total_msat != payment["amount_msat"]:
            return f"it is one of {payment['amount_msat']:,} msat, and not of {total_msat:,}"
        if payment["failed"] != HtlcOutcome.IN_FLIGHT:
            return "it has failed, and waits for what is in flight"
        if route.amounts_msat[-1] > left_msat:
            return f"the route brings {route.amounts_msat[-1]:,} msat, and {left_msat:,} remain"
        return "as many parts are in flight as may be" if payment["parts_in_flight"] >= MOST_PARTS else None

    def _check(self, requests: PaymentRequests) -> None:
        if np.any(requests.start_ns < self._now_ns):
            raise InvariantError("a payment cannot start in the past")
        nodes = self.graph.node_count
        wrong = (requests.amount_msat < 1) | (requests.fee_limit_msat < 0)
        wrong |= (requests.most_parts < 1) | (requests.most_parts > MOST_PARTS)
        wrong |= (requests.answer < Answer.SETTLE) | (requests.answer > Answer.HOLD) | (requests.hold_ns < 0)
        for column, least in ((requests.sender, 0), (requests.receiver, 0), (requests.last_hop, -1)):
            wrong |= (column < least) | (column >= nodes)
        wrong |= (requests.outgoing < -1) | (requests.outgoing >= len(self._world.network.source))
        if not wrong.any():
            chosen = requests.outgoing >= 0
            wrong[chosen] = self._world.network.source[requests.outgoing[chosen]] != requests.sender[chosen]
        if wrong.any():
            row = int(np.argmax(wrong))
            payment = {name: int(getattr(requests, name)[row]) for name in requests._fields}
            raise InvariantError(f"payment {row} of those submitted does not fit this network: {payment}")

    def _enter(self, requests: PaymentRequests, first_id: int | None) -> int:
        """Write payments into free slots, schedule their starts, and return the id of the first."""
        count = len(requests.start_ns)
        self._empty_logs()
        self._world = with_payments(with_events(self._world, count), count)
        first = self._next_payment_id if first_id is None else first_id
        free = self._world.counters[Count.FREE_PAYMENTS]
        slots = self._world.free_payments[free - count : free][::-1].copy()
        self._world.counters[Count.FREE_PAYMENTS] = free - count
        for name in PaymentRequests._fields:
            self._world.payments[name][slots] = getattr(requests, name)
        self._world.payments["payment_id"][slots] = np.arange(first, first + count)
        for name in _ZERO_AT_START:
            self._world.payments[name][slots] = 0
        for name in _NONE_AT_START:
            self._world.payments[name][slots] = -1
        start_ns = np.ascontiguousarray(requests.start_ns)
        self._world.counters[Count.PENDING] += count
        _heap.schedule_starts(self._world.heap, self._world.counters, start_ns, slots)
        if first_id is None:
            self._next_payment_id = first + count
        return first

    def _write_part(
        self, row: int, directions: Sequence[int], amounts_msat: Sequence[int], expiries: Sequence[int], now_ns: int
    ) -> int:
        """Write a part of a payment into a free slot, schedule its departure, and return the slot."""
        if self._world.counters[Count.FREE_ATTEMPTS] == 0:
            self._world = with_more_attempts(self._world)
        world, hops = self._world, len(directions)
        world.counters[Count.FREE_ATTEMPTS] -= 1
        slot = int(world.free_attempts[world.counters[Count.FREE_ATTEMPTS]])
        world.routes.hops[slot] = hops
        world.routes.direction[slot, :hops] = directions
        world.routes.amount_msat[slot, :hops] = amounts_msat
        world.routes.cltv_blocks[slot, :hops] = expiries
        register_part(world.payments, world.attempts, world.routes, row, slot, amounts_msat[-1], now_ns)
        self._schedule(now_ns, EventKind.SEND, slot)
        return slot
