"""How much of a demand goes round, after Spider (Sivaraman et al., NSDI 2020)."""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from lightninglens.core.errors import ConfigError
from lightninglens.sim.demand.intents import Intents

MOST_PAIRS = 20_000
"""Pairs of nodes for which the linear program is solved in seconds."""


def netted_share(intents: Intents, nodes: int) -> float:
    """Return the share of the volume that nets out at the nodes: the circulation's share is this or less.

    What a node pays beyond what it gets cannot be part of a circulation. For
    intents whose surplus goes straight from net payers to net receivers, as that
    of `PopulationDemand` does, the circulation's share is this.
    """
    amount = intents.amount_msat.astype(np.float64)
    if not len(amount):
        return 1.0
    paid = np.bincount(intents.sender, amount, nodes)
    got = np.bincount(intents.receiver, amount, nodes)
    return float(1.0 - np.maximum(paid - got, 0.0).sum() / amount.sum())


def circulation_share(intents: Intents, nodes: int) -> float:
    """Return the volume of the greatest circulation within these intents, as a share of their volume.

    A linear program over the pairs that pay; raises ConfigError above MOST_PAIRS pairs.
    """
    pairs, row = np.unique(intents.sender.astype(np.int64) * nodes + intents.receiver, return_inverse=True)
    if len(pairs) > MOST_PAIRS:
        raise ConfigError(
            f"{len(pairs):,} pairs of nodes are too many for the exact circulation (at most {MOST_PAIRS:,}):"
            " take netted_share, which it cannot exceed"
        )
    if not len(pairs):
        return 1.0
    volume = np.bincount(row, intents.amount_msat.astype(np.float64))
    columns = np.arange(len(pairs))
    balance = csr_array(
        (
            np.concatenate([np.ones(len(pairs)), -np.ones(len(pairs))]),
            (np.concatenate([pairs // nodes, pairs % nodes]), np.concatenate([columns, columns])),
        ),
        shape=(nodes, len(pairs)),
    )
    scale = volume.sum()
    solved = linprog(
        -np.ones(len(pairs)), A_eq=balance, b_eq=np.zeros(nodes), bounds=np.stack([0 * volume, volume / scale], axis=1)
    )
    return float(-solved.fun)
