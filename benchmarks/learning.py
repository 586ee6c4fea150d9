"""How well the learner learns in simulated labs that it has not met, and what that costs.

    python benchmarks/learning.py --hours 48 --train 900000-900003 --judge 910000-910007 --forest --pairs 10

Trains as a lab without a model does, judges on other seeds, and prints JSON: errors of the predicted share beside what
needs no learning, per seed; the reliability of the confidence; processor seconds and memory. `--forest` also fits the
random forest of the source documents. `--pairs` asks of so many seeds what the gain of a rebalance means: it runs the
same world with and without the money moved, and compares with the replay in isolation that the model learns from.
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats
from sklearn.ensemble import RandomForestRegressor

from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR, PPM
from lightninglens.lab.learning.bootstrap import SimulatedLab, simulated_dataset
from lightninglens.lab.learning.observing import HarvestReader
from lightninglens.lab.worlds import open_world
from lightninglens.learn.dataset import Dataset, DatasetOptions, concatenate
from lightninglens.learn.evaluation import judge_confidence, share_errors
from lightninglens.learn.flows import Flow, flows_of
from lightninglens.learn.gain import SideThen, realised_gain_msat
from lightninglens.learn.moves import move_rows
from lightninglens.learn.target import FlowColumns
from lightninglens.learn.training import TrainedModel, train
from lightninglens.sim import _channels
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.demand.model import LAB_DEMAND
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.simulation import Simulation

HORIZON_NS = 6 * NS_PER_HOUR
WORTH_PPM = 1_000


def seeds_of(text: str) -> list[int]:
    """Read `900000-900003` or one number."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def judge(model: TrainedModel, dataset: Dataset) -> dict[str, Any]:
    """Return how good the model is on one world."""
    said = model.shares(dataset.X)
    errors = share_errors(dataset.y, said.share, dataset.share_now, dataset.baseline)
    covered = (said.low <= dataset.y) & (dataset.y <= said.high)
    return {
        "model": errors.model,
        "half": errors.half,
        "last_value": errors.last_value,
        "baseline": errors.baseline,
        "interval_coverage": float(covered.mean()),
        "interval_width": float((said.high - said.low).mean()),
    }


def judge_gains(model: TrainedModel, dataset: Dataset) -> dict[str, Any]:
    """Return the reliability of the confidence, and predicted beside realised gain of what would be suggested."""
    moves = dataset.moves
    rows = move_rows(
        dataset.X[moves.outgoing_row],
        dataset.X[moves.incoming_row],
        features=dataset.features,
        amount_msat=moves.amount_msat,
        cost_msat=moves.cost_msat,
    )
    said = model.gains(rows, amount_msat=moves.amount_msat, cost_msat=moves.cost_msat)
    net_msat = moves.gain_msat - moves.cost_msat
    judged = judge_confidence(
        confidence=said.confidence, gained=net_msat > 0, covered=(said.low <= net_msat) & (net_msat <= said.high)
    )
    chosen = said.confidence >= 0.5
    return {
        "moves": len(moves),
        "gained": float((net_msat > 0).mean()),
        "brier": judged.brier,
        "brier_of_base_rate": judged.brier_of_base_rate,
        "interval_coverage": judged.interval_coverage,
        "bins": [
            (one.low, one.count, round(one.mean_confidence, 3), round(one.share_gained, 3)) for one in judged.bins
        ],
        "confident": {
            "moves": int(chosen.sum()),
            "gained": float((net_msat[chosen] > 0).mean()) if chosen.any() else None,
            "predicted_mean_sat": float(said.expected[chosen].mean()) / MSAT_PER_SAT if chosen.any() else None,
            "realised_mean_sat": float(net_msat[chosen].mean()) / MSAT_PER_SAT if chosen.any() else None,
        },
        "all_predicted_mean_sat": float(said.expected.mean()) / MSAT_PER_SAT,
        "all_realised_mean_sat": float(net_msat.mean()) / MSAT_PER_SAT,
    }


