"""The public network: nodes, channels, and what changes in them."""

import re
from collections.abc import AsyncIterator

import numpy as np

from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.channel_points import parse_point
from lightninglens.nodes.lnd.server.refusals import Refusal, not_found
from lightninglens.sim.engine import Engine

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")


def require_vertex(text: str) -> str:
    """Return a node's public key in lower-case hex; raises Refusal in the words of LND's `route` package."""
    if len(text) != 66:
        raise Refusal(f"invalid vertex string length of {len(text)}, want 66")
    if not _HEX.fullmatch(text):
        wrong = next(character for character in text if character not in "0123456789abcdefABCDEF")
        raise Refusal(f"encoding/hex: invalid byte: U+{ord(wrong):04X} {wrong!r}")
    return text.lower()


def require_vertex_bytes(data: bytes) -> str:
    """Return a node's public key in hex from its bytes; raises Refusal in the words of LND's `route` package."""
    if len(data) != 33:
        raise Refusal(f"invalid vertex length of {len(data)}, want 33")
    return data.hex()


class Graph(Area):
    """What the node knows of the network."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.DescribeGraph.path: self.describe_graph,
            Lightning.GetChanInfo.path: self.get_chan_info,
            Lightning.GetNodeInfo.path: self.get_node_info,
            Lightning.GetNetworkInfo.path: self.get_network_info,
            Lightning.GetNodeMetrics.path: self.get_node_metrics,
            Lightning.SubscribeChannelGraph.path: self.subscribe_channel_graph,
        }

    async def describe_graph(self, request: lnrpc.ChannelGraphRequest) -> bytes:
        """DescribeGraph, serialised."""
        served = frozenset(self.network.nodes)

        def answer(engine: Engine) -> bytes:
            self.network.refresh(engine)
            return self.network.topology.describe(
                engine, self.node.row, served, unannounced=request.include_unannounced
            )

        return await self.network.read(answer)

    async def get_chan_info(self, request: lnrpc.ChanInfoRequest) -> lnrpc.ChannelEdge:
        """GetChanInfo, by id or by channel point."""
        if request.chan_id:
            row = self.network.channels.row(request.chan_id)
        elif request.chan_point:
            row = self.network.channels.row_at(*parse_point(request.chan_point))
        else:
            raise Refusal("specify either chan_id or chan_point")
        found = row
        if found is None:
            raise not_found("edge not found")

        def answer(engine: Engine) -> lnrpc.ChannelEdge | None:
            self.network.refresh_if_due(engine)
            return self.network.topology.edge(engine, found, self.node.row)

        edge = await self.network.read(answer)
        if edge is None:
            raise not_found("edge not found")
        return edge

    async def get_node_info(self, request: lnrpc.NodeInfoRequest) -> lnrpc.NodeInfo:
        """GetNodeInfo, with the node's channels where they are asked for."""
        if request.include_auth_proof and not request.include_channels:
            raise Refusal("include_auth_proof depends on include_channels")
        row = self.network.node_row(require_vertex(request.pub_key))
        if row is None:
            raise not_found("unable to find node")
        found = row

        def answer(engine: Engine) -> lnrpc.NodeInfo:
            self.network.refresh_if_due(engine)
            topology, graph = self.network.topology, engine.graph
            rows = [direction // 2 for direction in engine.directions_of(found)]
            info = lnrpc.NodeInfo(
                node=topology.node(engine, found),
                num_channels=len(rows),
                total_capacity=int(graph.capacity_sat[rows].sum()),
            )
            if request.include_channels:
                edges = (topology.edge(engine, channel, self.node.row, unannounced=False) for channel in rows)
                info.channels.extend(edge for edge in edges if edge is not None)
            return info

        return await self.network.read(answer)

    async def get_network_info(self, _request: lnrpc.NetworkInfoRequest) -> lnrpc.NetworkInfo:
        """GetNetworkInfo; the diameter is not measured."""

        def answer(engine: Engine) -> lnrpc.NetworkInfo:
            graph = engine.graph
            there = np.array([not engine.is_closed(row) for row in range(graph.channel_count)], np.bool_)
            sizes = np.sort(graph.capacity_sat[there])
            degrees = np.bincount(np.concatenate([graph.node1[there], graph.node2[there]]), minlength=graph.node_count)
            count, nodes = len(sizes), int(np.count_nonzero(degrees))
            if not count:
                return lnrpc.NetworkInfo()
            return lnrpc.NetworkInfo(
                avg_out_degree=2 * count / nodes,
                max_out_degree=int(degrees.max()),
                num_nodes=nodes,
                num_channels=count,
                total_network_capacity=int(sizes.sum()),
                avg_channel_size=float(sizes.mean()),
                min_channel_size=int(sizes[0]),
                max_channel_size=int(sizes[-1]),
                median_channel_size_sat=int(np.median(sizes)),
            )

        return await self.network.read(answer)

    async def get_node_metrics(self, _request: lnrpc.NodeMetricsRequest) -> lnrpc.NodeMetricsResponse:
        """GetNodeMetrics: centrality is not computed."""
        return lnrpc.NodeMetricsResponse()

    async def subscribe_channel_graph(self, _request: lnrpc.GraphTopologySubscription) -> AsyncIterator[bytes]:
        """SubscribeChannelGraph: what changes from now on."""
        updates = self.node.graph_hub.listen()
        await self.network.read(self.network.refresh)  # what has changed before is no news
        async for update in updates:
            yield update
