"""Twins of one node: the network around it, with the demand that a full run brought to its boundary.

Entry points: `record`, `cut`, `run_twin`, `NodeChange`, `compare`, `save_twin`. The model and its errors are told in
docs/explanation/ego-networks.md, the reasons in docs/adr/0060.
"""

from lightninglens.lab.ego.compare import Comparison, NodeEarnings, compare, earnings_of, forwards_at
from lightninglens.lab.ego.crossings import Crossings, find_crossings
from lightninglens.lab.ego.cut import EgoNetwork, cut
from lightninglens.lab.ego.record import NodeChange, Recording, record, run_twin
from lightninglens.lab.ego.save import save_twin

__all__ = [
    "Comparison",
    "Crossings",
    "EgoNetwork",
    "NodeChange",
    "NodeEarnings",
    "Recording",
    "compare",
    "cut",
    "earnings_of",
    "find_crossings",
    "forwards_at",
    "record",
    "run_twin",
    "save_twin",
]
