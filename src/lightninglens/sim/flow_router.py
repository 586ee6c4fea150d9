"""The sender "flow": min-cost flow on what it believes of the network, plugged in as a router."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.htlc import FailureCode
from lightninglens.core.units import MSAT_PER_SAT, PPM, Msat
from lightninglens.routing.flow import FlowChannels, plan_parts
from lightninglens.routing.liquidity import LiquidityBounds
from lightninglens.sim.routers import NetworkView, NoPlan, PartResult, PlannedPart, PlanRequest, PricedPart, price_part

_MOST_HOPS = 20
"""So many fit an onion whatever they carry."""

_CHEAPER = (1.0, 0.25, 0.05, 0.0)
"""What a failure counts, when the likeliest flow is above the fee limit: less and less."""


class _Bounds(LiquidityBounds):
    """Bounds that can be written down, and that cover channels which open in a run."""

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return all that has been learned, by direction."""
        return {
            "least_msat": self._least_msat,
            "most_msat": self._most_msat,
            "time_ns": self._time_ns,
            "in_flight_msat": self._in_flight_msat,
        }

    def fill(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Take up what was learned of the first directions."""
        for name, known in columns.items():
            self.columns()[name][: len(known)] = known


class FlowRouter:
    """Plans all that remains as one flow, round by round, and learns bounds from what comes back; per sender.

    A failure is worth what LND's attempt costs: `attempt_cost_msat` and
    `attempt_cost_ppm`. Circular payments are not planned.
    """

    def __init__(self, *, attempt_cost_msat: int = 100_000, attempt_cost_ppm: int = 1_000) -> None:
        self._attempt_cost_msat = attempt_cost_msat
        self._attempt_cost_ppm = attempt_cost_ppm
        self._bounds: dict[int, _Bounds] = {}
        self._kept: dict[int, Mapping[str, NDArray[Any]]] = {}
        """What senders had learned at a checkpoint, until they are asked again."""
        self._avoided: dict[int, set[int]] = {}
        """By payment: own channels that were too empty, and what refused for another reason than liquidity."""

    def plan(self, request: PlanRequest, view: NetworkView, now_ns: int) -> tuple[PlannedPart, ...] | NoPlan:
        """Return the parts of the cheapest and likeliest flow of what remains."""
        bounds = self._bounds_of(request.sender, view.graph.capacity_sat)
        for result in request.results:
            self._learn(bounds, result)
        if request.sender == request.receiver or request.most_parts < 1:
            return NoPlan()
        channels = self._channels(bounds, request, view, now_ns)
        cost_msat = self._attempt_cost_msat + request.remaining_msat * self._attempt_cost_ppm / PPM
        for share in _CHEAPER:
            parts = plan_parts(
                channels,
                sender=request.sender,
                receiver=request.receiver,
                amount_msat=request.remaining_msat,
                most_parts=request.most_parts,
                risk_msat=cost_msat * share,
            )
            planned = tuple(
                PlannedPart(directions=part.directions, amount_msat=Msat(part.amount_msat)) for part in parts
            )
            priced = [price_part(part, view.policies, request.final_cltv_blocks) for part in planned]
            if priced and _affordable(priced, request):
                for part in priced:
                    bounds.set_out(part.part.directions, part.amounts_msat)
                return planned
        return NoPlan()

    def state(self) -> dict[str, Any]:
        """Return what it has learned of liquidity, by sender, and what to avoid, by payment; see `Remembering`."""
        known = self._known()
        names = next(iter(known.values()), {})
        joined = {name: np.concatenate([columns[name] for columns in known.values()]) for name in names}
        return joined | {
            "senders": [[sender, len(columns["time_ns"])] for sender, columns in known.items()],
            "avoided": [[payment, sorted(directions)] for payment, directions in self._avoided.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what a router had learned; see `Remembering`."""
        self._avoided = {payment: set(directions) for payment, directions in state["avoided"]}
        self._bounds, self._kept, first = {}, {}, 0
        for sender, directions in state["senders"]:
            names = [name for name in state if name not in {"senders", "avoided"}]
            self._kept[sender] = {name: state[name][first : first + directions] for name in names}
            first += directions

    def _known(self) -> dict[int, Mapping[str, NDArray[Any]]]:
        return self._kept | {sender: bounds.columns() for sender, bounds in self._bounds.items()}

    def _bounds_of(self, sender: int, capacity_sat: NDArray[np.int64]) -> _Bounds:
        """Return what a sender knows of all these channels, of which the last may be new."""
        bounds = self._bounds.get(sender)
        columns = self._kept.pop(sender, None) if bounds is None else bounds.columns()
        if bounds is None or len(bounds.columns()["time_ns"]) != 2 * len(capacity_sat):
            bounds = self._bounds[sender] = _Bounds(capacity_sat)
            bounds.fill(columns or {})
        return bounds

    def _learn(self, bounds: LiquidityBounds, result: PartResult) -> None:
        directions, sent_msat, now_ns = result.part.directions, result.sent_msat, result.ended_ns
        bounds.set_out(directions, sent_msat, sign=-1)
        if result.code is FailureCode.NONE:
            for direction, amount_msat in zip(directions, sent_msat, strict=True):
                bounds.settled(direction, amount_msat, now_ns)
            return
        reached = len(directions) if result.failed_hop is None else result.failed_hop
        for direction, amount_msat in zip(directions[:reached], sent_msat[:reached], strict=True):
            bounds.passed(direction, amount_msat, now_ns)
        if result.failed_hop is None:
            return
        if result.code is FailureCode.TEMPORARY_CHANNEL_FAILURE and reached > 0:
            bounds.refused(directions[reached], sent_msat[reached], now_ns)
        else:
            self._avoided.setdefault(result.payment_id, set()).add(directions[reached])

    def _channels(self, bounds: LiquidityBounds, request: PlanRequest, view: NetworkView, now_ns: int) -> FlowChannels:
        policies, sources, targets = view.policies, view.graph.sources(), view.graph.targets()
        least, most = bounds.at(now_ns)
        own = np.array(list(view.spendable_msat), np.int64)
        # The first HTLC carries the fees as well.
        with_fees = 1.0 + request.fee_limit_msat / request.remaining_msat
        least[own] = most[own] = (np.array(list(view.spendable_msat.values())) / with_fees).astype(np.int64)
        usable = policies.known & ~policies.disabled & (most > 0)
        usable[sorted(self._avoided.get(request.payment_id, ()))] = False
        if request.outgoing is not None:
            usable[own] &= own == request.outgoing
        if request.last_hop is not None:
            usable &= (targets != request.receiver) | (sources == request.last_hop)
        rows = np.flatnonzero(usable)
        capacity_msat = view.graph.capacity_sat[rows // 2] * MSAT_PER_SAT
        announced = policies.max_htlc_msat[rows]
        is_own = sources[rows] == request.sender
        return FlowChannels(
            direction=rows,
            source=sources[rows].astype(np.int64),
            target=targets[rows].astype(np.int64),
            least_msat=least[rows],
            most_msat=most[rows],
            base_fee_msat=np.where(is_own, 0, policies.base_fee_msat[rows]),
            fee_rate_ppm=np.where(is_own, 0, policies.fee_rate_ppm[rows]),
            min_htlc_msat=policies.min_htlc_msat[rows],
            max_htlc_msat=np.where(announced > 0, np.minimum(announced, capacity_msat), capacity_msat),
        )


def _affordable(parts: list[PricedPart], request: PlanRequest) -> bool:
    fee_msat = sum(part.fee_msat for part in parts)
    return fee_msat <= request.fee_limit_msat and all(
        part.expiry_heights[0] <= request.cltv_limit_blocks and len(part.amounts_msat) <= _MOST_HOPS for part in parts
    )
