"""A run is a function of scenario and seed: of no process, hash seed, folder, or way of cutting the time."""

import hashlib
import itertools
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.reference.networks import build_graph, draw_policy, plain_policy

from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.sim.demand import (
    Demand,
    DemandModel,
    Intents,
    PopulationDemand,
    UniformDemand,
    draw_intents,
    to_requests,
)
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import EngineConfig, Harvest

HOUR_NS = 3_600 * 10**9
SEED = 11
DEMAND = DemandModel(payments_per_hour=1_500, hot_receivers=3, drift_hours=0.5)
RETURNING = replace(DEMAND, return_share=0.7, return_hours=0.4)
POPULATION = PopulationDemand(payments_per_hour=1_500, circulation_hours=0.3, onchain_hours=0.5, least_swap_sat=1_000)
ROOT = Path(__file__).parents[2]


def make_graph() -> NetworkGraph:
    """Return a network of 25 nodes with odd policies."""
    draw = random.Random(SEED)
    pairs = [(draw.randrange(node), node) for node in range(1, 25)]
    pairs += [(low, low + draw.randrange(1, 25 - low)) for low in (draw.randrange(24) for _ in range(50))]
    channels = [(low, high, draw.choice([300_000, 1_000_000, 4_000_000])) for low, high in pairs]
    return build_graph(25, channels, [draw_policy(draw, channel[2]) for channel in channels for _ in range(2)])


def make_engine(graph: NetworkGraph) -> Engine:
    """Return an engine in which a third of the nodes is observed."""
    openers = draw_openers(graph, seed=SEED)
    balances = initial_balances(graph, openers, model=BalanceModel.BIMODAL, seed=SEED, commit_feerate_sat_per_kw=2_500)
    engine = Engine(graph, balance_msat=balances, opener_side=openers, config=EngineConfig(seed=SEED))
    engine.observe(list(range(0, 25, 3)))
    return engine


def digest(graph: NetworkGraph, engine: Engine, harvest: Harvest) -> str:
    """Return a hash of everything that came out, and of the state at the end."""
    hashed = hashlib.sha256()
    parts = [*harvest.payments, harvest.routes]
    for rows in (harvest.attempts, harvest.htlc_events):
        parts += [rows[name] for name in rows.dtype.names or ()]  # a row's padding is anything
    for part in [*parts, engine.balances_msat(), engine.pending_msat(), engine.spendable_msat()]:
        hashed.update(np.ascontiguousarray(part).tobytes())
    assert len(harvest.payments.payment_id) > 1_000
    assert len(set(harvest.payments.outcome.tolist())) >= 3
    return hashed.hexdigest()


def reference_run() -> str:
    """Run one hour in one go and return its hash."""
    graph = make_graph()
    engine = make_engine(graph)
    engine.submit(to_requests(draw_intents(DEMAND, graph, seed=SEED, start_ns=0, end_ns=HOUR_NS)))
    engine.set_policy(3, plain_policy(rate_ppm=900), spread_ns=HOUR_NS // 2)
    engine.run_until(2 * HOUR_NS)
    return digest(graph, engine, engine.harvest())


def joined(harvests: list[Harvest]) -> Harvest:
    """Return harvests as one."""
    payments = [np.concatenate(column) for column in zip(*(h.payments for h in harvests), strict=True)]
    rest = [np.concatenate(column) for column in zip(*(h[1:] for h in harvests), strict=True)]
    return Harvest(type(harvests[0].payments)(*payments), *rest)


@pytest.mark.parametrize("seed", range(4))
def test_cutting_the_time_changes_nothing(seed: int) -> None:
    """Pieces of random length, pauses after random numbers of events, harvests in between: the same bytes."""
    draw = random.Random(seed)
    graph = make_graph()
    engine = make_engine(graph)
    engine.submit(to_requests(draw_intents(DEMAND, graph, seed=SEED, start_ns=0, end_ns=HOUR_NS)))
    engine.set_policy(3, plain_policy(rate_ppm=900), spread_ns=HOUR_NS // 2)
    harvests, horizon = [], 0
    while horizon < 2 * HOUR_NS:
        horizon = min(horizon + draw.randrange(1, HOUR_NS // 5), 2 * HOUR_NS)
        while not engine.run_until(horizon, most_events=draw.randrange(1, 3_000)):
            if draw.random() < 0.5:
                harvests.append(engine.harvest())
    harvests.append(engine.harvest())
    assert digest(graph, engine, joined(harvests)) == reference_run()


@pytest.mark.parametrize(("hash_seed", "folder"), [("0", "/"), ("4242", str(ROOT))])
def test_another_process_gives_the_same_bytes(hash_seed: str, folder: str) -> None:
    """Another hash seed and another working directory."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = "from tests.property.test_determinism import reference_run; print(reference_run())"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == reference_run()


@pytest.mark.parametrize(
    "model",
    [DEMAND, RETURNING, UniformDemand(), POPULATION],
    ids=["roles", "returning", "uniform", "population"],
)
@pytest.mark.parametrize("seed", range(3))
def test_windows_of_demand_join(model: Demand, seed: int) -> None:
    """Intents of adjoining windows, wherever they are cut, are the intents of the whole."""
    draw, graph, origin_ns = random.Random(seed), make_graph(), 1_767_225_600 * 10**9
    end_ns = origin_ns + 3 * HOUR_NS
    cuts = sorted(draw.randrange(origin_ns, end_ns) for _ in range(6))

    def window(start_ns: int, stop_ns: int) -> Intents:
        return draw_intents(model, graph, seed=SEED, start_ns=start_ns, end_ns=stop_ns, origin_ns=origin_ns)

    bounds = [origin_ns, *cuts, end_ns]
    parts = [window(low, high) for low, high in itertools.pairwise(bounds)]
    whole = window(origin_ns, end_ns)
    assert len(whole.start_ns) > 400
    for name in Intents._fields:
        assert np.concatenate([getattr(part, name) for part in parts]).tolist() == getattr(whole, name).tolist()


def test_policies_do_not_touch_intents() -> None:
    """What people want to pay is drawn before anybody sets a fee: other policies, the same intents."""
    graph = make_graph()
    before = draw_intents(DEMAND, graph, seed=SEED, start_ns=0, end_ns=HOUR_NS)
    for direction in np.flatnonzero(graph.usable()).tolist():
        graph.policies.put(direction, plain_policy(base_msat=50_000, rate_ppm=direction, max_msat=1))
    after = draw_intents(DEMAND, graph, seed=SEED, start_ns=0, end_ns=HOUR_NS)
    for name in Intents._fields:
        assert getattr(before, name).tolist() == getattr(after, name).tolist()


def test_seeds_differ() -> None:
    """Another seed is another world."""
    graph = make_graph()
    one, two = (draw_intents(DEMAND, graph, seed=seed, start_ns=0, end_ns=HOUR_NS) for seed in (1, 2))
    assert one.start_ns.tolist() != two.start_ns.tolist()
    assert not np.array_equal(draw_openers(graph, seed=1), draw_openers(graph, seed=2))
