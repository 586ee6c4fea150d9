"""Routers: who plans the parts of a payment where LND's own search does not.

A router is asked when a payment starts and whenever a part of it has failed. It
sees what its node could know: the public graph with the policies that gossip
has brought, the node's own channels, and what came back of the node's own
parts. It says which parts to send over which channels; the engine works out
amounts and time locks from the announced policies and sends them.

    engine.plug([alice], CheapestRouter())

One router may serve many nodes. A run is repeatable if its routers are: what
they draw at random must depend on the request alone.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.htlc import FailureCode
from lightninglens.core.units import Blocks, Msat, UnixNs, proportional_fee_msat


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPart:
    """One HTLC to send: directions from the sender on, and what the receiver gets of it."""

    directions: tuple[int, ...]
    amount_msat: Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlan:
    """The router gives up: the payment fails when what is in flight has come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """How a part ended, as the sender learns it."""

    payment_id: int
    part: PlannedPart
    sent_msat: tuple[Msat, ...]
    """What was to go over each direction, with the fees of the hops after it."""
    ended_ns: UnixNs
    code: FailureCode
    """NONE: it settled."""
    failed_hop: int | None
    """Position in `part.directions` of the one that was refused; None when it settled or the receiver refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """A payment, or what is left of it. Nodes and directions are rows of the graph."""

    payment_id: int
    sender: int
    receiver: int
    amount_msat: Msat
    """The whole payment."""
    remaining_msat: Msat
    """Neither settled nor in flight: what to plan now."""
    fee_limit_msat: Msat
    """What is left of the fee limit."""
    most_parts: int
    """How many parts may be added to those in flight."""
    outgoing: int | None
    """The direction by which it must leave."""
    last_hop: int | None
    """The node by which it must come in."""
    cltv_limit_blocks: Blocks
    """The most that the first HTLC's time lock may be beyond the block height."""
    final_cltv_blocks: Blocks
    """What the last HTLC's time lock is beyond it."""
    results: tuple[PartResult, ...]
    """What came back of the sender's parts, of any payment, since the router was last asked for this sender."""


class NetworkView(Protocol):
    """What a sender can know of the network at one moment; valid only while `plan` runs."""

    @property
    def graph(self) -> NetworkGraph:
        """Nodes and channels. Its policies are those of the beginning: take `policies`."""

    @property
    def policies(self) -> PolicyColumns:
        """The policies that gossip has brought until now, by direction."""

    @property
    def spendable_msat(self) -> Mapping[int, int]:
        """What each of the sender's own directions can carry now."""

    @property
    def block_height(self) -> int:
        """The height of the chain."""


class Router(Protocol):
    """Plans payments."""

    def plan(self, request: PlanRequest, view: NetworkView, now_ns: int) -> tuple[PlannedPart, ...] | NoPlan:
        """Return the parts to send now.

        Together they bring 1 msat to `remaining_msat`; for what they leave the
        router is asked again after the engine's retry delay.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedPart:
    """A part with what each HTLC carries, and when it expires."""

    part: PlannedPart
    amounts_msat: tuple[Msat, ...]
    expiry_heights: tuple[int, ...]

    @property
    def fee_msat(self) -> Msat:
        """What the sender pays beyond what the receiver gets."""
        return Msat(self.amounts_msat[0] - self.amounts_msat[-1])


def price_part(part: PlannedPart, policies: PolicyColumns, final_expiry: int) -> PricedPart:
    """Work out a route from the receiver back, as senders do (LND `routing/pathfind.go`, newRoute).

    Raises DataError when nobody has announced one of its directions.
    """
    for direction in part.directions:
        if not policies.known[direction]:
            raise DataError(f"direction {direction} cannot be used: nobody has announced it")
    amounts, expiries = [int(part.amount_msat)], [final_expiry]
    for arriving, leaving in reversed(list(itertools.pairwise(part.directions))):
        base, rate = int(policies.base_fee_msat[leaving]), int(policies.fee_rate_ppm[leaving])
        fee = base + proportional_fee_msat(amounts[-1], rate)
        # What a node asks for an HTLC that arrives stands in its policy for the way back.
        back = policies.get(arriving ^ 1)
        inbound = back.inbound_fee_msat(amounts[-1] + fee) if back else 0
        amounts.append(amounts[-1] + max(fee + inbound, 0))
        expiries.append(expiries[-1] + int(policies.time_lock_delta_blocks[leaving]))
    return PricedPart(
        part=part,
        amounts_msat=tuple(Msat(amount) for amount in reversed(amounts)),
        expiry_heights=tuple(reversed(expiries)),
    )


def problem_of_part(request: PlanRequest, graph: NetworkGraph, part: PlannedPart) -> str | None:
    """Return what makes a part no way to pay this, or None; its price aside."""
    directions, count = part.directions, 2 * graph.channel_count
    unknown = [direction for direction in directions if not 0 <= direction < count]
    if unknown:
        return f"names direction {unknown[0]}, and the graph has {count}"
    nodes = route_nodes(graph, directions)
    if nodes is None or (nodes[0], nodes[-1]) != (request.sender, request.receiver):
        return f"does not lead from node {request.sender} to node {request.receiver}: {list(directions)}"
    if request.outgoing not in (None, directions[0]):
        return f"leaves by direction {directions[0]}, and must leave by {request.outgoing}"
    if request.last_hop not in (None, nodes[-2]):
        return f"comes in by node {nodes[-2]}, and must come in by {request.last_hop}"
    return f"brings {part.amount_msat} msat: 1 is the least" if part.amount_msat < 1 else None


def route_nodes(graph: NetworkGraph, directions: tuple[int, ...]) -> list[int] | None:
    """Return the nodes along a route, one more than directions, or None where it is empty or has a gap."""
    if not directions:
        return None
    ends: tuple[NDArray[np.int32], NDArray[np.int32]] = (graph.node1, graph.node2)
    nodes = [int(ends[directions[0] % 2][directions[0] // 2])]
    for direction in directions:
        if int(ends[direction % 2][direction // 2]) != nodes[-1]:
            return None
        nodes.append(int(ends[1 - direction % 2][direction // 2]))
    return nodes
