"""The routers that are plugged into an engine: asks them, checks what they plan, remembers what came back."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.htlc import FailureCode
from lightninglens.core.units import Blocks, Msat, UnixNs
from lightninglens.routing._edges import bandwidth_msat
from lightninglens.routing.state import MAX_HOPS
from lightninglens.sim._forwarding import height_at
from lightninglens.sim.life import NOT_THERE, Stage
from lightninglens.sim.remembering import Arrays, below, distinct, packed, restore_to, state_of, under, unpacked
from lightninglens.sim.routers import (
    NoPlan,
    PartResult,
    PlannedPart,
    PlanRequest,
    PricedPart,
    Router,
    price_part,
    problem_of_part,
)
from lightninglens.sim.state import World


class GossipView:
    """What one sender can know, read from the engine's world: a `NetworkView`."""

    def __init__(self, graph: NetworkGraph, world: World, sender: int, block_height: int) -> None:
        self.graph = graph
        self.block_height = block_height
        self._world = world
        self._sender = sender

    @cached_property
    def policies(self) -> PolicyColumns:
        """The policies that senders know now."""
        edges, position = self._world.gossip.edges, self._world.gossip.position
        columns = PolicyColumns.unknown(len(position))
        known = np.flatnonzero(position >= 0)
        rows = position[known]
        columns.known[known] = edges["disabled"][rows] != NOT_THERE
        columns.disabled[known] = edges["disabled"][rows] == 1
        for name in ("base_fee_msat", "fee_rate_ppm", "time_lock_delta_blocks", "min_htlc_msat", "max_htlc_msat"):
            getattr(columns, name)[known] = edges[name][rows]
        first, end = self._world.own.first_out[self._sender], self._world.own.first_out[self._sender + 1]
        own = self._world.own.out_direction[first:end]
        own = own[(position[own] >= 0) & (self._world.life.stage[own // 2] != Stage.CLOSED)]
        columns.known[own] = True  # its own it knows before they are announced
        # A row carries the inbound fee that is asked at its end, which is the policy of the way back.
        for name in ("inbound_base_fee_msat", "inbound_fee_rate_ppm"):
            getattr(columns, name)[known ^ 1] = edges[name][rows]
        return columns

    @cached_property
    def spendable_msat(self) -> dict[int, int]:
        """What the sender's own directions can carry: 0 when a channel is down or its slots are full."""
        own = self._world.own
        first, end = own.first_out[self._sender], own.first_out[self._sender + 1]
        return {int(direction): int(bandwidth_msat(own, direction)) for direction in own.out_direction[first:end]}


@dataclass(frozen=True, slots=True)
class _Sent:
    sender: int
    priced: PricedPart


class PluggedRouters:
    """The routers by node, and the parts that they have under way."""

    def __init__(self, graph: NetworkGraph) -> None:
        self._graph = graph
        self._routers: dict[int, Router] = {}
        self._sent: dict[tuple[int, int], _Sent] = {}
        """By payment and number of the attempt."""
        self._results: dict[int, list[PartResult]] = {}

    def plug(self, nodes: Iterable[int], router: Router) -> None:
        """Let a router plan for these nodes."""
        self._routers.update((node, router) for node in nodes)

    def on(self, graph: NetworkGraph) -> None:
        """Let the routers see another graph from now on, with further channels."""
        self._graph = graph

    def copy(self) -> "PluggedRouters":
        """Return the same, with copies of the routers and of what they remember."""
        return deepcopy(self, {id(self._graph): self._graph})

    def state(self) -> Arrays:
        """Return what the routers and their parts under way need to go on; raises LensError as `state_of` does."""
        routers = distinct(self._routers.values())
        memory = {
            "nodes": [[node, _place_of(router, routers)] for node, router in self._routers.items()],
            "sent": [[*key, sent.sender, _written(sent.priced)] for key, sent in self._sent.items()],
            "results": [[sender, [_told(result) for result in each]] for sender, each in self._results.items()],
        }
        arrays = under("parts.", packed(memory, "the parts of routers"))
        for number, router in enumerate(routers):
            arrays |= under(f"{number}.", state_of(router, f"router {number}"))
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from such a state; raises ValueError when other routers are plugged, LensError as `state` does."""
        memory, routers = unpacked(below(arrays, "parts.")), distinct(self._routers.values())
        if memory["nodes"] != [[node, _place_of(router, routers)] for node, router in self._routers.items()]:
            raise ValueError("other routers are plugged into it, or into other nodes")
        self._sent = {
            (payment, number): _Sent(sender, _priced(written)) for payment, number, sender, written in memory["sent"]
        }
        self._results = {sender: [_heard(result) for result in each] for sender, each in memory["results"]}
        for number, router in enumerate(routers):
            restore_to(router, below(arrays, f"{number}."), f"router {number}")

    def collect(self, rows: NDArray[np.void]) -> None:
        """Take in attempts that ended, rows of ATTEMPT_ROW, for the senders whose parts they are."""
        if not self._sent:
            return
        for row in rows[np.isin(rows["sender"], list(self._routers))]:
            sent = self._sent.pop((int(row["payment_id"]), int(row["number"])), None)
            if sent is not None:
                self._results.setdefault(sent.sender, []).append(_result(row, sent.priced))

    def remember(self, payment_id: int, number: int, sender: int, priced: PricedPart) -> None:
        """Note that a part is on its way."""
        self._sent[payment_id, number] = _Sent(sender, priced)

    def ask(self, world: World, row: int, now_ns: int) -> tuple[PricedPart, ...] | NoPlan:
        """Return what the sender's router wants to send of a payment now.

        Raises DataError when the plan cannot be sent.
        """
        request = self._request(world, row)
        view = GossipView(self._graph, world, request.sender, int(height_at(world.parameters, now_ns)))
        router = self._routers[request.sender]
        plan = router.plan(request, view, now_ns)
        where = f"{type(router).__name__}, payment {request.payment_id}"
        priced = plan if isinstance(plan, NoPlan) else _price_plan(where, request, view, plan)
        self._results.pop(request.sender, None)
        return priced

    def _request(self, world: World, row: int) -> PlanRequest:
        payment = world.payments[row]
        outgoing, last_hop, sender = int(payment["outgoing"]), int(payment["last_hop"]), int(payment["sender"])
        return PlanRequest(
            payment_id=int(payment["payment_id"]),
            sender=sender,
            receiver=int(payment["receiver"]),
            amount_msat=Msat(int(payment["amount_msat"])),
            remaining_msat=Msat(int(payment["amount_msat"] - payment["sent_msat"])),
            fee_limit_msat=Msat(int(payment["fee_limit_msat"] - payment["sent_fee_msat"])),
            most_parts=int(payment["most_parts"] - payment["parts_in_flight"]),
            outgoing=outgoing if outgoing >= 0 else None,
            last_hop=last_hop if last_hop >= 0 else None,
            cltv_limit_blocks=Blocks(world.parameters.cltv_limit_blocks),
            final_cltv_blocks=Blocks(world.parameters.final_delta_blocks),
            results=tuple(self._results.get(sender, ())),
        )


def _price_plan(
    where: str, request: PlanRequest, view: GossipView, plan: tuple[PlannedPart, ...]
) -> tuple[PricedPart, ...]:
    for number, part in enumerate(plan, start=1):
        problem = problem_of_part(request, view.graph, part)
        if problem:
            raise DataError(f"part {number} of the plan {problem}", where=where)
    try:
        priced = tuple(price_part(part, view.policies, view.block_height + request.final_cltv_blocks) for part in plan)
    except DataError as error:
        raise DataError(error.problem, where=where) from None
    problem = _problem_of_plan(request, priced, view.block_height)
    if problem:
        raise DataError(problem, where=where)
    return priced


def _problem_of_plan(request: PlanRequest, plan: tuple[PricedPart, ...], block_height: int) -> str | None:
    amount_msat, fee_msat = sum(part.amounts_msat[-1] for part in plan), sum(part.fee_msat for part in plan)
    if not plan:
        return "the plan has no parts: a router that gives up returns NoPlan()"
    if len(plan) > request.most_parts:
        return f"the plan has {len(plan)} parts, and {request.most_parts} may be added"
    if amount_msat > request.remaining_msat:
        return f"the parts of the plan bring {amount_msat:,} msat, and {request.remaining_msat:,} remain"
    if fee_msat > max(request.fee_limit_msat, 0):
        return f"the plan costs {fee_msat:,} msat, and {request.fee_limit_msat:,} are left of the fee limit"
    for number, part in enumerate(plan, start=1):
        if len(part.amounts_msat) > MAX_HOPS:
            return f"part {number} has {len(part.amounts_msat)} hops, and {MAX_HOPS} fit an onion"
        blocks = part.expiry_heights[0] - block_height
        if blocks > request.cltv_limit_blocks:
            return f"part {number} is locked for {blocks} blocks, and {request.cltv_limit_blocks} are the limit"
    return None


def _place_of(router: Router, routers: list[Router]) -> int:
    return next(place for place, each in enumerate(routers) if each is router)


def _written(priced: PricedPart) -> list[Any]:
    return [list(priced.part.directions), int(priced.part.amount_msat), priced.amounts_msat, priced.expiry_heights]


def _priced(written: list[Any]) -> PricedPart:
    directions, amount_msat, amounts_msat, expiries = written
    part = PlannedPart(directions=tuple(directions), amount_msat=amount_msat)
    return PricedPart(part=part, amounts_msat=tuple(amounts_msat), expiry_heights=tuple(expiries))


def _told(result: PartResult) -> list[Any]:
    part, ended = result.part, [result.ended_ns, int(result.code), result.failed_hop]
    return [result.payment_id, list(part.directions), int(part.amount_msat), result.sent_msat, *ended]


def _heard(told: list[Any]) -> PartResult:
    payment, directions, amount_msat, sent_msat, ended_ns, code, failed_hop = told
    return PartResult(
        payment_id=payment,
        part=PlannedPart(directions=tuple(directions), amount_msat=amount_msat),
        sent_msat=tuple(sent_msat),
        ended_ns=ended_ns,
        code=FailureCode(code),
        failed_hop=failed_hop,
    )


def _result(row: NDArray[np.void], priced: PricedPart) -> PartResult:
    failed_index = int(row["failed_index"])
    return PartResult(
        payment_id=int(row["payment_id"]),
        part=priced.part,
        sent_msat=priced.amounts_msat,
        ended_ns=UnixNs(int(row["end_ns"])),
        code=FailureCode(int(row["code"])),
        failed_hop=failed_index if 0 <= failed_index < len(priced.amounts_msat) else None,
    )
