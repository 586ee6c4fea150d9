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
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from cloth import ClothWork, run_cloth
from measuring import cpu_s, machine, spread
from numpy.typing import NDArray

from lightninglens.analytics.components import strong_components
from lightninglens.core.rng import Stream, uniforms
from lightninglens.routing import PathFinder, RouteQueries, SearchMethod
from lightninglens.storage.files.graphs import read_graph

DECADES_SAT = (1_000, 10_000, 100_000, 1_000_000)
CHUNK = 100_000
CLOTH_MSAT = 100_000
CLOTH_PAYMENTS = 1_000


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
    start_ms = 1_000 * np.arange(CLOTH_PAYMENTS)
    peer_work = ClothWork(
        work.graph, work.nodes, work.balance_msat, queries.sender, queries.receiver, amounts, start_ms
    )
    peer = run_cloth(given.cloth, peer_work, seed=given.seed)
    finder = work.finder()
    finder.find_many(queries, method=SearchMethod.DIRECTED)
    repeats = 20
    begun = cpu_s()
    for _ in range(repeats):
        answers = finder.find_many(queries, method=SearchMethod.DIRECTED)
    ours_s = (cpu_s() - begun) / repeats
    return {
        "cloth": peer,
        "amount_msat": CLOTH_MSAT,
        "routable_share": round(float((answers.routes.hops > 0).mean()), 4),
        "directed_routes_per_cpu_s_without_start_up": round(CLOTH_PAYMENTS / ours_s),
        "ratio": round(peer["cpu_s"] / ours_s, 1),
    }


def run_child(given: argparse.Namespace, what: str, queries: int) -> dict[str, Any]:
    """Run one part of the benchmark in a process of its own."""
    command = [sys.executable, __file__, "--graph", str(given.graph), "--child", what, "--queries", str(queries)]
    command += ["--seed", str(given.seed), "--per-tree", str(given.per_tree), "--sample", str(given.sample)]
    if given.cloth is not None:
        command += ["--cloth", str(given.cloth)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


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
