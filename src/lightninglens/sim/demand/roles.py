"""What nodes are: wallets, exchanges, merchants, routers, leaves; who pays whom, and which way money goes on balance.

A public graph does not say what a node is. The rule here uses what it shows,
the channels, and a seed:

1. A *leaf* has one or two usable channels. All others are hubs.
2. *Exchanges* are 1 % of the hubs, drawn with weight capacity.
3. *Wallets* (and LSPs) are 3 % of the hubs, drawn from the rest with weight
   1 + the number of their leaves: who serves phones has many small peers.
4. *Merchants* (and payment processors) are 15 % of the rest, all alike.
5. *Routers* are the others.

At least one of each where there are hubs enough. The shares are assumptions.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.checks import require_ranges
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.records import STRICT
from lightninglens.core.rng import Stream, uniforms
from lightninglens.sim.demand.amounts import Component
from lightninglens.sim.demand.draws import weighted_sample

MOST_LEAF_CHANNELS: Final = 2
EXCHANGE_SHARE: Final = 0.01
WALLET_SHARE: Final = 0.03
MERCHANT_SHARE: Final = 0.15


class NodeRole(IntEnum):
    """What a node is; NONE has no usable channel and takes no part."""

    NONE = -1
    WALLET = 0
    EXCHANGE = 1
    MERCHANT = 2
    ROUTER = 3
    LEAF = 4


_ROLES = 5

#                      wallet exchange merchant router leaf
PAYERS: Final = {
    Component.TIP: (0.60, 0.00, 0.00, 0.00, 0.40),
    Component.RETAIL: (0.65, 0.05, 0.00, 0.00, 0.30),
    Component.TRANSFER: (0.45, 0.10, 0.05, 0.15, 0.25),
    Component.EXCHANGE: (0.30, 0.35, 0.05, 0.20, 0.10),
}
"""Per kind of payment, the share that each role pays. Assumptions: there is no public payer-payee matrix."""

PAYEES: Final = {
    Component.TIP: (0.40, 0.00, 0.30, 0.00, 0.30),
    Component.RETAIL: (0.05, 0.05, 0.80, 0.00, 0.10),
    Component.TRANSFER: (0.45, 0.10, 0.05, 0.15, 0.25),
    Component.EXCHANGE: (0.15, 0.60, 0.05, 0.15, 0.05),
}
"""The same for who is paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPayers:
    """Share of each role's nodes that pay on balance; the others are paid on balance."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    wallet: float = 0.9
    exchange: float = 0.3
    merchant: float = 0.05
    router: float = 0.5
    leaf: float = 0.7

    def __post_init__(self) -> None:
        """Raise ValueError for shares that are none."""
        require_ranges(self, wallet=(0, 1), exchange=(0, 1), merchant=(0, 1), router=(0, 1), leaf=(0, 1))

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares, by `NodeRole`."""
        return (self.wallet, self.exchange, self.merchant, self.router, self.leaf)


class Population(NamedTuple):
    """The nodes of a graph as a demand sees them, one row each."""

    role: NDArray[np.int8]
    capacity_sat: NDArray[np.float64]
    """Of usable channels; 0 where there are none."""
    pays: NDArray[np.bool_]
    """Whether a node pays on balance."""


def assign_roles(graph: NetworkGraph, *, seed: int, net_payers: NetPayers) -> Population:
    """Return what each node is; the same for the same graph and seed."""
    nodes = graph.node_count
    usable = graph.usable()
    usable_channel = usable[0::2] | usable[1::2]
    ends = np.stack([graph.node1, graph.node2], axis=1)[usable_channel]
    size = np.repeat(graph.capacity_sat[usable_channel], 2).astype(np.float64)
    degree = np.bincount(ends.reshape(-1), minlength=nodes)
    capacity = np.bincount(ends.reshape(-1), size, nodes).astype(np.float64)
    is_leaf = (degree > 0) & (degree <= MOST_LEAF_CHANNELS)
    leaves = np.bincount(ends[:, 0], is_leaf[ends[:, 1]], nodes) + np.bincount(ends[:, 1], is_leaf[ends[:, 0]], nodes)
    role = np.full(nodes, NodeRole.NONE, np.int8)
    role[is_leaf] = NodeRole.LEAF
    hub = degree > MOST_LEAF_CHANNELS
    role[hub] = NodeRole.ROUTER
    for kind, share, weight in (
        (NodeRole.EXCHANGE, EXCHANGE_SHARE, capacity),
        (NodeRole.WALLET, WALLET_SHARE, 1.0 + leaves),
        (NodeRole.MERCHANT, MERCHANT_SHARE, np.ones(nodes)),
    ):
        free = role == NodeRole.ROUTER
        chosen = weighted_sample(
            np.where(free, weight, 0.0),
            math.ceil(share * int(hub.sum())),
            seed=seed,
            entity=int(kind),
            stream=Stream.NODE_ROLE,
        )
        role[chosen] = kind
    return Population(role, capacity, _net_payers(role, net_payers, seed))


def _net_payers(role: NDArray[np.int8], net_payers: NetPayers, seed: int) -> NDArray[np.bool_]:
    """Return which nodes pay on balance: at least one does and one does not, where there are two."""
    margin = uniforms(seed, 0, Stream.NODE_SIDE, len(role)) - np.array([*net_payers.shares, 0.0])[role]
    pays = (margin < 0) & (role != NodeRole.NONE)
    takes_part = np.flatnonzero(role != NodeRole.NONE)
    if len(takes_part) > 1:
        ranked = takes_part[np.argsort(margin[takes_part], kind="stable")]
        pays[ranked[0]], pays[ranked[-1]] = True, False
    return np.asarray(pays, np.bool_)


def role_weights(
    population: Population, shares: tuple[float, ...], members: NDArray[np.bool_], exponent: float
) -> NDArray[np.float64]:
    """Return the members' weights: each role has its share, split in it by capacity ** exponent.

    Where no member has a role with a share, all members count, by capacity.
    """
    weight = np.zeros(len(population.role))
    weight[members] = population.capacity_sat[members] ** exponent
    members_role = np.where(members, population.role, _ROLES)
    in_all = np.bincount(members_role, weight, _ROLES + 1)
    factor = np.divide([*shares, 0.0], in_all, out=np.zeros(_ROLES + 1), where=in_all > 0)
    shared = weight * factor[members_role]
    return np.asarray(shared if shared.any() else weight, np.float64)
