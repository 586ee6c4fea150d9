"""Lets the nodes of an engine look for their routes as a scenario says."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import parse_node_id
from lightninglens.core.rng import Stream, uniforms
from lightninglens.sim.engine import Engine
from lightninglens.sim.flow_router import FlowRouter
from lightninglens.sim.sender_groups import SenderGroup, SenderName, require_extra
from lightninglens.sim.state import SenderKind


def seat_senders(engine: Engine, groups: Sequence[SenderGroup], *, seed: int) -> None:
    """Let the nodes of an engine look for routes as the groups say, one router serving all that use flow.

    Raises ValueError for a node that is not in the graph, ConfigError when an extra is missing.
    """
    require_extra(groups)
    rows = _rows_by_kind(engine.graph, groups, seed)
    engine.set_senders(rows[SenderName.LND_BIMODAL], SenderKind.LND_BIMODAL)
    if len(rows[SenderName.FLOW]):
        engine.plug(rows[SenderName.FLOW], FlowRouter())


def _rows_by_kind(graph: NetworkGraph, groups: Sequence[SenderGroup], seed: int) -> dict[SenderName, NDArray[np.int32]]:
    names = list(SenderName)
    kinds = np.zeros(graph.node_count, np.int8)
    draws = uniforms(seed, 0, Stream.SENDER_KIND, graph.node_count)
    before = 0.0
    for group in groups:
        kinds[(draws >= before) & (draws < before + group.share)] = names.index(group.kind)
        before += group.share
    for group in groups:
        for node in group.nodes:
            try:
                kinds[graph.node_index(parse_node_id(node))] = names.index(group.kind)
            except KeyError:
                raise ValueError(f"{node} is not a node of this graph") from None
    return {name: np.flatnonzero(kinds == number).astype(np.int32) for number, name in enumerate(names)}
