"""Nodes and channels of a graph by what people write: an id or a name."""

from collections import Counter
from difflib import get_close_matches

import numpy as np

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import ChannelId


class Lookup:
    """The rows of a graph's nodes and channels, by id, and nodes by alias where only one has it."""

    def __init__(self, graph: NetworkGraph) -> None:
        """Index the graph."""
        self.graph = graph
        self._holders = Counter(graph.aliases)
        self.nodes: dict[str, int] = {
            alias: row for row, alias in enumerate(graph.aliases) if alias and self._holders[alias] == 1
        }
        """Rows by every text that means a node; an id goes before an alias that looks like one."""
        self.nodes.update((str(node), row) for row, node in enumerate(graph.node_ids))
        self._channels = {int(channel): row for row, channel in enumerate(graph.channel_ids)}

    def node(self, text: str) -> int:
        """Return the row of the node with this id or alias; raises ConfigError that says what is near."""
        row = self.nodes.get(text)
        if row is None:
            raise ConfigError(self.why_no_node(text))
        return row

    def why_no_node(self, text: str) -> str:
        """Return why a text means no node, and what was perhaps meant."""
        if text and self._holders[text] > 1:
            return f"{self._holders[text]} nodes are called {text!r}: give the node id"
        near = get_close_matches(text, self.nodes, n=1, cutoff=0.75)
        shown = text if len(text) <= 70 else f"{text[:67]}..."
        meant = f" (is {near[0]!r} meant?)" if near else ""
        return f"{shown!r} is not a node of this graph, neither by id nor by alias{meant}"

    def channel(self, text: str) -> int:
        """Return the row of the channel with this id; raises ConfigError when it is none or not in the graph."""
        try:
            packed = ChannelId.parse(text)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        row = self._channels.get(int(packed))
        if row is None:
            raise ConfigError(f"this graph has no channel {packed}")
        return row

    def side(self, channel: int, node: int) -> int:
        """Return 0 or 1, the node's side of a channel; raises ConfigError when it is not one of its ends."""
        ends = (int(self.graph.node1[channel]), int(self.graph.node2[channel]))
        if node not in ends:
            names = " and ".join(self.graph.aliases[end] or str(self.graph.node_ids[end]) for end in ends)
            raise ConfigError(f"{self.graph.channel_id(channel)} is a channel of {names}")
        return ends.index(node)

    def node_capacities_msat(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return, per node, the capacity of all its channels in msat."""
        capacity_msat = self.graph.capacity_sat.astype(np.int64) * 1000
        total = np.zeros(self.graph.node_count, np.int64)
        np.add.at(total, self.graph.node1, capacity_msat)
        np.add.at(total, self.graph.node2, capacity_msat)
        return total
