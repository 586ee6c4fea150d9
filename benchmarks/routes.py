"""Exact routes per CPU second: the plain search, the directed one, and shared trees; every answer comparable.

    python benchmarks/routes.py --graph graph.json.gz --json
    python benchmarks/routes.py --graph graph.json.gz --queries 400000 --repeat 5 --cloth ../cloth/cloth

Random pairs of the largest strongly connected component, amounts log-uniform from 1,000 to 1,000,000 sat, balances
uniform, no memory of past results; routable or not, every query counts. With shared trees receiver and amount repeat
(--per-tree senders each), and there are ten times as many queries; the plain search gets the sample only. Each repeat
is a process of its own; its CPU seconds are user and system time of all threads, start-up (interpreter, imports,
reading the graph) included and also listed apart. The compile cache is warm. A sample is answered by the plain search
and by the others: any difference in outcome, channels, amounts, expiries or probability is counted, and ends the
benchmark with exit code 1.

--cloth runs CLoTH's binary (not part of this project) on the same network and 100 sat payments, beside the directed
search for the same pairs. CLoTH's figure is complete payments, of which the path search is nearly all.
"""

import argparse
import csv
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.components import strong_components
from lightninglens.core.rng import Stream, uniforms
from lightninglens.routing import PathFinder, RouteQueries, SearchMethod
from lightninglens.storage.files.graphs import read_graph

DECADES_SAT = (1_000, 10_000, 100_000, 1_000_000)
CHUNK = 100_000
CLOTH_MSAT = 100_000
CLOTH_PAYMENTS = 1_000
UNUSABLE_MIN_HTLC_MSAT = 10**15


