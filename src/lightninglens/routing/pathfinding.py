"""One-off path searches with readable questions and answers, over the same kernels as the engine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import MAX_HTLC_SLOTS
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Msat
from lightninglens.routing import _labels, _results, _search, _trees
from lightninglens.routing.bulk import RouteQueries, RoutesFound, SearchMethod
from lightninglens.routing.growth import make_room
from lightninglens.routing.memory import make_mission_control
from lightninglens.routing.state import (
    ANY_NODE,
    REPORT_PAIRS,
    Estimator,
    OwnChannels,
    build_own_channels,
    build_view,
    check_estimator,
    ignored_pairs,
    make_routes,
    make_scratch,
)

DEFAULT_FINAL_CLTV_BLOCKS = 80
BLOCK_PADDING = 3
"""Blocks that LND adds to the receiver's delta, in case some are mined meanwhile."""
DEFAULT_CLTV_LIMIT_BLOCKS = 2016

LEAST_SHARED = 8
"""Queries alike that are worth a tree of their own."""

_OUTCOMES = {
    _labels.FOUND: HtlcOutcome.IN_FLIGHT,
    _labels.NO_ROUTE: HtlcOutcome.NO_ROUTE,
    _labels.TOO_MANY_HOPS: HtlcOutcome.NO_ROUTE,
    _labels.INSUFFICIENT_BALANCE: HtlcOutcome.INSUFFICIENT_BALANCE,
}


