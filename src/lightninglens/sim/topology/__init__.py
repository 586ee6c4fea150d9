"""Networks to simulate when there is no graph file: the lab's five nodes, and a synthetic mainnet."""

from lightninglens.sim.topology.lab import LabTopology, lab_topology
from lightninglens.sim.topology.synthetic import synthetic_graph

__all__ = ["LabTopology", "lab_topology", "synthetic_graph"]
