"""LND's findPath and newRoute with dictionaries and a decrease-key heap, without any shortcut.

Source: LND `routing/pathfind.go`, `unified_edges.go`, `heap.go`,
`route/route.go` (PayloadSize). LND leaves ties to the order of Go maps; here,
as documented for the kernel, they go to the greater probability, then to fewer
hops, then to the lower node index, and among parallel channels to the last one
by index.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.graph import NetworkGraph

RISK_FACTOR_BILLIONTHS = 15
MAX_ROUTING_PAYLOAD_BYTES = 1300
INFINITY = 2**63 - 1
MAX_INBOUND_RATE_PPM = 10 * 10**6


def truncated(numerator: int, denominator: int) -> int:
    """Divide as Go does: towards zero."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


@dataclass(frozen=True)
class Edge:
    """One channel in one direction, as `DirectedChannel` shows it to the search."""

    direction: int
    from_node: int
    to_node: int
    capacity_msat: int
    policy: ChannelPolicy
    inbound_base: int
    inbound_rate: int

    def outbound_fee(self, amount: int) -> int:
        """`CachedEdgePolicy.ComputeFee`."""
        return self.policy.base_fee_msat + amount * self.policy.fee_rate_ppm // 10**6

    def inbound_fee(self, amount: int) -> int:
        """`InboundFee.CalcFee` of the node that the edge leads to."""
        rate = max(-MAX_INBOUND_RATE_PPM, min(MAX_INBOUND_RATE_PPM, self.inbound_rate))
        return self.inbound_base + truncated(rate * amount, 10**6)

    def capped_inbound_fee(self, amount: int, next_out_fee: int) -> int:
        """`calcCappedInboundFee`: a node's total fee is never negative."""
        return max(self.inbound_fee(amount), -next_out_fee)

    def in_range(self, amount: int) -> bool:
        """`amtInRange`."""
        if amount > self.capacity_msat:
            return False
        if self.policy.max_htlc_msat != 0 and amount > self.policy.max_htlc_msat:
            return False
        return amount >= self.policy.min_htlc_msat


