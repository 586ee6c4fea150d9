"""The sender "flow" in a simulated network: rounds, learning, restrictions, and the fee limit."""

from typing import Any

import numpy as np
import pytest
from tests.reference.networks import Channel, build_graph, plain_policy

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.flow_router import FlowRouter
from lightninglens.sim.records import EngineConfig, Harvest, PaymentRequests

pytestmark = pytest.mark.kernel

A, B, C, D, E = range(5)
CHANNELS: list[Channel] = [(A, low, 2_000_000) for low in (B, C, D)] + [(low, E, 2_000_000) for low in (B, C, D)]
B_TO_E, C_TO_E, D_TO_E = 6, 8, 10
AMOUNT_SAT = 900_000


def engine_of(shares: list[float], policies: dict[int, ChannelPolicy] | None = None) -> Engine:
    """Return three ways from A to E; `shares` are what B, C and D have towards E."""
    plain = [plain_policy(base_msat=0)] * 12
    for direction, policy in (policies or {}).items():
        plain[direction] = policy
    graph = build_graph(5, CHANNELS, plain)
    first = (graph.capacity_sat * np.array([1.0] * 3 + shares)).astype(np.int64)
    balances = np.stack([first, graph.capacity_sat - first], axis=1).reshape(-1) * 1_000
    config = EngineConfig(commit_feerate_sat_per_kw=0)
    engine = Engine(graph, balance_msat=balances, opener_side=np.zeros(6, np.int8), config=config)
    engine.plug([A], FlowRouter())
    return engine


def pay(engine: Engine, **changed: int) -> Harvest:
    """Pay from A to E and run to the end."""
    columns: dict[str, Any] = {
        "start_ns": np.array([engine.now_ns]),
        "sender": np.array([A], np.int32),
        "receiver": np.array([E], np.int32),
        "amount_msat": np.array([AMOUNT_SAT * 1_000]),
        "fee_limit_msat": np.array([AMOUNT_SAT * 50]),
        "kind": np.zeros(1, np.int8),
        "tag": np.zeros(1, np.int32),
        "outgoing": np.full(1, -1, np.int32),
        "last_hop": np.full(1, -1, np.int32),
        "most_parts": np.full(1, 16, np.int32),
    }
    columns.update({name: np.array([value], columns[name].dtype) for name, value in changed.items()})
    engine.submit(PaymentRequests(**columns))
    engine.run_until(FOREVER_NS)
    assert engine.conservation_drift_msat() == 0
    return engine.harvest()


def test_rounds_until_everything_arrives() -> None:
    """Nothing is known, so it is split; what one way refuses goes over the others; the next payment knows better."""
    engine = engine_of([0.9, 0.01, 0.9])
    first = pay(engine)
    assert first.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert set(first.attempts["code"].tolist()) == {FailureCode.NONE, FailureCode.TEMPORARY_CHANNEL_FAILURE}
    assert int(first.payments.parts[0]) > 1
    second = pay(engine)
    assert second.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert set(second.attempts["code"].tolist()) == {FailureCode.NONE}


def test_a_fee_limit_makes_it_bolder() -> None:
    """Two of three ways are dear: within the limits all goes over the cheap one, and with no fee at all nothing."""
    dear = plain_policy(base_msat=0, rate_ppm=20_000)
    engine = engine_of([1.0, 1.0, 1.0], {C_TO_E: dear, D_TO_E: dear})
    harvest = pay(engine, fee_limit_msat=AMOUNT_SAT)
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert B_TO_E in harvest.routes.tolist()
    assert pay(engine, fee_limit_msat=0).payments.outcome.tolist() == [HtlcOutcome.NO_ROUTE]


def test_a_channel_that_is_gone_is_avoided() -> None:
    """A refusal that says nothing of liquidity keeps the direction out of this payment."""
    engine = engine_of([1.0, 1.0, 1.0], {C_TO_E: plain_policy(base_msat=0, rate_ppm=5_000)})
    engine.set_active(B_TO_E // 2, active=False)
    harvest = pay(engine)
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert FailureCode.UNKNOWN_NEXT_PEER in harvest.attempts["code"].tolist()


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"outgoing": 2, "last_hop": C}, HtlcOutcome.SUCCEEDED),
        ({"outgoing": 2, "last_hop": B}, HtlcOutcome.NO_ROUTE),
        ({"receiver": A}, HtlcOutcome.NO_ROUTE),
    ],
)
def test_restrictions(changed: dict[str, int], outcome: HtlcOutcome) -> None:
    """It leaves and comes in where it must; a payment to oneself is not planned."""
    assert pay(engine_of([1.0, 1.0, 1.0]), **changed).payments.outcome.tolist() == [outcome]


def test_parts_that_wait_in_vain() -> None:
    """Nobody can carry the rest: what arrived is held, comes back with MPP_TIMEOUT, and the payment fails."""
    engine = engine_of([0.3, 0.0, 0.0])
    harvest = pay(engine)
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.TIMEOUT]
    assert FailureCode.MPP_TIMEOUT in harvest.attempts["code"].tolist()
    engine.set_active(0, active=False)
    again = pay(engine)
    assert again.payments.outcome[0] != HtlcOutcome.SUCCEEDED