class Workload:
    """The network, with random balances, and the queries."""

    def __init__(self, path: Path, seed: int) -> None:
        self.graph = read_graph(path).graph
        self.seed = seed
        usable = np.flatnonzero(self.graph.usable())
        sources, targets = self.graph.sources()[usable], self.graph.targets()[usable]
        component = strong_components(sources, targets, self.graph.node_count)
        self.nodes = np.flatnonzero(component == np.bincount(component).argmax())
        capacity = self.graph.capacity_sat.astype(np.int64) * 1_000
        self.balance_msat = np.zeros(2 * self.graph.channel_count, np.int64)
        self.balance_msat[0::2] = (capacity * self._draws(Stream.INITIAL_BALANCE, len(capacity))).astype(np.int64)
        self.balance_msat[1::2] = capacity - self.balance_msat[0::2]

    def finder(self) -> PathFinder:
        """Return a path finder in which nodes can spend their balances."""
        return PathFinder(self.graph, self.balance_msat)

    def _draws(self, stream: Stream, count: int) -> NDArray[np.float64]:
        return uniforms(self.seed, 0, stream, count)

    def _other_than(self, receivers: NDArray[np.int64]) -> NDArray[np.int64]:
        places = (self._draws(Stream.SENDER, len(receivers)) * len(self.nodes)).astype(np.int64)
        same = self.nodes[places] == receivers
        return self.nodes[(places + same) % len(self.nodes)]

    def queries(self, count: int, per_tree: int = 1) -> RouteQueries:
        """Draw queries; each receiver and amount is asked for by `per_tree` senders."""
        wanted = -(-count // per_tree)
        receivers = self.nodes[(self._draws(Stream.RECEIVER, wanted) * len(self.nodes)).astype(np.int64)]
        low, high = (np.log(sat * 1_000.0) for sat in (DECADES_SAT[0], DECADES_SAT[-1]))
        amounts = np.exp(low + (high - low) * self._draws(Stream.AMOUNT, wanted)).astype(np.int64)
        receivers, amounts = np.repeat(receivers, per_tree)[:count], np.repeat(amounts, per_tree)[:count]
        return RouteQueries.of(self._other_than(receivers), receivers, amounts)


def by_decade(queries: RouteQueries) -> Iterator[tuple[str, RouteQueries]]:
    """Yield the queries of each decade of amounts."""
    for low, high in pairwise(DECADES_SAT):
        rows = (queries.amount_msat >= low * 1_000) & (queries.amount_msat < high * 1_000)
        yield f"{low}-{high} sat", RouteQueries(*(column[rows] for column in queries))


def chunks(queries: RouteQueries) -> Iterator[RouteQueries]:
    """Yield the queries in parts that fit the memory."""
    for first in range(0, len(queries.sender), CHUNK):
        yield RouteQueries(*(column[first : first + CHUNK] for column in queries))


def cpu_s() -> float:
    """Return this process's user and system time so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def search(given: argparse.Namespace) -> dict[str, Any]:
    """Search everything by one method in this process and say what it took."""
    method = SearchMethod(given.child)
    work = Workload(given.graph, given.seed)
    finder = work.finder()
    queries = work.queries(given.queries, given.per_tree if method is SearchMethod.SHARED_TREES else 1)
    finder.find_many(RouteQueries(*(column[:1] for column in queries)), method=method)  # loads the compiled code
    start_up_s = cpu_s()
    decades = {}
    routable = from_trees = 0
    for name, part in by_decade(queries):
        before, found = cpu_s(), 0
        for some in chunks(part):
            answers = finder.find_many(some, method=method)
            found += int((answers.routes.hops > 0).sum())
            from_trees += answers.from_trees
        seconds = cpu_s() - before
        routable += found
        count = len(part.sender)
        decades[name] = {"queries": count, "routable": found, "routes_per_cpu_s": round(count / max(seconds, 1e-9))}
    total_s = cpu_s()
    return {
        "queries": given.queries,
        "routable_share": round(routable / given.queries, 4),
        "from_trees_share": round(from_trees / given.queries, 4),
        "start_up_cpu_s": round(start_up_s, 2),
        "search_cpu_s": round(total_s - start_up_s, 2),
        "routes_per_cpu_s": round(given.queries / total_s),
        "routes_per_cpu_s_without_start_up": round(given.queries / (total_s - start_up_s)),
        "by_decade": decades,
    }


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """Answer a sample by the plain search and by the others, and count what differs."""
    work = Workload(given.graph, given.seed + 1)
    finder = work.finder()
    checked = {}
    for method, per_tree in ((SearchMethod.DIRECTED, 1), (SearchMethod.SHARED_TREES, given.per_tree)):
        queries = work.queries(given.sample, per_tree)
        plain = finder.find_many(queries, method=SearchMethod.PLAIN)
        answers = finder.find_many(queries, method=method)
        checked[method.value] = {
            "queries": given.sample,
            "routable": int((plain.routes.hops > 0).sum()),
            "from_trees": answers.from_trees,
            "differ": len(plain.differences(answers)),
        }
    return checked


def beside_cloth(given: argparse.Namespace) -> dict[str, Any]:
    """Run CLoTH on the same network and pairs as the directed search, and return both rates."""
    work = Workload(given.graph, given.seed + 2)
    pairs = work.queries(CLOTH_PAYMENTS)
    amounts = np.full(CLOTH_PAYMENTS, CLOTH_MSAT)
    queries = RouteQueries.of(pairs.sender, pairs.receiver, amounts)
    with tempfile.TemporaryDirectory() as folder:
        write_cloth(Path(folder), work, queries)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "GSL_RNG_SEED": str(given.seed)}
        command = [str(Path(given.cloth).resolve()), f"{folder}/"]
        subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with (Path(folder) / "payments_output.csv").open() as file:
            rows = list(csv.DictReader(file))
    cloth_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    finder = work.finder()
    finder.find_many(queries, method=SearchMethod.DIRECTED)
    repeats = 20
    begun = cpu_s()
    for _ in range(repeats):
        answers = finder.find_many(queries, method=SearchMethod.DIRECTED)
    ours_s = (cpu_s() - begun) / repeats
    return {
        "payments": CLOTH_PAYMENTS,
        "amount_msat": CLOTH_MSAT,
        "cloth_success": round(sum(row["is_success"] == "1" for row in rows) / len(rows), 4),
        "cloth_attempts_mean": round(sum(int(row["attempts"]) for row in rows) / len(rows), 3),
        "routable_share": round(float((answers.routes.hops > 0).mean()), 4),
        "cloth_payments_per_cpu_s": round(CLOTH_PAYMENTS / cloth_s, 1),
        "directed_routes_per_cpu_s_without_start_up": round(CLOTH_PAYMENTS / ours_s),
        "ratio": round(cloth_s / ours_s, 1),
    }


def write_cloth(folder: Path, work: Workload, queries: RouteQueries) -> None:
    """Write the component as CLoTH's files; a direction that is not usable gets a minimum that nothing reaches."""
    graph, policies = work.graph, work.graph.policies
    number = np.full(graph.node_count, -1)
    number[work.nodes] = np.arange(len(work.nodes))
    usable = graph.usable()
    ends = number[graph.node1], number[graph.node2]
    channels = np.flatnonzero((ends[0] >= 0) & (ends[1] >= 0) & (usable[0::2] | usable[1::2]))
    write_rows(folder / "nodes.csv", "id", ((row,) for row in range(len(work.nodes))))
    write_rows(
        folder / "channels.csv",
        "id,edge1_id,edge2_id,node1_id,node2_id,capacity",
        (
            (row, 2 * row, 2 * row + 1, ends[0][c], ends[1][c], graph.capacity_sat[c] * 1_000)
            for row, c in enumerate(channels)
        ),
    )
    write_rows(
        folder / "edges.csv",
        "id,channel_id,counter_edge_id,from_node_id,to_node_id,balance,fee_base,fee_proportional,min_htlc,timelock",
        (
            (
                2 * row + side,
                row,
                2 * row + 1 - side,
                ends[side][c],
                ends[1 - side][c],
                work.balance_msat[2 * c + side],
                policies.base_fee_msat[2 * c + side],
                policies.fee_rate_ppm[2 * c + side],
                policies.min_htlc_msat[2 * c + side] if usable[2 * c + side] else UNUSABLE_MIN_HTLC_MSAT,
                policies.time_lock_delta_blocks[2 * c + side],
            )
            for row, c in enumerate(channels)
            for side in (0, 1)
        ),
    )
    write_rows(
        folder / "payments.csv",
        "id,sender_id,receiver_id,amount,start_time",
        (
            (row, number[queries.sender[row]], number[queries.receiver[row]], queries.amount_msat[row], 1_000 * row)
            for row in range(len(queries.sender))
        ),
    )
    settings = {
        "generate_network_from_file": "true",
        "nodes_filename": "nodes.csv",
        "channels_filename": "channels.csv",
        "edges_filename": "edges.csv",
        "n_additional_nodes": "",
        "n_channels_per_node": "",
        "capacity_per_channel": "",
        "faulty_node_probability": "0.0",
        "generate_payments_from_file": "true",
        "payments_filename": "payments.csv",
        "payment_rate": "",
        "n_payments": "",
        "average_payment_amount": "",
        "mpp": "0",
    }
    (folder / "cloth_input.txt").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))


