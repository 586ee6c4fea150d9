"""What no circular rebalance could have changed: failures for which the network was too small between two nodes.

What leaves a set of nodes in a circle comes back into it, so a circle changes
the balance of no cut. By max-flow, min-cut it therefore changes no greatest flow
between two nodes: a payment above that flow fails however its nodes rebalance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import maximum_flow

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.units import MSAT_PER_SAT

_MOST_SAT = 2**31 - 1
"""scipy's flows are int32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Of one world in which nobody rebalances: the payments that failed, and those that had to."""

    payments: int
    failed: int
    hopeless: int
    failed_msat: int
    hopeless_msat: int


def is_hopeless(
    graph: NetworkGraph, balance_msat: NDArray[np.int64], sender: int, receiver: int, amount_msat: int
) -> bool:
    """Tell whether a payment is more than can flow from sender to receiver in any number of parts.

    `balance_msat` is gross, by direction. Reserves, fees and limits on HTLCs are
    left out, and so are channels' sizes below one sat: what is called hopeless
    is so for certain, and some that is not may be so too.
    """
    flow_sat = maximum_flow(_capacities(graph, balance_msat), sender, receiver).flow_value
    return bool(flow_sat < amount_msat // MSAT_PER_SAT)


def _capacities(graph: NetworkGraph, balance_msat: NDArray[np.int64]) -> csr_array:
    sat = np.minimum(-(-balance_msat // MSAT_PER_SAT), _MOST_SAT).astype(np.int64)
    size = graph.node_count
    summed = coo_array((sat, (graph.sources(), graph.targets())), shape=(size, size)).tocsr()
    summed.data = np.minimum(summed.data, _MOST_SAT).astype(np.int32)
    return csr_array(summed, dtype=np.int32)
