"""An event simulator of objects on a heap, with the meaning of the compiled one and nothing of its make.

Forwarding checks in the order of LND's `CheckHtlcForward`, non-strict forwarding
as in `handlePacketAdd`, parts as in `payment_lifecycle.go` and
`payment_session.go`, receivers as in `invoices/update.go`, HTLC events as
`htlcnotifier.go` gives them. Delays and random links are drawn
by address, so that the two simulators meet the same world.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import NamedTuple

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.graph import NetworkGraph, PolicyColumns
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
from tests.reference import rng
from tests.reference.bimodal import BimodalConfig
from tests.reference.channels import MAX_HTLCS, Channel, Htlc
from tests.reference.mission_control import MissionControl
from tests.reference.pathfinding import (
    Graph,
    InsufficientBalance,
    NoPath,
    PathFindingConfig,
    Restrictions,
    Search,
    UnifiedEdge,
    new_route,
    truncated,
)

BLOCK_NS = 600 * 10**9
FINAL_DELTA = 80 + 3
CLTV_LIMIT = 2016
HOP_DELAY_STREAM = 10
LINK_STREAM = 11
LEAST_PART = 10_000_000
PRIORITY = {"gossip": 0, "settle": 1, "fail": 2, "arrive": 3, "try": 4, "start": 5, "release": 6, "send": 7}
FREE_POLICY = ChannelPolicy(
    base_fee_msat=0,  # type: ignore[arg-type]
    fee_rate_ppm=0,  # type: ignore[arg-type]
    time_lock_delta_blocks=0,  # type: ignore[arg-type]
    min_htlc_msat=0,  # type: ignore[arg-type]
    max_htlc_msat=0,  # type: ignore[arg-type]
)


class Request(NamedTuple):
    """A payment to make."""

    start_ns: int
    sender: int
    receiver: int
    amount_msat: int
    fee_limit_msat: int
    outgoing_direction: int | None = None
    last_hop: int | None = None
    max_parts: int = 1


class HtlcRow(NamedTuple):
    """What an observed node reports, in the order of the engine's columns."""

    timestamp_ns: int
    node: int
    kind: int
    event_type: int
    code: int
    detail: int
    incoming_direction: int
    outgoing_direction: int
    incoming_htlc_id: int
    outgoing_htlc_id: int
    incoming_amount_msat: int
    outgoing_amount_msat: int
    incoming_timelock_blocks: int
    outgoing_timelock_blocks: int


class AttemptRow(NamedTuple):
    """One attempt that ended, with its route."""

    payment_id: int
    number: int
    start_ns: int
    end_ns: int
    amount_msat: int
    fee_msat: int
    hops: int
    code: int
    detail: int
    failed_index: int
    failed_direction: int
    sender: int
    route: tuple[int, ...]


@dataclass(eq=False)
class Payment:
    """A payment and how it goes."""

    payment_id: int
    request: Request
    attempts: int = 0
    outcome: Outcome = Outcome.IN_FLIGHT
    failure_reason: Outcome | None = None
    in_flight: "list[Attempt]" = field(default_factory=list)
    settled: "list[Attempt]" = field(default_factory=list)
    accepted: "list[Attempt]" = field(default_factory=list)
    trying: bool = False
    end_ns: int = 0
    fee_msat: int = 0
    hops: int = 0
    code: int = 0
    detail: int = 0
    failed_direction: int = -1

    @property
    def remaining(self) -> int:
        """`MPPaymentState.RemainingAmt`."""
        return self.request.amount_msat - sum(attempt.amount for attempt in (*self.in_flight, *self.settled))

    @property
    def fees(self) -> int:
        """`MPPaymentState.FeesPaid`."""
        return sum(attempt.fee for attempt in (*self.in_flight, *self.settled))


@dataclass
class RouteHtlc:
    """One hop of an attempt."""

    direction: int
    amount_msat: int
    expiry: int
    htlc: Htlc | None = None


@dataclass(eq=False)
class Attempt:
    """One route that is being tried."""

    payment: Payment
    number: int
    start_ns: int
    hops: list[RouteHtlc]
    code: Code = Code.NONE
    detail: int = 0
    failed_index: int = -1
    failed_direction: int = -1
    planned: PlannedPart | None = None

    @property
    def amount(self) -> int:
        """What the receiver gets."""
        return self.hops[-1].amount_msat

    @property
    def fee(self) -> int:
        """What the route costs."""
        return self.hops[0].amount_msat - self.amount