def write_rows(path: Path, header: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """Write a CSV file."""
    with path.open("w") as file:
        file.write(header + "\n")
        file.writelines(",".join(str(value) for value in row) + "\n" for row in rows)


def run_child(given: argparse.Namespace, what: str, queries: int) -> dict[str, Any]:
    """Run one part of the benchmark in a process of its own."""
    command = [sys.executable, __file__, "--graph", str(given.graph), "--child", what, "--queries", str(queries)]
    command += ["--seed", str(given.seed), "--per-tree", str(given.per_tree), "--sample", str(given.sample)]
    if given.cloth is not None:
        command += ["--cloth", str(given.cloth)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def spread(values: list[float]) -> dict[str, float]:
    """Return least, middle and most."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        models = [
            line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line
        ]
        model = models[0] if models else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def report(result: dict[str, Any]) -> None:
    """Print what a person wants to read."""
    print(f"{result['machine']}, {result['wall_s']} s in all")
    for method, runs in result["methods"].items():
        with_start, without = runs["routes_per_cpu_s"], runs["routes_per_cpu_s_without_start_up"]
        print(
            f"{method:13} {with_start['median']:>9,.0f} routes per CPU second ({with_start['min']:,.0f} to "
            f"{with_start['max']:,.0f}); without start-up {without['median']:,.0f}; {runs['queries']:,} queries"
        )
        for decade, found in runs["runs"][0]["by_decade"].items():
            print(
                f"  {decade:20} {found['routes_per_cpu_s']:>9,}, {found['routable']:,} of {found['queries']:,} routable"
            )
    for method, checked in result["checked"].items():
        print(f"{method}: {checked['differ']} of {checked['queries']:,} answers differ from the plain search")
    if "cloth" in result:
        print(f"beside CLoTH: {result['cloth']}")


def main() -> int:
    """Measure, compare, print; return 1 if any answer differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=200_000)
    parser.add_argument("--sample", type=int, default=20_000, help="queries that the plain search answers too")
    parser.add_argument("--per-tree", type=int, default=200, help="senders that ask for the same receiver and amount")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cloth", type=Path, help="CLoTH's binary, built at -O3")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        part = {"compare": compare, "cloth": beside_cloth}.get(given.child, search)
        print(json.dumps(part(given)))
        return 0
    started = time.perf_counter()
    result: dict[str, Any] = {"machine": machine(), "graph": str(given.graph.name), "methods": {}}
    result["checked"] = run_child(given, "compare", 0)  # also compiles
    for method in SearchMethod:
        count = {SearchMethod.PLAIN: given.sample, SearchMethod.SHARED_TREES: 10 * given.queries}.get(
            method, given.queries
        )
        runs = [run_child(given, method.value, count) for _ in range(given.repeat)]
        rates = {
            key: spread([run[key] for run in runs])
            for key in ("routes_per_cpu_s", "routes_per_cpu_s_without_start_up", "start_up_cpu_s")
        }
        result["methods"][method.value] = {"queries": count, **rates, "runs": runs}
    if given.cloth is not None:
        result["cloth"] = run_child(given, "cloth", 0)
    result["wall_s"] = round(time.perf_counter() - started)
    print(json.dumps(result, indent=2)) if given.json else report(result)
    return int(any(checked["differ"] for checked in result["checked"].values()))


if __name__ == "__main__":
    sys.exit(main())