def default_fee_limit_msat(amount_msat: int) -> Msat:
    """Return LND's default: all of it up to 1,000 sat, 5 % above (`lnrpc.CalculateFeeLimit`)."""
    return Msat(amount_msat if amount_msat <= 1_000_000 else amount_msat * 5 // 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteQuery:
    """What to search. Nodes and channels are rows of the graph."""

    sender: int
    receiver: int
    amount_msat: int
    fee_limit_msat: int | None = None
    """None: LND's default."""
    final_cltv_blocks: int = DEFAULT_FINAL_CLTV_BLOCKS
    cltv_limit_blocks: int = DEFAULT_CLTV_LIMIT_BLOCKS
    outgoing_channels: tuple[int, ...] = ()
    """Channels of the sender that the route may leave by; empty: any."""
    last_hop: int | None = None
    """Node that the route must come from last."""
    ignored_pairs: tuple[tuple[int, int], ...] = ()
    """Pairs (from, to) of nodes that the route must not use, in this direction."""
    ignored_nodes: tuple[int, ...] = ()
    """Nodes that the route must not pass through; they may still be its end."""
    time_preference: float | None = None
    """From -1 (cheap before fast) to 1 (fast before cheap); None: the estimator's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteHop:
    """One HTLC of a route."""

    channel_id: ChannelId
    direction: int
    from_node: int
    to_node: int
    amount_msat: Msat
    expiry_height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route, sender first."""

    hops: tuple[RouteHop, ...]
    probability: float

    @property
    def fee_msat(self) -> Msat:
        """What the sender pays beyond the amount."""
        return Msat(self.hops[0].amount_msat - self.hops[-1].amount_msat)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoute:
    """There is no route, and why: NO_ROUTE or INSUFFICIENT_BALANCE."""

    outcome: HtlcOutcome


def _ignored_pairs(query: RouteQuery) -> NDArray[np.int64]:
    return ignored_pairs([*query.ignored_pairs, *((node, ANY_NODE) for node in query.ignored_nodes)])


class PathFinder:
    """Searches on one graph, with the memory of every sender that reports back.

    `spendable_msat` says per direction what its owner can send now; `estimator`
    which of LND's two estimators judges hops, and how (see `Estimator`).
    """

    def __init__(
        self,
        graph: NetworkGraph,
        spendable_msat: NDArray[np.int64],
        *,
        height: int = 800_000,
        estimator: Estimator | None = None,
    ) -> None:
        self._graph = graph
        self._height = height
        self._estimator = estimator or Estimator()
        check_estimator(self._estimator)
        self._view = build_view(graph, graph.policies)
        self._own = build_own_channels(graph, MAX_HTLC_SLOTS)
        self._own.spendable_msat[:] = spendable_msat
        self._memory = make_mission_control(graph.node_count)
        self._scratch = make_scratch(graph.node_count)
        self._pairs = np.zeros((REPORT_PAIRS, 4), np.int64)
        self._routes = make_routes(1)
        self._sources, self._targets = graph.sources(), graph.targets()

    @property
    def nodes_settled(self) -> int:
        """How many nodes the last search took from its heap."""
        return int(self._scratch.counters[1])

    def find(
        self, query: RouteQuery, *, method: SearchMethod = SearchMethod.DIRECTED, now_ns: int = 0
    ) -> Route | NoRoute:
        """Return the route that LND would try next, or why there is none.

        A single search has no tree to share: any method but PLAIN is directed.

        Raises ValueError when the query names what is not in the graph.
        """
        self._check(query)
        limit = query.fee_limit_msat
        final_blocks = query.final_cltv_blocks + BLOCK_PADDING
        estimator = self._estimator
        if query.time_preference is not None:
            estimator = estimator._replace(time_preference=float(query.time_preference))
        status = _search.find_route(
            self._view,
            self._scratch._replace(ignored=_ignored_pairs(query)),
            self._memory,
            estimator,
            self._own_channels_for(query),
            query.sender,
            query.receiver,
            query.amount_msat,
            default_fee_limit_msat(query.amount_msat) if limit is None else limit,
            self._height,
            final_blocks,
            query.cltv_limit_blocks,
            -1,
            -1 if query.last_hop is None else query.last_hop,
            now_ns,
            self._routes,
            0,
            0 if method is SearchMethod.PLAIN else _search.HORIZON,
        )
        if status != _labels.FOUND:
            return NoRoute(outcome=_OUTCOMES[int(status)])
        return self._read_route(query.sender)

    def find_many(
        self,
        queries: RouteQueries,
        *,
        method: SearchMethod = SearchMethod.SHARED_TREES,
        final_cltv_blocks: int = DEFAULT_FINAL_CLTV_BLOCKS,
        cltv_limit_blocks: int = DEFAULT_CLTV_LIMIT_BLOCKS,
        now_ns: int = 0,
    ) -> RoutesFound:
        """Answer many queries as `find` would answer each; the method changes the time, not the answers.

        Raises ValueError when a query names what is not in the graph.
        """
        queries.check(self._graph.node_count)
        count = len(queries.sender)
        routes, status, probability = make_routes(count), np.zeros(count, np.int64), np.zeros(count)
        shared = method is SearchMethod.SHARED_TREES
        alike = np.lexsort((queries.fee_limit_msat, queries.amount_msat, queries.receiver))
        from_trees = _trees.find_routes(
            self._view,
            self._scratch,
            self._memory,
            self._estimator,
            self._own,
            queries,
            alike if shared else np.arange(count),
            LEAST_SHARED if shared else count + 1,
            self._height,
            final_cltv_blocks + BLOCK_PADDING,
            cltv_limit_blocks,
            now_ns,
            routes,
            status,
            probability,
            np.zeros(self._graph.node_count, np.int64),
            0 if method is SearchMethod.PLAIN else _search.HORIZON,
        )
        outcomes = np.array([_OUTCOMES[code] for code in range(len(_OUTCOMES))], np.int8)
        probability[status != _labels.FOUND] = 0.0
        return RoutesFound(outcomes[status], routes, probability, int(from_trees))

    def report(self, route: Route, *, now_ns: int, code: FailureCode = FailureCode.NONE, reported_by: int = 0) -> bool:
        """Tell the sender's memory how an attempt ended; return True when the payment is over.

        `reported_by` is the position on the route of the node that failed it, 0 being the sender.
        """
        nodes = np.array([route.hops[0].from_node, *(hop.to_node for hop in route.hops)], np.int64)
        amounts = np.array([hop.amount_msat for hop in route.hops], np.int64)
        self._memory = make_room(self._memory)
        return bool(
            _results.report_result(
                self._memory,
                self._estimator,
                int(nodes[0]),
                nodes,
                amounts,
                len(amounts),
                int(code),
                reported_by,
                now_ns,
                self._pairs,
            )
        )

    def _check(self, query: RouteQuery) -> None:
        named = {"sender": (query.sender,), "receiver": (query.receiver,), "ignored node": query.ignored_nodes}
        named["last hop"] = () if query.last_hop is None else (query.last_hop,)
        named["end of an ignored pair"] = tuple(node for pair in query.ignored_pairs for node in pair)
        for name, nodes in named.items():
            for node in nodes:
                if not 0 <= node < self._graph.node_count:
                    raise ValueError(
                        f"{name} {node} is not a row of this graph, which has {self._graph.node_count} nodes"
                    )
        if query.amount_msat < 1:
            raise ValueError(f"an amount of {query.amount_msat} msat cannot be sent: it must be 1 or more")
        if query.time_preference is not None and not -1.0 <= query.time_preference <= 1.0:
            raise ValueError(f"a time preference of {query.time_preference} is none: it must be from -1 to 1")
        for channel in query.outgoing_channels:
            if not 0 <= channel < self._graph.channel_count or query.sender not in (
                self._graph.node1[channel],
                self._graph.node2[channel],
            ):
                raise ValueError(f"channel {channel} is not a channel of node {query.sender}, the sender")

    def _own_channels_for(self, query: RouteQuery) -> OwnChannels:
        """Return what the nodes can send, with nothing in the channels that the sender may not use."""
        if not query.outgoing_channels:
            return self._own
        allowed = np.isin(np.arange(len(self._sources)) // 2, query.outgoing_channels)
        spendable = np.where((self._sources == query.sender) & ~allowed, 0, self._own.spendable_msat)
        return self._own._replace(spendable_msat=spendable)

    def _read_route(self, sender: int) -> Route:
        count = int(self._routes.hops[0])
        directions: Sequence[int] = self._routes.direction[0, :count].tolist()
        return Route(
            probability=float(self._scratch.labels[sender]["probability"]),
            hops=tuple(
                RouteHop(
                    channel_id=self._graph.channel_id(direction // 2),
                    direction=direction,
                    from_node=int(self._sources[direction]),
                    to_node=int(self._targets[direction]),
                    amount_msat=Msat(int(self._routes.amount_msat[0, hop])),
                    expiry_height=int(self._routes.cltv_blocks[0, hop]),
                )
                for hop, direction in enumerate(directions)
            ),
        )
