"""How long `lens sim run` takes as a whole process: wall and processor seconds, memory, with their spread.

    python benchmarks/simulation.py --graph graph.json.gz --payments 20000 --repeat 3

Prints JSON. Processor time includes start-up, reading the graph, and writing run and report; the first repetition may
compile the kernels and is listed apart.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def measure(graph: str, payments: int, seed: int) -> dict[str, Any]:
    """Run once and return what it took and what it found."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lightninglens", "sim", "run", "--graph", graph, "--payments", str(payments)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--seed", str(seed), "--out", str(Path(folder) / "run"), "--json"],
            check=True,
            capture_output=True,
            text=True,
        )
        wall_s = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        summary = json.loads(done.stdout)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {key: summary[key] for key in ("success_rate", "attempts_mean", "events", "conservation_drift_msat")}
    return {"wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2), "peak_rss_mb": summary["peak_rss_mb"], **found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", default="synthetic:1000")
    parser.add_argument("--payments", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    first = measure(given.graph, given.payments, given.seed)
    rest = [measure(given.graph, given.payments, given.seed) for _ in range(given.repeat)]
    spread = {
        key: {
            "min": min(run[key] for run in rest),
            "median": statistics.median(run[key] for run in rest),
            "max": max(run[key] for run in rest),
        }
        for key in ("wall_s", "cpu_s", "peak_rss_mb")
    }
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "load_average": os.getloadavg()}
    facts = {"graph": given.graph, "payments": given.payments, "seed": given.seed, **machine}
    print(json.dumps({**facts, "first": first, "warm": spread, "runs": rest}, indent=2))


if __name__ == "__main__":
    main()
