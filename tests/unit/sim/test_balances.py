"""How liquidity starts: to the msat, with the opener paying for the commitment transaction."""

import numpy as np
import pytest
from tests.reference.networks import build_graph

from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import EngineConfig
from lightninglens.sim.topology.lab import lab_topology

FEERATE = 2_500


@pytest.fixture(name="graph")
def _graph() -> NetworkGraph:
    return lab_topology(1).graph


@pytest.mark.parametrize("model", list(BalanceModel))
def test_both_sides_add_up_to_the_capacity(graph: NetworkGraph, model: BalanceModel) -> None:
    opener = draw_openers(graph, seed=3)
    gross = initial_balances(graph, opener, model=model, seed=3, commit_feerate_sat_per_kw=FEERATE)
    assert (gross[0::2] + gross[1::2] == graph.capacity_sat * 1000).all()
    assert (gross >= 0).all()


@pytest.mark.promise("A1.7a")
def test_local_and_remote_leave_out_commitment_fee_and_anchors(graph: NetworkGraph) -> None:
    opener = draw_openers(graph, seed=3)
    gross = initial_balances(graph, opener, model=BalanceModel.BALANCED, seed=3, commit_feerate_sat_per_kw=FEERATE)
    engine = Engine(graph, balance_msat=gross, opener_side=opener, config=EngineConfig())
    for node in range(graph.node_count):
        for state in engine.channel_states(node):
            shown_sat = (state.local_msat + state.remote_msat) // 1000
            # The documents' own example: 590,000 + 406,530 of 1,000,000.
            assert state.capacity_sat - shown_sat == 3_470 == state.commit_fee_sat + 660


def test_an_opener_without_push_holds_everything(graph: NetworkGraph) -> None:
    opener = draw_openers(graph, seed=3)
    gross = initial_balances(graph, opener, model=BalanceModel.OPENER, seed=3, commit_feerate_sat_per_kw=FEERATE)
    sides = gross.reshape(-1, 2)
    rows = np.arange(graph.channel_count)
    assert (sides[rows, 1 - opener] == 0).all()
    assert (sides[rows, opener] == 1_000_000_000).all()


def test_bimodal_liquidity_is_mostly_on_one_side() -> None:
    share = _shares(BalanceModel.BIMODAL)
    assert np.mean(np.minimum(share, 1 - share) < 0.2) > 0.7
    assert 0.45 < np.mean(share) < 0.55


def test_lnds_bimodal_liquidity_has_lnds_density() -> None:
    """Against the distribution function that LND's primitive gives, per size of channel."""
    scale_sat = 300_000
    for capacity_sat in (50_000, 1_000_000, 20_000_000):
        graph = build_graph(8_001, [(node, node + 1, capacity_sat) for node in range(8_000)])
        gross = initial_balances(
            graph, np.zeros(8_000, np.int8), model=BalanceModel.BIMODAL_LND, seed=2, commit_feerate_sat_per_kw=0
        )
        shared_sat = capacity_sat - 660
        local_sat = np.sort(gross[0::2] / 1_000 - 660)
        grown = -np.exp(-local_sat / scale_sat) + np.exp((local_sat - shared_sat) / scale_sat)
        primitive = grown / (2 - 2 * np.exp(-shared_sat / scale_sat)) + 0.5
        distance = np.abs(primitive - (np.arange(8_000) + 0.5) / 8_000).max()
        assert distance < 1.63 / np.sqrt(8_000), capacity_sat  # Kolmogorov-Smirnov, 1 %


def test_uniform_liquidity_is_uniform() -> None:
    share = _shares(BalanceModel.UNIFORM)
    assert np.allclose(np.quantile(share, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.03)


def _shares(model: BalanceModel) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from lightninglens.sim.topology.synthetic import channels_for, synthetic_graph

    graph = synthetic_graph(1_000, channels_for(1_000), 1)
    opener = draw_openers(graph, seed=5)
    sides = initial_balances(graph, opener, model=model, seed=5, commit_feerate_sat_per_kw=0).reshape(-1, 2)
    return np.asarray(sides[:, 0] / sides.sum(axis=1), np.float64)