@dataclass
class World:
    """Settings of a run."""

    seed: int = 0
    start_ns: int = 0
    start_height: int = 800_000
    feerate_per_kw: int = 2_500
    delay_median_ns: float = 250e6
    delay_sigma: float = 0.5
    timeout_ns: int = 60 * 10**9
    retry_delay_ns: int = 5 * 10**6
    mpp_timeout_ns: int = 120 * 10**9
    max_htlcs: int = MAX_HTLCS
    observed: frozenset[int] = field(default_factory=frozenset)
    bimodal: frozenset[int] = field(default_factory=frozenset)
    routers: dict[int, Router] = field(default_factory=dict)


class Simulator:
    """The network, the senders' memories, and the events to come."""

    def __init__(
        self, graph: NetworkGraph, balance_msat: Sequence[int], opener_side: Sequence[int], world: World
    ) -> None:
        self.world, self.now = world, world.start_ns
        self.view = Graph(graph)
        self.source, self.target = graph.sources().tolist(), graph.targets().tolist()
        self.enforced = {
            direction: graph.policies.get(direction) or FREE_POLICY for direction in range(2 * graph.channel_count)
        }
        self.channels = [
            Channel(
                capacity_msat=int(capacity_sat) * 1000,
                opener=int(opener_side[row]),
                balance_msat=[int(balance_msat[2 * row]), int(balance_msat[2 * row + 1])],
                feerate_per_kw=world.feerate_per_kw,
            )
            for row, capacity_sat in enumerate(graph.capacity_sat)
        ]
        self.active = [True] * graph.channel_count
        self.memories: dict[int, MissionControl] = {}
        self.results: dict[int, list[PartResult]] = {}
        self.graph = graph
        self.payments: list[Payment] = []
        self.finished: list[Payment] = []
        self.attempts: list[AttemptRow] = []
        self.htlc_events: list[HtlcRow] = []
        self.events = 0
        self._queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self._sequence = 0

    # What the outside does.

    def submit(self, request: Request) -> None:
        """Schedule a payment."""
        payment = Payment(len(self.payments), request)
        self.payments.append(payment)
        self._schedule(request.start_ns, "start", lambda: self._try(payment))

    def set_policy(self, direction: int, policy: ChannelPolicy, spread_ns: int) -> None:
        """Enforce a policy now; senders hear of the one in force when the news arrives."""
        self.enforced[direction] = policy
        self._schedule(self.now + spread_ns, "gossip", lambda: self._tell(direction))

    def run_until(self, time_ns: int) -> None:
        """Let everything happen that is due by then."""
        while self._queue and self._queue[0][0] <= time_ns:
            self.now, _, _, action = heapq.heappop(self._queue)
            self.events += 1
            action()
        self.now = time_ns

    # Inside.

    def _schedule(self, time_ns: int, kind: str, action: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (time_ns, PRIORITY[kind], self._sequence, action))

    def _delay(self, attempt: Attempt, step: int) -> int:
        payment = attempt.payment
        z = rng.standard_normal(self.world.seed, payment.payment_id, HOP_DELAY_STREAM, attempt.number * 128 + step)
        return int(self.world.delay_median_ns * math.exp(self.world.delay_sigma * z)) + 1

    @property
    def _height(self) -> int:
        return self.world.start_height + (self.now - self.world.start_ns) // BLOCK_NS

    def _tell(self, direction: int) -> None:
        policy = self.enforced[direction]
        edge, reverse = self.view.by_direction.get(direction), self.view.by_direction.get(direction ^ 1)
        if edge is not None:
            self.view.replace(replace(edge, policy=policy))
        if reverse is not None:
            self.view.replace(
                replace(
                    reverse,
                    inbound_base=policy.inbound_base_fee_msat,
                    inbound_rate=policy.inbound_fee_rate_ppm,
                )
            )

    def _bandwidth(self, direction: int) -> int:
        channel = self.channels[direction // 2]
        if not self.active[direction // 2] or channel.pending(direction % 2) >= self.world.max_htlcs:
            return 0
        return channel.available(direction % 2)

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
        edges = [self.view.by_direction[direction] for direction in part.directions]
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
        active = self.active[first.direction // 2]
        attempt.code = Code.TEMPORARY_CHANNEL_FAILURE
        attempt.detail = int(Detail.INSUFFICIENT_BALANCE if active else Detail.LINK_NOT_ELIGIBLE)
        attempt.failed_index, attempt.failed_direction = 0, first.direction
        self._report(attempt, 0, attempt.payment.request.sender, Kind.LINK_FAIL, Type.SEND)
        self._returned(attempt, settled=False)

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
            self.view,
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

    def _offer(self, attempt: Attempt, number: int) -> None:
        hop = attempt.hops[number]
        hop.htlc = self.channels[hop.direction // 2].add(hop.direction % 2, hop.amount_msat)
        self._report(attempt, number, self.source[hop.direction], Kind.FORWARD, self._role(number))
        delay = self._delay(attempt, 2 * number)
        self._schedule(self.now + delay, "arrive", lambda: self._arrive(attempt, number))

    def _role(self, number: int) -> Type:
        return Type.SEND if number == 0 else Type.FORWARD

    def _arrive(self, attempt: Attempt, number: int) -> None:
        node = self.target[attempt.hops[number].direction]
        following = number + 1
        if following == len(attempt.hops):
            self._accept(attempt)
            return
        direction, code, detail = self._choose_link(attempt, following)
        if code == Code.NONE:
            attempt.hops[following].direction = direction
            self._offer(attempt, following)
            return
        attempt.code, attempt.detail = code, int(detail)
        attempt.failed_index, attempt.failed_direction = following, direction
        role = Type.RECEIVE if detail == Detail.HTLC_ADD_FAILED else Type.FORWARD
        self._report(attempt, following, node, Kind.LINK_FAIL, role)
        self._go_back(attempt, number, settled=False)

    def _accept(self, attempt: Attempt) -> None:
        """`updateMpp`: hold the part until the set is complete."""
        payment = attempt.payment
        payment.accepted.append(attempt)
        if sum(part.amount for part in payment.accepted) < payment.request.amount_msat:
            self._schedule(self.now + self.world.mpp_timeout_ns, "release", lambda: self._release(attempt))
            return
        for part in payment.accepted:
            self._report(part, len(part.hops), payment.request.receiver, Kind.SETTLE, Type.RECEIVE)
            self._go_back(part, len(part.hops) - 1, settled=True)
        payment.accepted = []

    def _release(self, attempt: Attempt) -> None:
        """`cancelSingleHtlc`."""
        payment, hops = attempt.payment, len(attempt.hops)
        if attempt not in payment.accepted:
            return
        payment.accepted.remove(attempt)
        attempt.code, attempt.detail, attempt.failed_index = Code.MPP_TIMEOUT, int(Detail.MPP_INVOICE_TIMEOUT), hops
        self._report(attempt, hops, payment.request.receiver, Kind.LINK_FAIL, Type.RECEIVE)
        self._go_back(attempt, hops - 1, settled=False)

    def _go_back(self, attempt: Attempt, number: int, *, settled: bool) -> None:
        self._schedule(
            self.now + self._delay(attempt, 2 * number + 1),
            "settle" if settled else "fail",
            lambda: self._resolved(attempt, number, settled=settled),
        )

    def _resolved(self, attempt: Attempt, number: int, *, settled: bool) -> None:
        hop = attempt.hops[number]
        assert hop.htlc is not None
        self.channels[hop.direction // 2].resolve(hop.htlc, settled=settled)
        kind = Kind.SETTLE if settled else Kind.FORWARD_FAIL
        self._report(attempt, number, self.source[hop.direction], kind, self._role(number))
        if number > 0:
            self._go_back(attempt, number - 1, settled=settled)
            return
        self._returned(attempt, settled=settled)

    def _returned(self, attempt: Attempt, *, settled: bool) -> None:
        """`handleAttemptResult`."""
        self._close(attempt)
        payment = attempt.payment
        payment.in_flight.remove(attempt)
        if settled:
            payment.settled.append(attempt)
            if not payment.in_flight:
                self._finish(payment, Outcome.SUCCEEDED)
        elif payment.failure_reason is None:
            self._try_later(payment)
        elif not payment.in_flight:
            self._finish(payment, Outcome.TIMEOUT if self._timed_out(payment) else payment.failure_reason)

    def _close(self, attempt: Attempt) -> None:
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
            self._tell(attempt.failed_direction)
        if attempt.planned is not None:
            self._tell_router(attempt, attempt.planned)
            return
        nodes = [payment.request.sender, *(self.target[hop.direction] for hop in attempt.hops)]
        amounts = [hop.amount_msat for hop in attempt.hops]
        self._memory(payment.request.sender).report(nodes, amounts, attempt.code, attempt.failed_index, self.now)

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

    def _choose_link(self, attempt: Attempt, number: int) -> tuple[int, Code, Detail]:
        arriving, leaving = attempt.hops[number - 1], attempt.hops[number]
        asked = leaving.direction
        if asked == arriving.direction ^ 1:
            return asked, Code.TEMPORARY_CHANNEL_FAILURE, Detail.CIRCULAR_ROUTE
        links = [edge.direction for edge in self.view.incoming[self.target[asked]][self.source[asked]]]
        errors = {link: self._check(arriving, leaving, link) for link in sorted(links)}
        passing = [link for link, error in errors.items() if error is None]
        if not passing:
            error = errors[asked]
            assert error is not None
            return asked, *error
        chosen = self._pick(attempt, number, passing)
        if self.channels[chosen // 2].pending(chosen % 2) >= self.world.max_htlcs:
            return chosen, Code.TEMPORARY_CHANNEL_FAILURE, Detail.HTLC_ADD_FAILED
        return chosen, Code.NONE, Detail.NO_DETAIL

    def _pick(self, attempt: Attempt, number: int, links: list[int]) -> int:
        """Reservoir sampling: the k-th link takes the place with probability 1/k."""
        payment = attempt.payment
        bits = rng.bits(self.world.seed, payment.payment_id, LINK_STREAM, attempt.number * 128 + number)
        chosen = links[0]
        for count, link in enumerate(links[1:], start=2):
            bits = (bits * 6364136223846793005 + 1442695040888963407) % 2**64
            if (bits >> 33) % count == 0:
                chosen = link
        return chosen

    def _check(self, arriving: RouteHtlc, leaving: RouteHtlc, link: int) -> tuple[Code, Detail] | None:
        """`EligibleToForward`, then `CheckHtlcForward`."""
        none = Detail.NO_DETAIL
        if not self.active[link // 2]:
            return Code.UNKNOWN_NEXT_PEER, Detail.LINK_NOT_ELIGIBLE
        policy, inbound = self.enforced[link], self.enforced[arriving.direction ^ 1]
        amount, height = leaving.amount_msat, self._height
        out_fee = policy.base_fee_msat + amount * policy.fee_rate_ppm // 10**6
        rate = max(-(10**7), min(10**7, inbound.inbound_fee_rate_ppm))
        in_fee = inbound.inbound_base_fee_msat + truncated(rate * (amount + out_fee), 10**6)
        if arriving.amount_msat < amount or arriving.amount_msat - amount < in_fee + out_fee:
            return Code.FEE_INSUFFICIENT, none
        if amount < policy.min_htlc_msat:
            return Code.AMOUNT_BELOW_MINIMUM, none
        if policy.max_htlc_msat != 0 and amount > policy.max_htlc_msat:
            return Code.TEMPORARY_CHANNEL_FAILURE, Detail.HTLC_EXCEEDS_MAX
        if leaving.expiry <= height + 3:
            return Code.EXPIRY_TOO_SOON, none
        if leaving.expiry > height + 2016:
            return Code.EXPIRY_TOO_FAR, none
        if amount > self.channels[link // 2].available(link % 2):
            return Code.TEMPORARY_CHANNEL_FAILURE, Detail.INSUFFICIENT_BALANCE
        delta = arriving.expiry - leaving.expiry
        if delta < policy.time_lock_delta_blocks:
            return Code.INCORRECT_CLTV_EXPIRY, none
        if delta > 2016:
            return Code.EXPIRY_TOO_FAR, none
        return None

    def _report(self, attempt: Attempt, number: int, node: int, kind: Kind, role: Type) -> None:
        """Write an event for node number `number` of the route, if it is observed."""
        if node not in self.world.observed:
            return
        failing = kind == Kind.LINK_FAIL
        unsized = failing and attempt.detail == Detail.HTLC_ADD_FAILED
        arriving = attempt.hops[number - 1] if role != Type.SEND else None
        leaving = attempt.hops[number] if role != Type.RECEIVE else None
        self.htlc_events.append(
            HtlcRow(
                timestamp_ns=self.now,
                node=node,
                kind=int(kind),
                event_type=int(role),
                code=int(attempt.code) if failing else 0,
                detail=attempt.detail if failing else 0,
                incoming_direction=arriving.direction if arriving else -1,
                outgoing_direction=leaving.direction if leaving else -1,
                incoming_htlc_id=arriving.htlc.htlc_id if arriving and arriving.htlc else 0,
                outgoing_htlc_id=leaving.htlc.htlc_id if leaving and leaving.htlc and not failing else 0,
                incoming_amount_msat=arriving.amount_msat if arriving and not unsized else 0,
                outgoing_amount_msat=leaving.amount_msat if leaving else 0,
                incoming_timelock_blocks=arriving.expiry if arriving and not unsized else 0,
                outgoing_timelock_blocks=leaving.expiry if leaving else 0,
            )
        )


class SenderView:
    """What a router may look at: a `NetworkView`."""

    def __init__(self, simulator: Simulator, sender: int) -> None:
        self.graph = simulator.graph
        self.block_height = simulator._height
        self._simulator = simulator
        self._sender = sender

    @cached_property
    def policies(self) -> PolicyColumns:
        """What gossip has brought."""
        columns = PolicyColumns.unknown(2 * self.graph.channel_count)
        for direction, edge in self._simulator.view.by_direction.items():
            columns.put(direction, edge.policy)
        return columns

    @cached_property
    def spendable_msat(self) -> dict[int, int]:
        """What the sender's own channels can carry."""
        own = [direction for direction, node in enumerate(self._simulator.source) if node == self._sender]
        return {direction: self._simulator._bandwidth(direction) for direction in own}
