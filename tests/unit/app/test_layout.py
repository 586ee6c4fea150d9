import numpy as np
import pytest

from lightninglens.app.layout import positions
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import NodeId
from lightninglens.sim.topology.lab import lab_topology


@pytest.mark.promise("A1.18")
def test_the_lab_is_placed_as_drawn() -> None:
    lab = lab_topology(1)
    place = dict(zip(lab.names, positions(lab.graph, lab.names), strict=True))
    assert [place[f"lnd-{name}"] for name in ("alice", "bob", "carol")] == [(0.0, 1.0), (1.0, 1.35), (2.0, 1.0)]
    assert (place["lnd-eve"], place["lnd-dave"]) == ((0.0, 0.0), (2.0, 0.0))


def test_any_other_network_is_spread_out_with_the_largest_in_the_middle() -> None:
    count = 50
    graph = NetworkGraph(
        node_ids=[NodeId(f"02{row:064x}") for row in range(count)],
        aliases=[""] * count,
        channel_ids=np.arange(count - 1, dtype=np.uint64),
        node1=np.zeros(count - 1, np.int32),
        node2=np.arange(1, count, dtype=np.int32),
        capacity_sat=np.full(count - 1, 1_000, np.int64),
        policies=PolicyColumns.unknown(2 * (count - 1)),
    )
    places = np.array(positions(graph, [str(row) for row in range(count)]))
    assert np.argmin((places**2).sum(axis=1)) == 0
    distances = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=2)) + np.eye(count) * 9
    assert distances.min() > 0.5
