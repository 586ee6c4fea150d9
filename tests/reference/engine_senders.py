"""Senders of the plain simulator: `payment_lifecycle.go` and `payment_session.go`, or a router from outside."""

from functools import cached_property, partial

from lightninglens.core.graph import PolicyColumns
from lightninglens.core.htlc import (
    FailureCode as Code,
)
from lightninglens.core.htlc import (
    FailureDetail as Detail,
)
from lightninglens.core.htlc import (
    HtlcEventKind as Kind,
)
from lightninglens.core.htlc import (
    HtlcEventType as Type,
)
from lightninglens.core.htlc import (
    HtlcOutcome as Outcome,
)
from lightninglens.core.units import Blocks, Msat, UnixNs
from lightninglens.sim.routers import NoPlan, PartResult, PlannedPart, PlanRequest, Router
from tests.reference.bimodal import BimodalConfig
from tests.reference.engine_receivers import EngineReceivers
from tests.reference.engine_records import Attempt, AttemptRow, Payment, RouteHtlc
from tests.reference.mission_control import MissionControl
from tests.reference.pathfinding import (
    InsufficientBalance,
    NoPath,
    PathFindingConfig,
    Restrictions,
    Search,
    UnifiedEdge,
    new_route,
)

FINAL_DELTA = 80 + 3
CLTV_LIMIT = 2016
LEAST_PART = 10_000_000