class Afterwards:
    """Six hours of a world from some moment on, perhaps with money moved at that moment by magic."""

    def __init__(self, seed: int, hours: float, shifts: dict[int, int]) -> None:
        world = open_world("lab", seed=seed)
        scenario = Scenario(
            name="pair",
            seed=seed,
            graph=world.source,
            payments=int(LAB_DEMAND.payments_per_hour * (hours + 7) * 1.3),
            balances=BalanceModel.OPENER,
            demand=LAB_DEMAND,
        )
        simulation = Simulation(scenario, world.graph, opener_side=world.opener_side)
        self.graph, engine = world.graph, simulation.engine
        moment_ns = simulation.start_ns + int(hours * NS_PER_HOUR)
        reader = HarvestReader(world.graph)
        engine.run_until(moment_ns)
        list(reader.payments(engine.harvest()))
        self.local_msat, self.spendable_msat = engine.local_msat(), engine.spendable_msat()
        for direction, amount_msat in shifts.items():
            # No payment can do this: it is what a rebalance does, without asking whether it finds a route.
            engine._world.network.balance_msat[direction] += amount_msat  # noqa: SLF001
            engine._world.network.balance_msat[direction ^ 1] -= amount_msat  # noqa: SLF001
        network, own = engine._world.network, engine._world.own  # noqa: SLF001
        _channels.refresh_all(network, own, engine.config.commit_feerate_sat_per_kw)
        engine.run_until(moment_ns + HORIZON_NS)
        self.payments = list(reader.payments(engine.harvest()))

    def worth_msat(self, node: str) -> int:
        """Return what the node earned, and what its own payments that arrived were worth."""
        own = sum(one.amount_msat for one in self.payments if one.succeeded and one.sender_id == node)
        flows = (flow for one in self.payments if one.succeeded for flow in flows_of(one))
        earned = sum(flow.fee_msat for flow in flows if flow.from_node_id == node and flow.role == "forward")
        return int(earned + own * WORTH_PPM // PPM)

    def flows(self) -> dict[int, list[Flow]]:
        """Return the flows by channel."""
        graph, between = self.graph, {}
        for row in range(graph.channel_count):
            pair = frozenset((str(graph.node_ids[graph.node1[row]]), str(graph.node_ids[graph.node2[row]])))
            between.setdefault(pair, []).append(graph.channel_id(row))
        found: dict[int, list[Flow]] = {}
        for payment in sorted(self.payments, key=lambda one: one.ended_ns):
            for flow in flows_of(payment, between):
                found.setdefault(int(flow.channel_id), []).append(flow)
        return found


def pairs(seed: int) -> Iterator[tuple[int, int]]:
    """Yield what moves of one world gained: in isolation, and in truth."""
    for hours in (5.0, 11.0, 17.0, 23.0):
        plain = Afterwards(seed, hours, {})
        graph, flows = plain.graph, plain.flows()
        sources, local = graph.sources(), plain.local_msat
        for row in range(graph.node_count):
            node, directions = str(graph.node_ids[row]), np.flatnonzero(sources == row).tolist()
            for out, back in [(out, back) for out in directions for back in directions if out != back][::2]:
                amount = min(int(min(plain.spendable_msat[out], plain.spendable_msat[back ^ 1]) * 0.7), 300_000_000)
                if amount < 30_000_000:
                    continue
                sides = [
                    SideThen(
                        flows=FlowColumns.of(
                            flows.get(int(graph.channel_ids[direction // 2]), []),
                            node,
                            own_payment_worth_ppm=WORTH_PPM,
                        ),
                        local_msat=int(local[direction]),
                        total_msat=int(local[direction] + local[direction ^ 1]),
                    )
                    for direction in (out, back)
                ]
                moved = Afterwards(seed, hours, {out: -amount, back: amount})
                isolated = realised_gain_msat(sides[0], sides[1], amount_msat=amount)
                yield isolated, moved.worth_msat(node) - plain.worth_msat(node)


def compare_pairs(seeds: list[int]) -> dict[str, Any]:
    """Return how far the replay in isolation agrees with whole worlds."""
    found = np.array([pair for seed in seeds for pair in pairs(seed)], np.float64) / MSAT_PER_SAT
    isolated, true = found.T
    low, high = stats.bootstrap((true,), np.mean, n_resamples=2_000, rng=1, method="basic").confidence_interval
    return {
        "pairs": len(found),
        "isolated_mean_sat": isolated.mean(),
        "true_mean_sat": true.mean(),
        "true_mean_interval_sat": [low, high],
        "true_sd_sat": true.std(),
        "isolated_sd_sat": isolated.std(),
        "correlation": float(np.corrcoef(isolated, true)[0, 1]),
        "true_mean_where_isolated_gained_sat": true[isolated > 3].mean(),
        "true_mean_elsewhere_sat": true[isolated <= 3].mean(),
        "isolated_gained": float((isolated > 3).mean()),
        "true_gained": float((true > 3).mean()),
        "true_gained_where_isolated_gained": float((true[isolated > 3] > 3).mean()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=48.0)
    parser.add_argument("--train", type=seeds_of, default=seeds_of("900000-900003"))
    parser.add_argument("--judge", type=seeds_of, default=seeds_of("910000-910007"))
    parser.add_argument("--forest", action="store_true")
    parser.add_argument("--pairs", type=int, default=0)
    given = parser.parse_args()
    options, lab = DatasetOptions(horizon_ns=HORIZON_NS, own_payment_worth_ppm=WORTH_PPM), SimulatedLab()
    started = time.process_time()
    learned_from = concatenate([simulated_dataset(lab, seed, given.hours, options) for seed in given.train])
    prepared = time.process_time()
    model = train(learned_from, version="benchmark", created_ns=0, trained_on="", data_sha256="", lineage={})
    trained = time.process_time()
    worlds = [simulated_dataset(lab, seed, given.hours, options) for seed in given.judge]
    per_seed = [judge(model, world) for world in worlds]
    better = np.array([one["half"] - one["model"] for one in per_seed])
    half_width = float(stats.t.ppf(0.975, len(better) - 1) * better.std(ddof=1) / np.sqrt(len(better)))
    facts: dict[str, Any] = {
        "cpu_s": {"simulate_and_build": round(prepared - started, 2), "train": round(trained - prepared, 2)},
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "rows": len(learned_from.y),
        "verdict_of_the_card": model.card.verdict,
        "shares_mean": {key: float(np.mean([one[key] for one in per_seed])) for key in per_seed[0]},
        "better_than_half": {
            "mean": float(better.mean()),
            "half_width_95": half_width,
            "wins": int((better > 0).sum()),
        },
        "shares_per_seed": per_seed,
        "gains": judge_gains(model, concatenate(worlds)),
    }
    if given.forest:
        started = time.process_time()
        forest = RandomForestRegressor(n_estimators=100, max_depth=10, random_state=42)
        forest.fit(learned_from.X, learned_from.y)
        together = concatenate(worlds)
        error = float(np.mean(np.abs(together.y - forest.predict(together.X))))
        facts["forest"] = {"error": error, "cpu_s": round(time.process_time() - started, 2)}
    if given.pairs:
        facts["pairs"] = compare_pairs([920_000 + row for row in range(given.pairs)])
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
