"""Networks to simulate when there is no graph file: the lab's five nodes, and a synthetic mainnet."""

from lightninglens.sim.topology.lab import LabTopology, lab_topology
from lightninglens.sim.topology.synthetic import channels_for, synthetic_graph

__all__ = ["LabTopology", "channels_for", "lab_topology", "synthetic_graph"]
