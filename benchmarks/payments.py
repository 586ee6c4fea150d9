"""Complete payments per CPU second, whole processes: search, HTLC events, retries, mission control, results written.

    python benchmarks/payments.py --graph graph.json.gz --json
    python benchmarks/payments.py --graph graph.json.gz --cloth ../cloth/cloth --growth --sizes --plot cost.svg

Two workloads, each run as `lens sim run` in a process of its own, CPU seconds being user and system time of all its
threads, start-up, reading the graph, writing tables and report included; the compile cache is warm:

  light      100 sat between uniform pairs of the largest strongly connected component, one per second; balances
             uniform: what CLoTH ships with
  realistic  the ready scenario mainnet-coffee: roles, amounts and rate of late 2025, splitting into 16 parts

--growth repeats both from 10,000 to 1,000,000 payments: cost per payment and peak memory; what each payment beyond the
smaller run cost is the growth without the start. --sizes runs synthetic networks of 1,000 to 50,000 nodes. --plot draws
both. --cloth runs CLoTH's binary on the first payments of the light workload, same network, same balances, in the same
run, and prints the ratio.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from cloth import ClothWork, run_cloth
from measuring import cpu_s, machine, spread
from numpy.typing import NDArray

from lightninglens.analytics.components import strong_components
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.rng import Stream, uniforms
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.storage.files.graphs import read_graph

LIGHT_SAT = 100
CLOTH_PAYMENTS = 1_000
GROWTH = (10_000, 100_000, 1_000_000)
SIZES = (1_000, 5_000, 17_000, 50_000)
SIZE_PAYMENTS = 50_000
FEERATE = 2_500


def run_lens(arguments: list[str]) -> dict[str, Any]:
    """Run `lens sim run` and return what it took and what it found."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lightninglens", "sim", "run", *arguments, "--out", f"{folder}/run", "--json"]
        before = cpu_s(resource.RUSAGE_CHILDREN)
        # Byte code is cached as on a user's machine, whatever this process was told.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        seconds = cpu_s(resource.RUSAGE_CHILDREN) - before
        found = json.loads(done.stdout)
    payments = found["payments"]
    return {
        "payments": payments,
        "cpu_s": round(seconds, 2),
        "payments_per_cpu_s": round(payments / seconds),
        "us_per_payment": round(1e6 * seconds / payments, 1),
        "peak_rss_mb": found["peak_rss_mb"],
        **{key: found[key] for key in ("success_rate", "attempts_mean", "events", "conservation_drift_msat")},
    }


LightPairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Nodes of the component; senders, receivers and start times in ms."""


def light_pairs(graph: NetworkGraph, count: int, seed: int) -> LightPairs:
    """Return the component's nodes, and senders, receivers and start times (ms) of uniform payments among them."""
    usable = np.flatnonzero(graph.usable())
    component = strong_components(graph.sources()[usable], graph.targets()[usable], graph.node_count)
    nodes = np.flatnonzero(component == np.bincount(component).argmax())
    first, second, gaps = (
        uniforms(seed, 0, stream, count) for stream in (Stream.SENDER, Stream.RECEIVER, Stream.ARRIVAL)
    )
    sender = (first * len(nodes)).astype(np.int64)
    receiver = (sender + 1 + (second * (len(nodes) - 1)).astype(np.int64)) % len(nodes)
    start_ms = np.cumsum(-1_000.0 * np.log1p(-gaps)).astype(np.int64)
    return nodes, nodes[sender], nodes[receiver], start_ms


def run_light_once(given: argparse.Namespace, graph: NetworkGraph, pairs: LightPairs) -> dict[str, Any]:
    """Run the light workload, a payment for each pair."""
    _, sender, receiver, start_ms = pairs
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "payments.csv"
        with listed.open("w") as file:
            file.write("time_s,sender,receiver,amount_sat\n")
            file.writelines(
                f"{at / 1_000:.3f},{graph.node_ids[payer]},{graph.node_ids[paid]},{LIGHT_SAT}\n"
                for at, payer, paid in zip(start_ms.tolist(), sender.tolist(), receiver.tolist(), strict=True)
            )
        arguments = ["--graph", str(given.graph), "--payment-list", str(listed), "--balances", "uniform"]
        return run_lens([*arguments, "--seed", str(given.seed)])


