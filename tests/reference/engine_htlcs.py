"""HTLCs of the plain simulator on their way along a route and back.

Forwarding checks in the order of LND's `CheckHtlcForward`, non-strict forwarding
as in `handlePacketAdd`, HTLC events as `htlcnotifier.go` gives them.
"""

import math

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
from tests.reference import rng
from tests.reference.engine_network import EngineNetwork
from tests.reference.engine_records import Attempt, HtlcRow, RouteHtlc
from tests.reference.pathfinding import truncated

HOP_DELAY_STREAM = 10
LINK_STREAM = 11


class EngineHtlcs(EngineNetwork):
    """What links and forwarding nodes do; the two ends of a payment come on top."""

    def _accept(self, attempt: Attempt) -> None:
        raise NotImplementedError

    def _returned(self, attempt: Attempt, *, settled: bool) -> None:
        raise NotImplementedError

    def _delay(self, attempt: Attempt, step: int) -> int:
        payment = attempt.payment
        z = rng.standard_normal(self.world.seed, payment.payment_id, HOP_DELAY_STREAM, attempt.number * 128 + step)
        return int(self.world.delay_median_ns * math.exp(self.world.delay_sigma * z)) + 1

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
        row = attempt.hops[number].direction // 2
        if self._waits(row, "arrive", lambda: self._arrive(attempt, number)):
            return
        if self.stage[row] == "forced":
            self._times_out(attempt, number)
            return
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

    def _go_back(self, attempt: Attempt, number: int, *, settled: bool) -> None:
        self._schedule(
            self.now + self._delay(attempt, 2 * number + 1),
            "settle" if settled else "fail",
            lambda: self._resolved(attempt, number, settled=settled),
        )

    def _resolved(self, attempt: Attempt, number: int, *, settled: bool) -> None:
        hop = attempt.hops[number]
        assert hop.htlc is not None
        row = hop.direction // 2
        step = "settle" if settled else "fail"
        if self._waits(row, step, lambda: self._resolved(attempt, number, settled=settled)):
            return
        if self.stage[row] == "forced" and not settled:
            if self.now < self.on_chain_ns[row]:
                self._times_out(attempt, number)
                return
            attempt.code, attempt.detail = Code.PERMANENT_CHANNEL_FAILURE, int(Detail.ON_CHAIN_TIMEOUT)
            attempt.failed_index, attempt.failed_direction = number, hop.direction
        self.channels[row].resolve(hop.htlc, settled=settled)
        self._end_if_empty(row)
        kind = Kind.SETTLE if settled else Kind.FORWARD_FAIL
        self._report(attempt, number, self.source[hop.direction], kind, self._role(number))
        if number > 0:
            self._go_back(attempt, number - 1, settled=settled)
            return
        self._returned(attempt, settled=settled)

    def _times_out(self, attempt: Attempt, number: int) -> None:
        """An HTLC of a published commitment is given up when its output can be claimed."""
        time_ns = max(self.now, self.on_chain_ns[attempt.hops[number].direction // 2])
        self._schedule(time_ns, "fail", lambda: self._resolved(attempt, number, settled=False))

    def _choose_link(self, attempt: Attempt, number: int) -> tuple[int, Code, Detail]:
        arriving, leaving = attempt.hops[number - 1], attempt.hops[number]
        asked = leaving.direction
        if asked == arriving.direction ^ 1:
            return asked, Code.TEMPORARY_CHANNEL_FAILURE, Detail.CIRCULAR_ROUTE
        if self.stage[asked // 2] == "closed":
            return asked, Code.UNKNOWN_NEXT_PEER, Detail.NO_DETAIL
        links = self.links[self.source[asked], self.target[asked]]
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
        if not self._takes_new(link // 2):
            flushing = self.stage[link // 2] == "closing" and self.outages.is_up(link // 2)
            return Code.UNKNOWN_NEXT_PEER, Detail.LINK_NOT_ELIGIBLE if flushing else none
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
