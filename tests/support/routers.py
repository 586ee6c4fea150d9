"""Routers to plug into an engine, for tests."""

import heapq
from collections.abc import Iterator

from lightninglens.core.htlc import FailureCode
from lightninglens.core.units import MSAT_PER_SAT, Msat
from lightninglens.sim.routers import NetworkView, NoPlan, PlannedPart, PlanRequest, price_part


class CheapestRouter:
    """The cheapest path by announced fees, split in two once it has failed; avoids what refused it in this payment."""

    def __init__(self) -> None:
        self._refused: dict[int, set[int]] = {}
        self.settled = 0
        self.failed = 0

    def plan(self, request: PlanRequest, view: NetworkView, now_ns: int) -> tuple[PlannedPart, ...] | NoPlan:
        """Return one part, or two halves after a failure."""
        refused = self._refused.setdefault(request.payment_id, set())
        for result in request.results:
            self.settled += result.code is FailureCode.NONE
            self.failed += result.code is not FailureCode.NONE
            if result.failed_hop is not None:
                self._refused.setdefault(result.payment_id, set()).add(result.part.directions[result.failed_hop])
        if now_ns < 0 or request.most_parts < 1:
            return NoPlan()
        half = Msat(request.remaining_msat // 2)
        split = bool(refused) and request.most_parts > 1 and half > 0
        parts, taken = [], set(refused)
        for amount in (half, Msat(request.remaining_msat - half)) if split else (request.remaining_msat,):
            directions = cheapest_path(request, view, amount, taken)
            if directions is None:
                return NoPlan()
            parts.append(PlannedPart(directions=directions, amount_msat=amount))
            taken.update(directions)
        return tuple(parts) if affordable(parts, request, view) else NoPlan()


def affordable(parts: list[PlannedPart], request: PlanRequest, view: NetworkView) -> bool:
    """Say whether parts keep within the limits of fees and time locks."""
    final_expiry = view.block_height + request.final_cltv_blocks
    priced = [price_part(part, view.policies, final_expiry) for part in parts]
    latest = view.block_height + request.cltv_limit_blocks
    return sum(part.fee_msat for part in priced) <= request.fee_limit_msat and all(
        part.expiry_heights[0] <= latest for part in priced
    )


class _Map:
    """What a path may use for one amount."""

    def __init__(self, request: PlanRequest, view: NetworkView, amount_msat: Msat, avoided: set[int]) -> None:
        self.request, self.view, self.amount_msat, self.avoided = request, view, amount_msat, avoided
        self.policies = view.policies
        self.incoming: dict[int, list[tuple[int, int]]] = {}
        ends = zip(view.graph.sources().tolist(), view.graph.targets().tolist(), strict=True)
        for direction, (source, target) in enumerate(ends):
            self.incoming.setdefault(target, []).append((direction, source))

    def usable(self, direction: int) -> bool:
        """Say whether a direction may carry the amount, as far as the sender knows."""
        policies, own = self.policies, self.view.spendable_msat
        if direction in self.avoided or not policies.known[direction] or policies.disabled[direction]:
            return False
        if direction in own:
            return own[direction] >= self.amount_msat and self.request.outgoing in (None, direction)
        capacity_msat = int(self.view.graph.capacity_sat[direction // 2]) * MSAT_PER_SAT
        most = int(policies.max_htlc_msat[direction]) or capacity_msat
        return int(policies.min_htlc_msat[direction]) <= self.amount_msat <= most

    def steps(self, node: int) -> Iterator[tuple[int, int, int]]:
        """Yield (fee, direction, node before) for the ways to a node."""
        last_hop = self.request.last_hop if node == self.request.receiver else None
        for direction, source in self.incoming.get(node, ()):
            if last_hop in (None, source) and self.usable(direction):
                policy = self.policies.get(direction)
                free = source == self.request.sender or policy is None
                yield 0 if free else policy.outbound_fee_msat(self.amount_msat), direction, source  # type: ignore[union-attr]


def cheapest_path(
    request: PlanRequest, view: NetworkView, amount_msat: Msat, avoided: set[int]
) -> tuple[int, ...] | None:
    """Return the path of least outbound fees for an amount, each fee taken of the bare amount."""
    ways, seen = _Map(request, view, amount_msat, avoided), set()
    heap = [(fee, (direction,), source) for fee, direction, source in ways.steps(request.receiver)]
    heapq.heapify(heap)
    while heap:
        fee, path, node = heapq.heappop(heap)
        if node == request.sender:
            return path if len(path) < 20 else None
        if node not in seen:
            seen.add(node)
            for more, direction, source in ways.steps(node):
                step: tuple[int, tuple[int, ...], int] = (fee + more, (direction, *path), source)
                heapq.heappush(heap, step)  # type: ignore[misc]
    return None