def run_light(given: argparse.Namespace, graph: NetworkGraph) -> dict[str, Any]:
    """Measure the light workload, and CLoTH beside it where it is given."""
    pairs = light_pairs(graph, given.payments, given.seed)
    result = summary_of([run_light_once(given, graph, pairs) for _ in range(given.repeat)])
    if given.cloth is not None:
        nodes, sender, receiver, start_ms = pairs
        openers = draw_openers(graph, seed=given.seed)
        balance_msat = initial_balances(
            graph, openers, model=BalanceModel.UNIFORM, seed=given.seed, commit_feerate_sat_per_kw=FEERATE
        )
        first = slice(CLOTH_PAYMENTS)
        amounts = np.full(CLOTH_PAYMENTS, LIGHT_SAT * 1_000)
        work = ClothWork(graph, nodes, balance_msat, sender[first], receiver[first], amounts, start_ms[first])
        result["cloth"] = run_cloth(given.cloth, work, seed=given.seed)
        result["ratio_to_cloth"] = round(
            result["payments_per_cpu_s"]["median"] / result["cloth"]["payments_per_cpu_s"], 1
        )
    return result


def grown(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return runs of growing size, with what a payment beyond the run before cost."""
    for before, run in pairwise(runs):
        added_s, added = run["cpu_s"] - before["cpu_s"], run["payments"] - before["payments"]
        run["us_per_further_payment"] = round(1e6 * added_s / added, 1)
    return {str(run["payments"]): run for run in runs}


def summary_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the spread of rates over repeats, and all of them."""
    return {key: spread([run[key] for run in runs]) for key in ("payments_per_cpu_s", "peak_rss_mb")} | {"runs": runs}


def realistic(given: argparse.Namespace, payments: int, graph: str) -> dict[str, Any]:
    """Run the realistic workload once."""
    return run_lens(["mainnet-coffee", "--graph", graph, "--payments", str(payments), "--seed", str(given.seed)])


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw cost per payment against the number of payments and against the size of the network."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    parts = (
        (1, "payments in the run", (("growth_light", "light"), ("growth", "realistic"))),
        (2, "nodes of the network", (("sizes", "realistic"),)),
    )
    for place, label, lines in parts:
        axes = figure.add_subplot(1, 2, place)
        for key, name in lines:
            rows = result.get(key, {})
            sizes = [int(size) for size in rows]
            axes.plot(sizes, [row["us_per_payment"] for row in rows.values()], marker="o", label=name)
        axes.set(xscale="log", xlabel=label, ylabel="microseconds of CPU per payment", ylim=(0, None))
        axes.legend()
    figure.savefig(path)


def report(result: dict[str, Any]) -> None:
    """Print what a person wants to read."""
    print(result["machine"])
    for name in ("light", "realistic"):
        rates, run = result[name]["payments_per_cpu_s"], result[name]["runs"][0]
        print(
            f"{name:10} {rates['median']:>7,.0f} payments per CPU second ({rates['min']:,.0f} to {rates['max']:,.0f}); "
            f"{run['payments']:,} payments, {run['attempts_mean']:.3f} attempts each, "
            f"success {100 * run['success_rate']:.2f} %, {run['peak_rss_mb']:.0f} MB"
        )
    if "ratio_to_cloth" in result["light"]:
        print(f"           CLoTH {result['light']['cloth']}: {result['light']['ratio_to_cloth']} times")
    for key, name in (("growth_light", "light payments"), ("growth", "payments"), ("sizes", "nodes")):
        for size, run in result.get(key, {}).items():
            further = run.get("us_per_further_payment")
            print(
                f"{int(size):>10,} {name}: {run['us_per_payment']} us per payment, "
                + (f"{further} for each beyond the run before, " if further is not None else "")
                + f"{run['attempts_mean']:.3f} attempts, {run['peak_rss_mb']:.0f} MB"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--payments", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cloth", type=Path, help="CLoTH's binary, built at -O3")
    parser.add_argument("--growth", action="store_true", help="up to a million payments")
    parser.add_argument("--sizes", action="store_true", help="networks of 1,000 to 50,000 nodes")
    parser.add_argument("--plot", type=Path, help="file for the plot of --growth and --sizes")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result: dict[str, Any] = {"machine": machine(), "graph": given.graph.name}
    realistic(given, 1_000, str(given.graph))  # compiles where it has to
    graph = read_graph(given.graph).graph
    result["light"] = run_light(given, graph)
    result["realistic"] = summary_of([realistic(given, given.payments, str(given.graph)) for _ in range(given.repeat)])
    if given.growth:
        listed = (light_pairs(graph, count, given.seed) for count in GROWTH)
        result["growth_light"] = grown([run_light_once(given, graph, pairs) for pairs in listed])
        result["growth"] = grown([realistic(given, count, str(given.graph)) for count in GROWTH])
    if given.sizes:
        result["sizes"] = {str(nodes): realistic(given, SIZE_PAYMENTS, f"synthetic:{nodes}") for nodes in SIZES}
    if given.plot is not None:
        plot(result, given.plot)
    print(json.dumps(result, indent=2)) if given.json else report(result)


if __name__ == "__main__":
    main()
