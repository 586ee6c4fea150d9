"""An event simulator of objects on a heap, with the meaning of the compiled one and nothing of its make.

Forwarding checks in the order of LND's `CheckHtlcForward`, non-strict forwarding
as in `handlePacketAdd`, results to mission control as in `payment_lifecycle.go`,
HTLC events as `htlcnotifier.go` gives them. Delays and random links are drawn
by address, so that the two simulators meet the same world.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.graph import NetworkGraph
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
from tests.reference import rng
from tests.reference.channels import MAX_HTLCS, Channel, Htlc
from tests.reference.mission_control import MissionControl
from tests.reference.pathfinding import (
    Graph,
    InsufficientBalance,
    NoPath,
    PathFindingConfig,
    Restrictions,
    Search,
    new_route,
    truncated,
)

BLOCK_NS = 600 * 10**9
FINAL_DELTA = 80 + 3
CLTV_LIMIT = 2016
HOP_DELAY_STREAM = 10
LINK_STREAM = 11
PRIORITY = {"gossip": 0, "settle": 1, "fail": 2, "arrive": 3, "try": 4, "start": 5}
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
    route: tuple[int, ...]


@dataclass(eq=False)
class Payment:
    """A payment and how it goes."""

    payment_id: int
    request: Request
    attempts: int = 0
    outcome: Outcome = Outcome.IN_FLIGHT
    end_ns: int = 0
    fee_msat: int = 0
    hops: int = 0
    code: int = 0
    detail: int = 0
    failed_direction: int = -1


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
    start_ns: int
    hops: list[RouteHtlc]
    code: Code = Code.NONE
    detail: int = 0
    failed_index: int = -1
    failed_direction: int = -1


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
    max_htlcs: int = MAX_HTLCS
    observed: frozenset[int] = field(default_factory=frozenset)


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
        z = rng.standard_normal(self.world.seed, payment.payment_id, HOP_DELAY_STREAM, payment.attempts * 128 + step)
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
        return self.memories.setdefault(sender, MissionControl(sender))

    def _finish(self, payment: Payment, outcome: Outcome) -> None:
        payment.outcome, payment.end_ns = outcome, self.now
        self.finished.append(payment)

    def _try(self, payment: Payment) -> None:
        request = payment.request
        if self.now - request.start_ns > self.world.timeout_ns:
            self._finish(payment, Outcome.TIMEOUT)
            return
        memory = self._memory(request.sender)
        outgoing = request.outgoing_direction
        search = Search(
            self.view,
            PathFindingConfig(),
            Restrictions(
                probability=lambda low, high, amount, capacity: memory.probability(
                    low, high, amount, capacity, self.now
                ),
                fee_limit=request.fee_limit_msat,
                cltv_limit=CLTV_LIMIT,
                outgoing_directions=None if outgoing is None else frozenset({outgoing}),
                last_hop=request.last_hop,
            ),
            self._bandwidth,
            source=request.sender,
            target=request.receiver,
            amount=request.amount_msat,
            height=self._height,
            final_delta=FINAL_DELTA,
        )
        try:
            path = search.run()
        except InsufficientBalance:
            self._finish(payment, Outcome.INSUFFICIENT_BALANCE)
            return
        except NoPath:
            self._finish(payment, Outcome.FAILED_ON_ROUTE if payment.attempts else Outcome.NO_ROUTE)
            return
        payment.attempts += 1
        hops = [
            RouteHtlc(hop.direction, hop.amount_msat, hop.expiry)
            for hop in new_route(path, request.amount_msat, search.final_expiry)
        ]
        self._offer(Attempt(payment, self.now, hops), 0)

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
            self._report(attempt, following, node, Kind.SETTLE, Type.RECEIVE)
            self._go_back(attempt, number, settled=True)
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
        self._close(attempt)
        if settled:
            self._finish(attempt.payment, Outcome.SUCCEEDED)
        else:
            payment = attempt.payment
            self._schedule(self.now + self.world.retry_delay_ns, "try", lambda: self._try(payment))

    def _close(self, attempt: Attempt) -> None:
        payment = attempt.payment
        fee = attempt.hops[0].amount_msat - payment.request.amount_msat
        payment.code, payment.detail = int(attempt.code), attempt.detail
        payment.failed_direction, payment.hops = attempt.failed_direction, len(attempt.hops)
        payment.fee_msat = fee if attempt.code == Code.NONE else 0
        self.attempts.append(
            AttemptRow(
                payment_id=payment.payment_id,
                number=payment.attempts,
                start_ns=attempt.start_ns,
                end_ns=self.now,
                amount_msat=payment.request.amount_msat,
                fee_msat=fee,
                hops=len(attempt.hops),
                code=int(attempt.code),
                detail=attempt.detail,
                failed_index=attempt.failed_index,
                failed_direction=attempt.failed_direction,
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
        if with_update and attempt.detail != Detail.CIRCULAR_ROUTE:
            self._tell(attempt.failed_direction)
        nodes = [payment.request.sender, *(self.target[hop.direction] for hop in attempt.hops)]
        amounts = [hop.amount_msat for hop in attempt.hops]
        self._memory(payment.request.sender).report(nodes, amounts, attempt.code, attempt.failed_index, self.now)

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
        bits = rng.bits(self.world.seed, payment.payment_id, LINK_STREAM, payment.attempts * 128 + number)
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