class Graph:
    """Edges by the node they lead to, then by the node they come from."""

    def __init__(self, graph: NetworkGraph) -> None:
        self.incoming: dict[int, dict[int, list[Edge]]] = {}
        self.by_direction: dict[int, Edge] = {}
        sources, targets = graph.sources().tolist(), graph.targets().tolist()
        for direction in range(2 * graph.channel_count):
            self.place(graph, direction, sources[direction], targets[direction])

    def place(self, graph: NetworkGraph, direction: int, source: int, target: int) -> None:
        """Add a direction if its policy is known."""
        policy, reverse = graph.policies.get(direction), graph.policies.get(direction ^ 1)
        if policy is None:
            return
        edge = Edge(
            direction=direction,
            from_node=source,
            to_node=target,
            capacity_msat=int(graph.capacity_sat[direction // 2]) * 1000,
            policy=policy,
            inbound_base=reverse.inbound_base_fee_msat if reverse else 0,
            inbound_rate=reverse.inbound_fee_rate_ppm if reverse else 0,
        )
        self.by_direction[direction] = edge
        self.incoming.setdefault(target, {}).setdefault(source, []).append(edge)

    def replace(self, edge: Edge) -> None:
        """Put a changed edge in the place of the old one."""
        self.by_direction[edge.direction] = edge
        parallel = self.incoming[edge.to_node][edge.from_node]
        parallel[[other.direction for other in parallel].index(edge.direction)] = edge

    def outgoing_directions(self, node: int) -> list[int]:
        """Return the announced directions that start at a node."""
        return [direction for direction, edge in self.by_direction.items() if edge.from_node == node]


@dataclass(frozen=True)
class UnifiedEdge:
    """What parallel channels look like together."""

    edge: Edge
    time_lock_delta: int
    capacity_msat: int
    uses_inbound_fee: bool

    def inbound_fee(self, amount: int) -> int:
        """The inbound fee, which an exit hop does not charge."""
        return self.edge.inbound_fee(amount) if self.uses_inbound_fee else 0


@dataclass
class NodeWithDist:
    """The best known way from a node to the receiver."""

    node: int
    dist: int
    net_amount_received: int
    outbound_fee: int
    incoming_cltv: int
    probability: float
    weight: int
    next_hop: UnifiedEdge | None
    routing_info_size: int
    hops: int


class DistanceHeap:
    """A heap in which a node's place can be changed; replaced entries are skipped when they surface."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, float, int, int, int]] = []
        self._current: dict[int, tuple[int, NodeWithDist]] = {}
        self._version = 0

    def push_or_fix(self, item: NodeWithDist) -> None:
        """Insert a node or change its place."""
        self._version += 1
        self._current[item.node] = (self._version, item)
        heapq.heappush(self._heap, (item.dist, -item.probability, item.hops, item.node, self._version))

    def pop(self) -> NodeWithDist | None:
        """Take the nearest node, or None when there is none."""
        while self._heap:
            _, _, _, node, version = heapq.heappop(self._heap)
            if node in self._current and self._current[node][0] == version:
                return self._current.pop(node)[1]
        return None


@dataclass(frozen=True)
class PathFindingConfig:
    """`PathFindingConfig` at LND's defaults."""

    attempt_cost_msat: int = 100_000
    attempt_cost_ppm: int = 1_000
    min_probability: float = 0.01
    time_preference: float = 0.0


@dataclass(frozen=True)
class Restrictions:
    """`RestrictParams`; `cltv_limit` is the total in blocks as the caller of SendPayment gives it."""

    probability: Callable[[int, int, int, int], float]
    """(from node, to node, amount in msat, capacity in msat) to a probability."""
    fee_limit: int
    cltv_limit: int
    outgoing_directions: frozenset[int] | None = None
    last_hop: int | None = None


@dataclass(frozen=True)
class Hop:
    """One HTLC of a finished route."""

    direction: int
    amount_msat: int
    expiry: int


class NoPath(Exception):
    """There is no path."""


class InsufficientBalance(Exception):
    """The sender's channels together cannot carry the amount."""


def varint_bytes(value: int) -> int:
    """`tlv.SizeTUint64`: bytes of a number without leading zeros."""
    return (value.bit_length() + 7) // 8


def tlv_record_bytes(length: int) -> int:
    """Bytes of a record with a one-byte type and length."""
    return 2 + length


def payload_bytes(amount: int, expiry: int, *, final: bool) -> int:
    """`Hop.PayloadSize`: the last hop carries payment address and total, the others the next channel."""
    size = tlv_record_bytes(varint_bytes(amount)) + tlv_record_bytes(varint_bytes(expiry))
    size += tlv_record_bytes(32 + varint_bytes(amount)) if final else tlv_record_bytes(8)
    return 1 + size + 32


class Search:
    """One call of findPath."""

    def __init__(
        self,
        graph: Graph,
        config: PathFindingConfig,
        restrictions: Restrictions,
        bandwidth: Callable[[int], int],
        *,
        source: int,
        target: int,
        amount: int,
        height: int,
        final_delta: int,
    ) -> None:
        self.graph, self.config, self.restrictions, self.bandwidth = graph, config, restrictions, bandwidth
        self.source, self.target, self.amount = source, target, amount
        self.final_expiry = height + final_delta
        self.cltv_limit = restrictions.cltv_limit - final_delta + self.final_expiry
        default_cost = float(config.attempt_cost_msat + amount * config.attempt_cost_ppm // 10**6)
        preference = config.time_preference * 0.9
        self.attempt_cost = default_cost * (1 / (0.5 - preference / 2) - 1)
        self.distance: dict[int, NodeWithDist] = {}
        self.heap = DistanceHeap()

    def run(self) -> list[UnifiedEdge]:
        """Return the edges from source to target; raises NoPath or InsufficientBalance."""
        self._check_balance()
        partial: NodeWithDist | None = NodeWithDist(
            node=self.target,
            dist=0,
            net_amount_received=self.amount,
            outbound_fee=0,
            incoming_cltv=self.final_expiry,
            probability=1.0,
            weight=0,
            next_hop=None,
            routing_info_size=payload_bytes(self.amount, self.final_expiry, final=True),
            hops=0,
        )
        while partial is not None:
            self._expand(partial)
            partial = self.heap.pop()
            if partial is not None and partial.node == self.source:
                break
        return self._unravel()

    def _check_balance(self) -> None:
        wanted = self.restrictions.outgoing_directions
        balances = [
            self.bandwidth(direction)
            for direction in self.graph.outgoing_directions(self.source)
            if wanted is None or direction in wanted
        ]
        if sum(balances) < self.amount:
            raise InsufficientBalance
        if max(balances, default=0) < self.amount:
            raise NoPath

    def _expand(self, to: NodeWithDist) -> None:
        exit_hop = to.next_hop is None
        for from_node, edges in self.graph.incoming.get(to.node, {}).items():
            if from_node == self.target and self.source != self.target:
                continue
            last_hop = self.restrictions.last_hop
            if last_hop is not None and to.node == self.target and from_node != last_hop:
                continue
            local = from_node == self.source
            pick = self._edge_local if local else self._edge_network
            unified = pick(edges, to, exit_hop)
            if unified is not None:
                self._process(from_node, unified, to)

    def _capped(self, edge: Edge, to: NodeWithDist, exit_hop: bool) -> int:
        return 0 if exit_hop else edge.capped_inbound_fee(to.net_amount_received, to.outbound_fee)

    def _edge_local(self, edges: list[Edge], to: NodeWithDist, exit_hop: bool) -> UnifiedEdge | None:
        best: Edge | None = None
        max_bandwidth = 0
        wanted = self.restrictions.outgoing_directions
        for edge in edges:
            if wanted is not None and edge.direction not in wanted:
                continue
            amount = to.net_amount_received + self._capped(edge, to, exit_hop)
            bandwidth = self.bandwidth(edge.direction)
            if not edge.in_range(amount) or amount > bandwidth or bandwidth < max_bandwidth:
                continue
            max_bandwidth, best = bandwidth, edge
        if best is None:
            return None
        return UnifiedEdge(best, best.policy.time_lock_delta_blocks, best.capacity_msat, not exit_hop)

    def _edge_network(self, edges: list[Edge], to: NodeWithDist, exit_hop: bool) -> UnifiedEdge | None:
        best: Edge | None = None
        max_fee, max_time_lock, max_capacity = -INFINITY, 0, 0
        for edge in edges:
            inbound = self._capped(edge, to, exit_hop)
            amount = to.net_amount_received + inbound
            if not edge.in_range(amount) or edge.policy.disabled:
                continue
            max_capacity = max(max_capacity, edge.capacity_msat)
            max_time_lock = max(max_time_lock, edge.policy.time_lock_delta_blocks)
            fee = edge.outbound_fee(amount) + inbound
            if fee < max_fee:
                continue
            max_fee, best = fee, edge
        if best is None:
            return None
        return UnifiedEdge(best, max_time_lock, max_capacity, not exit_hop)

    def _process(self, from_node: int, edge: UnifiedEdge, to: NodeWithDist) -> None:
        inbound = max(edge.inbound_fee(to.net_amount_received), -to.outbound_fee)
        amount_to_send = to.net_amount_received + inbound
        total_fee = amount_to_send - self.amount
        if total_fee > 0 and total_fee > self.restrictions.fee_limit:
            return
        hop = self.restrictions.probability(from_node, to.node, amount_to_send, edge.capacity_msat)
        if hop == 0:
            return
        outbound, delta = 0, 0
        if from_node != self.source:
            outbound, delta = edge.edge.outbound_fee(amount_to_send), edge.time_lock_delta
        incoming_cltv = to.incoming_cltv + delta
        if incoming_cltv > self.cltv_limit:
            return
        probability = to.probability * hop
        if probability < self.config.min_probability:
            return
        weight = to.weight + max(inbound + outbound, 0)
        weight += amount_to_send * delta * RISK_FACTOR_BILLIONTHS // 10**9
        dist = self._distance(weight, probability)
        current = self.distance.get(from_node)
        if current is not None:
            if dist > current.dist or (dist == current.dist and probability <= current.probability):
                return
        size = to.routing_info_size
        if from_node != self.source:
            size += payload_bytes(amount_to_send, to.incoming_cltv, final=False)
        if size > MAX_ROUTING_PAYLOAD_BYTES:
            return
        self.distance[from_node] = NodeWithDist(
            node=from_node,
            dist=dist,
            net_amount_received=amount_to_send + outbound,
            outbound_fee=outbound,
            incoming_cltv=incoming_cltv,
            probability=probability,
            weight=weight,
            next_hop=edge,
            routing_info_size=size,
            hops=to.hops + 1,
        )
        self.heap.push_or_fix(self.distance[from_node])

    def _distance(self, weight: int, probability: float) -> int:
        dist = float(weight) + self.attempt_cost / probability
        return INFINITY if dist > 9e18 else int(dist)

    def _unravel(self) -> list[UnifiedEdge]:
        path: list[UnifiedEdge] = []
        node = self.source
        while not path or node != self.target:
            label = self.distance.get(node)
            if label is None or label.next_hop is None:
                raise NoPath
            path.append(label.next_hop)
            node = label.next_hop.edge.to_node
        return path


def new_route(path: list[UnifiedEdge], amount: int, final_expiry: int) -> list[Hop]:
    """Fix amounts and expiries from the receiver back."""
    expiry = final_expiry
    hops = [Hop(path[-1].edge.direction, amount, expiry)]
    for position in range(len(path) - 2, -1, -1):
        outbound = path[position + 1].edge.outbound_fee(amount)
        inbound = path[position].inbound_fee(amount + outbound)
        amount += max(outbound + inbound, 0)
        expiry += path[position + 1].time_lock_delta
        hops.insert(0, Hop(path[position].edge.direction, amount, expiry))
    return hops
