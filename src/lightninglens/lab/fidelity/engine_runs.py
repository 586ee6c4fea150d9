"""Payments on a given network through our engine, for the studies."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import ANCHORS_SAT
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.records import EngineConfig, FinishedPayments, PaymentRequests
from lightninglens.sim.state import DUST_LIMIT_MSAT

NO_FEE_LIMIT_MSAT = 10**15
"""More than any fee: no peer of ours here knows a limit."""
LND_PARTS = 16
"""LND's default for the parts of a payment."""

_FIXPOINT_STEPS = 60


class Liquidity(NamedTuple):
    """A network's gross balances and openers."""

    graph: NetworkGraph
    balance_msat: NDArray[np.int64]
    opener_side: NDArray[np.int8]


def as_balances(graph: NetworkGraph, balance_msat: NDArray[np.int64]) -> Liquidity:
    """Return balances as they are: reserve and anchors are part of them and cannot be spent, as in life."""
    return Liquidity(graph, balance_msat, np.zeros(graph.channel_count, np.int8))


def as_spendable(graph: NetworkGraph, spendable_msat: NDArray[np.int64]) -> Liquidity:
    """Return a network in which each side can send exactly what it is said to own.

    Models without reserve and anchors let a side send its last msat. Each
    channel here is larger by both reserves and the anchors, and announces its
    former capacity as the greatest HTLC.
    """
    reserve_sat = np.zeros_like(graph.capacity_sat)
    grown_sat = graph.capacity_sat.copy()
    for _ in range(_FIXPOINT_STEPS):
        reserve_sat = np.maximum(grown_sat // 100, DUST_LIMIT_MSAT // MSAT_PER_SAT)
        grown_sat = graph.capacity_sat + 2 * reserve_sat + ANCHORS_SAT
    gross = spendable_msat.reshape(-1, 2) + (reserve_sat * MSAT_PER_SAT)[:, None]
    gross[:, 0] += ANCHORS_SAT * MSAT_PER_SAT
    policies = graph.policies.copy()
    policies.max_htlc_msat[:] = np.minimum(policies.max_htlc_msat, np.repeat(graph.capacity_sat * MSAT_PER_SAT, 2))
    grown = NetworkGraph(
        node_ids=graph.node_ids,
        aliases=graph.aliases,
        channel_ids=graph.channel_ids,
        node1=graph.node1,
        node2=graph.node2,
        capacity_sat=grown_sat,
        policies=policies,
    )
    return Liquidity(grown, gross.reshape(-1), np.zeros(graph.channel_count, np.int8))


def requests_of(
    sender: NDArray[np.int64],
    receiver: NDArray[np.int64],
    amount_msat: NDArray[np.int64],
    start_ns: NDArray[np.int64],
    *,
    parts: int,
) -> PaymentRequests:
    """Return payments without a fee limit, each in at most `parts` parts."""
    count = len(sender)
    return PaymentRequests(
        start_ns=start_ns,
        sender=sender.astype(np.int32),
        receiver=receiver.astype(np.int32),
        amount_msat=amount_msat,
        fee_limit_msat=np.full(count, NO_FEE_LIMIT_MSAT),
        kind=np.zeros(count, np.int8),
        tag=np.zeros(count, np.int32),
        outgoing=np.full(count, -1, np.int32),
        last_hop=np.full(count, -1, np.int32),
        most_parts=np.full(count, parts, np.int32),
    )


def run(liquidity: Liquidity, requests: PaymentRequests, config: EngineConfig) -> FinishedPayments:
    """Run all payments to their end and return them in the order in which they were given."""
    engine = Engine(
        liquidity.graph, balance_msat=liquidity.balance_msat, opener_side=liquidity.opener_side, config=config
    )
    engine.submit(requests)
    engine.run_until(FOREVER_NS)
    finished = engine.harvest().payments
    order = np.argsort(finished.payment_id)
    return FinishedPayments._make(column[order] for column in finished)


def succeeded(finished: FinishedPayments) -> NDArray[np.bool_]:
    """Return which payments arrived."""
    return np.asarray(finished.outcome == HtlcOutcome.SUCCEEDED, np.bool_)
