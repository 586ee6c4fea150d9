"""How fast simulated nodes answer as LND: the graph, events, fees, and a client's first answer.

    .venv/bin/python benchmarks/lnd_server.py --graph graph.json.gz

Server and client are one process on one core each way, over TLS on loopback,
so that every figure holds both sides.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from lightninglens.app.world import WorldOptions, build_from_graph
from lightninglens.core.clock import SystemClock
from lightninglens.lab.worlds import open_world
from lightninglens.nodes.lnd.client import LndOptions, LndReader, TransportChoice
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.nodes.lnd.server.network import ServedNetwork
from lightninglens.nodes.lnd.server.rekeying import rekeyed
from lightninglens.nodes.lnd.server.serving import LndServer, Ports
from lightninglens.nodes.lnd.server.versions import DEFAULT_VERSION, LndVersion
from lightninglens.nodes.simulated import SimulatedWorld

EVENTS = 50_000
ROUND_TRIPS = 1_000
LIMITS = {"describe_graph_s": 0.4, "events_per_cpu_s": 10_000, "fee_round_trips_s": 2.0, "first_answer_s": 0.5}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", default="synthetic:17324", help="graph file or generator")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.graph, options.repeats))
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


async def measure(source: str, repeats: int) -> dict[str, Any]:
    """Serve the best connected node of a network, and measure."""
    graph = open_world(source, seed=1).graph
    degrees = [0] * graph.node_count
    for ends in (graph.node1.tolist(), graph.node2.tolist()):
        for end in ends:
            degrees[end] += 1
    hub = max(range(graph.node_count), key=degrees.__getitem__)
    made = rekeyed(graph, [hub], seed=1)
    world = build_from_graph(made.graph, source, WorldOptions())
    simulated, clock = SimulatedWorld(world.engine), SystemClock()
    network = ServedNetwork(
        simulated, world.engine, made.secrets, clock=clock, speed=1.0, version=LndVersion.of(DEFAULT_VERSION)
    )
    with tempfile.TemporaryDirectory() as folder:
        server = LndServer(network, network.nodes[hub], Path(folder) / "node", Ports(rpc=0, rest=None), clock)
        await server.start()
        found = await _measure(server, network, hub, repeats)
        network.close()
        await server.stop()
    simulated.close()
    machine = {"python": platform.python_version(), "processor": platform.machine(), "cores": os.cpu_count()}
    size = {"nodes": graph.node_count, "channels": graph.channel_count, "channels_of_node": degrees[hub]}
    return {"machine": machine | {"load": os.getloadavg()[0]}, "network": size, "limits": LIMITS} | found


async def _measure(server: LndServer, network: ServedNetwork, hub: int, repeats: int) -> dict[str, Any]:
    certificate = (server.folder / "tls.cert").read_bytes()
    macaroon = (server.folder / "data/chain/bitcoin/regtest/admin.macaroon").read_bytes().hex()
    metadata = [("macaroon", macaroon)]
    options = [("grpc.max_receive_message_length", -1)]
    reader_options = LndOptions(
        lnd_dir=server.folder,
        macaroon=server.folder / "data/chain/bitcoin/regtest/readonly.macaroon",
        grpc_host=f"localhost:{server.rpc_port}",
        transport=TransportChoice.GRPC,
    )

    def channel() -> aio.Channel:
        credentials = grpc.ssl_channel_credentials(certificate)
        return aio.secure_channel(f"localhost:{server.rpc_port}", credentials, options=options)

    async def first_answer() -> None:
        async with channel() as fresh:
            await Lightning.GetInfo.on(fresh)(lnrpc.GetInfoRequest(), metadata=metadata)

    async def reader_answer() -> None:
        async with LndReader.at(reader_options) as reader:
            await reader.info()

    async with channel() as client:
        describe = Lightning.DescribeGraph.on(client)
        began = time.perf_counter()
        whole = await describe(lnrpc.ChannelGraphRequest(), metadata=metadata)
        built_s = time.perf_counter() - began

        async def described() -> None:
            await describe(lnrpc.ChannelGraphRequest(), metadata=metadata)

        channels = (await Lightning.ListChannels.on(client)(lnrpc.ListChannelsRequest(), metadata=metadata)).channels

        async def fees() -> None:
            await _fees(client, metadata, channels)

        return {
            "graph_bytes": whole.ByteSize(),
            "graph_built_s": round(built_s, 3),
            "first_answer_s": await _spread(first_answer, repeats),
            "reader_first_answer_s": await _spread(reader_answer, repeats),
            "describe_graph_s": await _spread(described, repeats),
            "fee_round_trips_s": await _spread(fees, repeats),
            "events": await _events(client, metadata, network, hub, repeats),
        }


async def _spread(action: Callable[[], Awaitable[None]], repeats: int) -> dict[str, float]:
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        await action()
        found.append(time.perf_counter() - began)
    return {
        "median": round(statistics.median(found), 4),
        "least": round(min(found), 4),
        "most": round(max(found), 4),
    }


async def _fees(client: aio.Channel, metadata: Any, channels: Any) -> None:
    """Read a channel and set its fee, a thousand times, one after the other."""
    read, write = Lightning.GetChanInfo.on(client), Lightning.UpdateChannelPolicy.on(client)
    for number in range(ROUND_TRIPS):
        channel = channels[number % len(channels)]
        await read(lnrpc.ChanInfoRequest(chan_id=channel.chan_id), metadata=metadata)
        txid, _, output = channel.channel_point.partition(":")
        request = lnrpc.PolicyUpdateRequest(
            chan_point=lnrpc.ChannelPoint(funding_txid_str=txid, output_index=int(output)),
            fee_rate_ppm=100 + number % 7,
            time_lock_delta=80,
        )
        await write(request, metadata=metadata)


async def _events(
    client: aio.Channel, metadata: Any, network: ServedNetwork, hub: int, repeats: int
) -> dict[str, float]:
    """Publish events and read them; CPU seconds are those of server and client together."""
    node = network.nodes[hub]
    event = routerrpc.HtlcEvent(
        incoming_channel_id=1 << 60,
        outgoing_channel_id=1 << 61,
        incoming_htlc_id=5,
        outgoing_htlc_id=6,
        timestamp_ns=time.time_ns(),  # noqa: TID251 - only a number of the right size
        event_type=routerrpc.HtlcEvent.FORWARD,
        settle_event=routerrpc.SettleEvent(preimage=bytes(32)),
    ).SerializeToString()
    wall, cpu = [], []
    for _ in range(repeats):
        stream = Router.SubscribeHtlcEvents.on(client)(routerrpc.SubscribeHtlcEventsRequest(), metadata=metadata)
        await stream.read()
        began, began_cpu = time.perf_counter(), time.process_time()
        for _ in range(EVENTS):
            node.htlc_hub.publish(event)
        for _ in range(EVENTS):
            await stream.read()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
        stream.cancel()
    return {
        "per_s": round(EVENTS / statistics.median(wall)),
        "per_cpu_s_both_sides": round(EVENTS / statistics.median(cpu)),
        "least_per_s": round(EVENTS / max(wall)),
        "most_per_s": round(EVENTS / min(wall)),
    }


if __name__ == "__main__":
    main()
