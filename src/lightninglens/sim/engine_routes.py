"""What a node of the simulator answers when it is asked for routes, and what it remembers of earlier ones.

Asking changes nothing: searches of payments under way go on as if nobody had asked.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.units import Msat, UnixNs
from lightninglens.routing import _labels, _memory, _probability, _search
from lightninglens.routing.growth import make_room
from lightninglens.routing.memory import forget_all, make_mission_control, remembered_results
from lightninglens.routing.pathfinding import NoRoute, Route, RouteHop, RouteQuery, default_fee_limit_msat
from lightninglens.routing.state import (
    ANY_NODE,
    NEVER_NS,
    Estimator,
    OwnChannels,
    ignored_pairs,
    incoming_edges,
    make_routes,
)
from lightninglens.sim import _gossip
from lightninglens.sim.engine_readings import EngineReadings

_CERTAIN = Estimator(hop_probability=1.0, apriori_weight=1.0, success_probability=1.0, capacity_fraction=1.0)
"""Every hop succeeds: LND's QueryRoutes without mission control."""


class PairMemory(NamedTuple):
    """What a sender remembers of one pair of nodes, rows of the graph; a time of None is never."""

    from_node: int
    to_node: int
    fail_ns: UnixNs | None
    fail_msat: Msat
    """The least amount that failed; 0: any."""
    success_ns: UnixNs | None
    success_msat: Msat


class EngineRoutes(EngineReadings):
    """Searches for those who ask, over what the engine's senders know."""

    def find_route(self, query: RouteQuery, *, estimator: Estimator, from_memory: bool = True) -> Route | NoRoute:
        """Return the route that a node would try now, or why there is none.

        `final_cltv_blocks` is taken as it is, without the padding of a payment.
        Without `from_memory` each hop that fits is taken for certain.
        """
        world, now_ns = self._world, np.int64(self._now_ns)
        memory = world.memory if from_memory else make_mission_control(self.graph.node_count)
        limit = query.fee_limit_msat
        ignored = [*query.ignored_pairs, *((node, ANY_NODE) for node in query.ignored_nodes)]
        if query.time_preference is not None:
            estimator = estimator._replace(time_preference=float(query.time_preference))
        routes = make_routes(1)
        _gossip.show_known(
            world.news, world.gossip, world.network.source, world.parameters, np.int64(query.sender), now_ns
        )
        status = _search.find_route(
            world.gossip,
            world.scratch._replace(ignored=ignored_pairs(ignored)),
            memory,
            estimator if from_memory else _CERTAIN._replace(time_preference=estimator.time_preference),
            self._own_channels_for(query),
            np.int64(query.sender),
            np.int64(query.receiver),
            np.int64(query.amount_msat),
            np.int64(default_fee_limit_msat(query.amount_msat) if limit is None else limit),
            np.int64(self.block_height),
            np.int64(query.final_cltv_blocks),
            np.int64(query.cltv_limit_blocks),
            np.int64(-1),
            np.int64(-1 if query.last_hop is None else query.last_hop),
            now_ns,
            routes,
            np.int64(0),
        )
        _gossip.show_common(world.news, world.gossip)
        if status != _labels.FOUND:
            no_balance = status == _labels.INSUFFICIENT_BALANCE
            return NoRoute(outcome=HtlcOutcome.INSUFFICIENT_BALANCE if no_balance else HtlcOutcome.NO_ROUTE)
        network, count = world.network, int(routes.hops[0])
        return Route(
            probability=float(world.scratch.labels[query.sender]["probability"]),
            hops=tuple(
                RouteHop(
                    channel_id=self.graph.channel_id(direction // 2),
                    direction=direction,
                    from_node=int(network.source[direction]),
                    to_node=int(network.target[direction]),
                    amount_msat=Msat(int(routes.amount_msat[0, hop])),
                    expiry_height=int(routes.cltv_blocks[0, hop]),
                )
                for hop, direction in enumerate(routes.direction[0, :count].tolist())
            ),
        )

    def _own_channels_for(self, query: RouteQuery) -> OwnChannels:
        """Return what the nodes can send, with nothing in the sender's channels that may not be used."""
        own = self._world.own
        if not query.outgoing_channels:
            return own
        spendable = own.spendable_msat.copy()
        for direction in self.directions_of(query.sender):
            if direction // 2 not in query.outgoing_channels:
                spendable[direction] = 0
        return own._replace(spendable_msat=spendable)

    def hop_probability(
        self, sender: int, from_node: int, to_node: int, amount_msat: int, *, estimator: Estimator
    ) -> float:
        """Return how likely a sender thinks it is that some channel of a pair carries an amount."""
        world = self._world
        edges = incoming_edges(world.gossip, to_node)
        capacity_msat = max((int(edge["capacity_msat"]) for edge in edges if edge["source"] == from_node), default=0)
        scratch = world.scratch._replace(ignored=ignored_pairs([]))
        scratch.counters[0] += 1
        _probability.load_history(world.memory, scratch, np.int64(sender))
        tried = scratch.tried[from_node]
        if scratch.reach["history_generation"][from_node] != scratch.counters[0]:
            tried["place"] = -1
        return float(
            _probability.pair_probability(
                _memory.remembered(world.memory),
                tried,
                scratch.ignored,
                estimator,
                from_node == sender,
                np.int64(from_node),
                np.int64(to_node),
                np.int64(amount_msat),
                np.int64(capacity_msat),
                np.int64(self._now_ns),
            )
        )

    def memory_of(self, sender: int) -> list[PairMemory]:
        """Return what a node remembers of the pairs that it has tried, as they came up first."""
        remembered = remembered_results(self._world.memory, [sender])
        return [
            PairMemory(
                from_node=from_node,
                to_node=to_node,
                fail_ns=None if failed == NEVER_NS else UnixNs(failed),
                fail_msat=Msat(fail_msat),
                success_ns=None if succeeded == NEVER_NS else UnixNs(succeeded),
                success_msat=Msat(success_msat),
            )
            for (_, from_node, to_node), (failed, fail_msat, succeeded, success_msat) in remembered.items()
        ]

    def forget(self, sender: int) -> None:
        """Let a node forget all that it has learned (LND's ResetMissionControl)."""
        forget_all(self._world.memory, sender)

    def remember(self, sender: int, pairs: Iterable[PairMemory], *, estimator: Estimator) -> None:
        """Let a node take over what another one has learned (LND's XImportMissionControl)."""
        for pair in pairs:
            memory = make_room(self._world.memory)
            self._world = self._world._replace(memory=memory)
            ends = np.int64(sender), np.int64(pair.from_node), np.int64(pair.to_node)
            if pair.fail_ns is not None:
                _memory.record_failure(memory, estimator, *ends, np.int64(pair.fail_msat), np.int64(pair.fail_ns))
            if pair.success_ns is not None:
                _memory.record_success(memory, *ends, np.int64(pair.success_msat), np.int64(pair.success_ns))
