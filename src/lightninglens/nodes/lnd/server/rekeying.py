"""Giving nodes of a real graph keys that are known, so that they can sign.

Nobody but their owners has the keys of real nodes. A served one gets another id,
made from its own: the same for the same seed, and mapped back in what is printed.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import NodeId, derive_node_id, derive_secret


class Rekeyed(NamedTuple):
    """A graph in which some nodes have keys that are known."""

    graph: NetworkGraph
    secrets: dict[int, bytes]
    """By row."""
    originals: dict[int, NodeId]
    """The ids that these nodes had."""
    swapped: NDArray[np.bool_]
    """Per channel: whether its ends changed places, because the lesser public key comes first."""


def rekeyed(graph: NetworkGraph, rows: Sequence[int], *, seed: int) -> Rekeyed:
    """Return a graph in which the nodes in these rows have keys derived from their ids."""
    labels = {row: f"served/{graph.node_ids[row]}" for row in rows}
    node_ids = list(graph.node_ids)
    for row, label in labels.items():
        node_ids[row] = derive_node_id(seed, label)
    first, second = graph.node1, graph.node2
    touched = np.flatnonzero(np.isin(first, rows) | np.isin(second, rows))
    swapped = np.zeros(graph.channel_count, np.bool_)
    swapped[touched] = [node_ids[first[row]] > node_ids[second[row]] for row in touched]
    changed = dataclasses.replace(
        graph,
        node_ids=tuple(node_ids),
        node1=np.where(swapped, second, first).astype(first.dtype),
        node2=np.where(swapped, first, second).astype(second.dtype),
        policies=_with_sides_swapped(graph.policies, swapped),
    )
    return Rekeyed(
        graph=changed,
        secrets={row: derive_secret(seed, label) for row, label in labels.items()},
        originals={row: graph.node_ids[row] for row in rows},
        swapped=swapped,
    )


def _with_sides_swapped(policies: PolicyColumns, swapped: NDArray[np.bool_]) -> PolicyColumns:
    order = np.arange(2 * len(swapped))
    order ^= np.repeat(swapped, 2).astype(order.dtype)
    return PolicyColumns(
        **{field.name: getattr(policies, field.name)[order] for field in dataclasses.fields(PolicyColumns)}
    )