class EngineSenders(EngineReceivers):
    """How payments are made, and what their senders learn."""

    def _memory(self, sender: int) -> MissionControl:
        config = BimodalConfig() if sender in self.world.bimodal else None
        return self.memories.setdefault(sender, MissionControl(sender, config))

    def _finish(self, payment: Payment, outcome: Outcome) -> None:
        payment.outcome, payment.end_ns, payment.fee_msat = outcome, self.now, payment.fees
        self.finished.append(payment)

    def _timed_out(self, payment: Payment) -> bool:
        return self.now - payment.request.start_ns > self.world.timeout_ns

    def _try(self, payment: Payment) -> None:
        """One turn of `resumePayment`'s loop."""
        payment.trying = False
        if self._timed_out(payment):
            payment.failure_reason = Outcome.TIMEOUT
        router = self.world.routers.get(payment.request.sender)
        if payment.failure_reason is None and router is not None:
            self._ask(router, payment)
            return
        if payment.failure_reason is None:
            hops = self._request_route(payment)
            if hops is not None:
                self._send(payment, hops)
        if payment.failure_reason is not None and not payment.in_flight:
            self._finish(payment, payment.failure_reason)

    def _send(self, payment: Payment, hops: list[RouteHtlc]) -> None:
        payment.attempts += 1
        attempt = Attempt(payment, payment.attempts, self.now, hops)
        payment.in_flight.append(attempt)
        self._offer(attempt, 0)
        if payment.remaining > 0:
            self._try_later(payment)

    def _ask(self, router: Router, payment: Payment) -> None:
        """Let a router plan, and send what it planned at this very moment."""
        request = payment.request
        plan = router.plan(
            PlanRequest(
                payment_id=payment.payment_id,
                sender=request.sender,
                receiver=request.receiver,
                amount_msat=Msat(request.amount_msat),
                remaining_msat=Msat(payment.remaining),
                fee_limit_msat=Msat(request.fee_limit_msat - payment.fees),
                most_parts=request.max_parts - len(payment.in_flight),
                outgoing=request.outgoing_direction,
                last_hop=request.last_hop,
                cltv_limit_blocks=Blocks(CLTV_LIMIT),
                final_cltv_blocks=Blocks(FINAL_DELTA),
                results=tuple(self.results.pop(request.sender, ())),
            ),
            SenderView(self, request.sender),
            self.now,
        )
        if isinstance(plan, NoPlan):
            payment.failure_reason = Outcome.FAILED_ON_ROUTE if payment.attempts else Outcome.NO_ROUTE
            payment.trying = True
            self._schedule(self.now, "try", lambda: self._try(payment))
            return
        for part in plan:
            payment.attempts += 1
            attempt = Attempt(payment, payment.attempts, self.now, self._priced(part), planned=part)
            payment.in_flight.append(attempt)
            self._schedule(self.now, "send", partial(self._send_planned, attempt))
        if payment.remaining > 0:
            self._try_later(payment)

    def _priced(self, part: PlannedPart) -> list[RouteHtlc]:
        """`newRoute`, over the directions of a plan."""
        edges = [self.view.by_direction[direction] for direction in part.directions]  # as the router saw it
        path = [
            UnifiedEdge(edge, edge.policy.time_lock_delta_blocks, edge.capacity_msat, uses_inbound_fee=True)
            for edge in edges
        ]
        return [
            RouteHtlc(hop.direction, hop.amount_msat, hop.expiry)
            for hop in new_route(path, part.amount_msat, self._height + FINAL_DELTA)
        ]

    def _send_planned(self, attempt: Attempt) -> None:
        first = attempt.hops[0]
        if self._bandwidth(first.direction) >= first.amount_msat:
            self._offer(attempt, 0)
            return
        active = self._takes_new(first.direction // 2)
        attempt.code = Code.TEMPORARY_CHANNEL_FAILURE
        attempt.detail = int(Detail.INSUFFICIENT_BALANCE if active else Detail.LINK_NOT_ELIGIBLE)
        attempt.failed_index, attempt.failed_direction = 0, first.direction
        self._report(attempt, 0, attempt.payment.request.sender, Kind.LINK_FAIL, Type.SEND)
        self._returned(attempt, settled=False)

    def send_to_route(self, payment: Payment, hops: list[RouteHtlc], *, skip_temp_err: bool) -> None:
        """`SendToRoute` and `SendToRouteSkipTempErr`, of a first part or of a further one."""
        if payment not in self.payments:
            self.payments.append(payment)
        payment.attempts += 1
        attempt = Attempt(payment, payment.attempts, self.now, hops, skip_temp_err=skip_temp_err)
        payment.in_flight.append(attempt)
        self._schedule(self.now, "send", lambda: self._send_given(attempt))

    def _send_given(self, attempt: Attempt) -> None:
        """`SendHTLC`."""
        error = self._own_link_error(attempt.hops[0])
        if error is None:
            self._offer(attempt, 0)
            return
        attempt.code, attempt.detail = error[0], int(error[1])
        attempt.failed_index, attempt.failed_direction = 0, attempt.hops[0].direction
        self._report(attempt, 0, attempt.payment.request.sender, Kind.LINK_FAIL, Type.SEND)
        self._returned(attempt, settled=False)

    def _own_link_error(self, first: RouteHtlc) -> tuple[Code, Detail] | None:
        """`getLocalLink` and `canSendHtlc`; a link whose slots are full has no bandwidth here."""
        policy, amount = self.enforced[first.direction], first.amount_msat
        if not self._takes_new(first.direction // 2):
            return Code.TEMPORARY_CHANNEL_FAILURE, Detail.LINK_NOT_ELIGIBLE
        if amount < policy.min_htlc_msat:
            return Code.AMOUNT_BELOW_MINIMUM, Detail.NO_DETAIL
        if policy.max_htlc_msat != 0 and amount > policy.max_htlc_msat:
            return Code.TEMPORARY_CHANNEL_FAILURE, Detail.HTLC_EXCEEDS_MAX
        if first.expiry <= self._height + 3:
            return Code.EXPIRY_TOO_SOON, Detail.NO_DETAIL
        if first.expiry > self._height + 2016:
            return Code.EXPIRY_TOO_FAR, Detail.NO_DETAIL
        if amount > self._bandwidth(first.direction):
            return Code.TEMPORARY_CHANNEL_FAILURE, Detail.INSUFFICIENT_BALANCE
        return None

    def _try_later(self, payment: Payment) -> None:
        if not payment.trying:
            payment.trying = True
            self._schedule(self.now + self.world.retry_delay_ns, "try", lambda: self._try(payment))

    def _request_route(self, payment: Payment) -> list[RouteHtlc] | None:
        """`RequestRoute`: a route for the rest of the payment, or for a half, a quarter... of it."""
        amount = payment.remaining
        while True:
            search = self._search(payment, amount)
            try:
                path = search.run()
            except InsufficientBalance:
                payment.failure_reason = Outcome.INSUFFICIENT_BALANCE
                return None
            except NoPath:
                last_shard = len(payment.in_flight) + 1 >= payment.request.max_parts
                amount //= 2
                if last_shard or amount < LEAST_PART:
                    payment.failure_reason = Outcome.FAILED_ON_ROUTE if payment.attempts else Outcome.NO_ROUTE
                    return None
                continue
            return [
                RouteHtlc(hop.direction, hop.amount_msat, hop.expiry)
                for hop in new_route(path, amount, search.final_expiry)
            ]

    def _search(self, payment: Payment, amount: int) -> Search:
        request, memory = payment.request, self._memory(payment.request.sender)
        outgoing = request.outgoing_direction
        return Search(
            self._look_as(request.sender),
            PathFindingConfig(),
            Restrictions(
                probability=lambda low, high, amount, capacity: memory.probability(
                    low, high, amount, capacity, self.now
                ),
                fee_limit=request.fee_limit_msat - payment.fees,
                cltv_limit=CLTV_LIMIT,
                outgoing_directions=None if outgoing is None else frozenset({outgoing}),
                last_hop=request.last_hop,
            ),
            self._bandwidth,
            source=request.sender,
            target=request.receiver,
            amount=amount,
            height=self._height,
            final_delta=FINAL_DELTA,
        )

    def _returned(self, attempt: Attempt, *, settled: bool) -> None:
        """`handleAttemptResult`."""
        is_final = self._close(attempt)
        payment = attempt.payment
        payment.in_flight.remove(attempt)
        if settled:
            payment.settled.append(attempt)
            if not payment.in_flight:
                self._finish(payment, Outcome.SUCCEEDED)
            return
        if is_final and payment.failure_reason is None:
            payment.failure_reason = Outcome.INCORRECT_PAYMENT_DETAILS
        if payment.request.routes_given:
            if payment.failure_reason is None and not attempt.skip_temp_err:
                payment.failure_reason = Outcome.FAILED_ON_ROUTE
            if not payment.in_flight:
                self._finish(payment, payment.failure_reason or Outcome.FAILED_ON_ROUTE)
        elif payment.failure_reason is None:
            self._try_later(payment)
        elif not payment.in_flight and not payment.trying:
            self._finish(payment, Outcome.TIMEOUT if self._timed_out(payment) else payment.failure_reason)

    def _close(self, attempt: Attempt) -> bool:
        """Let the sender learn how an attempt ended; return whether that ends the payment."""
        payment = attempt.payment
        payment.code, payment.detail = int(attempt.code), attempt.detail
        payment.failed_direction, payment.hops = attempt.failed_direction, len(attempt.hops)
        self.attempts.append(
            AttemptRow(
                payment_id=payment.payment_id,
                number=attempt.number,
                start_ns=attempt.start_ns,
                end_ns=self.now,
                amount_msat=attempt.amount,
                fee_msat=attempt.fee,
                hops=len(attempt.hops),
                code=int(attempt.code),
                detail=attempt.detail,
                failed_index=attempt.failed_index,
                failed_direction=attempt.failed_direction,
                sender=payment.request.sender,
                route=tuple(hop.direction for hop in attempt.hops),
            )
        )
        with_update = attempt.code in (
            Code.EXPIRY_TOO_SOON,
            Code.AMOUNT_BELOW_MINIMUM,
            Code.FEE_INSUFFICIENT,
            Code.INCORRECT_CLTV_EXPIRY,
            Code.TEMPORARY_CHANNEL_FAILURE,
        )
        if with_update and attempt.detail != Detail.CIRCULAR_ROUTE and attempt.failed_index > 0:
            self._tell(payment.request.sender, attempt.failed_direction)
        if attempt.planned is not None:
            self._tell_router(attempt, attempt.planned)
            return attempt.code == Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
        if payment.request.sender in self.world.routers:
            return attempt.code == Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS  # a router's node keeps no memory
        nodes = [payment.request.sender, *(self.target[hop.direction] for hop in attempt.hops)]
        amounts = [hop.amount_msat for hop in attempt.hops]
        return self._memory(payment.request.sender).report(nodes, amounts, attempt.code, attempt.failed_index, self.now)

    def _tell(self, sender: int, direction: int) -> None:
        """`applyChannelUpdate`: the sender's own graph; where gossip takes no time, everybody's."""
        if self.world.gossip_median_ns:
            opened = direction // 2 in self.announced_ns
            if not opened or self._known_of_opened(sender, direction) is not None:
                self.hearsay.tell(sender, direction)
        elif direction in self.hearsay.common or direction // 2 not in self.announced_ns:
            self._everybody_hears(direction)

    def _tell_router(self, attempt: Attempt, part: PlannedPart) -> None:
        payment, index = attempt.payment, attempt.failed_index
        self.results.setdefault(payment.request.sender, []).append(
            PartResult(
                payment_id=payment.payment_id,
                part=part,
                sent_msat=tuple(Msat(hop.amount_msat) for hop in attempt.hops),
                ended_ns=UnixNs(self.now),
                code=attempt.code,
                failed_hop=index if 0 <= index < len(attempt.hops) else None,
            )
        )


class SenderView:
    """What a router may look at: a `NetworkView`."""

    def __init__(self, simulator: EngineSenders, sender: int) -> None:
        self.graph = simulator.graph
        self.block_height = simulator._height
        self._simulator = simulator
        self._sender = sender

    @cached_property
    def policies(self) -> PolicyColumns:
        """What gossip has brought."""
        columns = PolicyColumns.unknown(2 * self.graph.channel_count)
        for direction, edge in self._simulator._look_as(self._sender).by_direction.items():
            columns.put(direction, edge.policy)
        return columns

    @cached_property
    def spendable_msat(self) -> dict[int, int]:
        """What the sender's own channels can carry."""
        own = [direction for direction, node in enumerate(self._simulator.source) if node == self._sender]
        return {direction: self._simulator._bandwidth(direction) for direction in own}
