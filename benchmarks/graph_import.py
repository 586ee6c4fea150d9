"""Measure how long a graph takes to import: each repeat is a fresh process, from start to end.

    python benchmarks/graph_import.py graph.json.gz [--repeats 7]

prints JSON: the machine, and for each form of the same graph the wall seconds
of a whole process (interpreter, imports, reading), of the reading alone, and
the peak of resident memory. The forms are the given file, and what `lens graph
convert` makes of it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lightninglens.storage.files.graphs import GraphFormat, read_graph, write_graph

PROBE = """
import json, sys, time
from pathlib import Path
from lightninglens.storage.files.graphs import read_graph
start = time.perf_counter()
graph = read_graph(Path(sys.argv[1])).graph
read_s = time.perf_counter() - start
# VmHWM belongs to this program; getrusage would also count the parent before exec.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak_rss_mb = int(status["VmHWM"].split()[0]) // 1024
print(json.dumps({"read_s": read_s, "channels": graph.channel_count, "peak_rss_mb": peak_rss_mb}))
"""


def measure(path: Path, repeats: int) -> dict[str, Any]:
    """Return what reading `path` costs, over `repeats` processes."""
    process_s, probes = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        command = [sys.executable, "-c", PROBE, str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        process_s.append(time.perf_counter() - start)
        probes.append(json.loads(done.stdout))
    return {
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "channels": probes[0]["channels"],
        "process_s": spread(process_s),
        "read_s": spread([probe["read_s"] for probe in probes]),
        "peak_rss_mb": max(probe["peak_rss_mb"] for probe in probes),
    }


def spread(seconds: list[float]) -> dict[str, float]:
    """Return least, middle and most."""
    return {
        "min": round(min(seconds), 3),
        "median": round(statistics.median(seconds), 3),
        "max": round(max(seconds), 3),
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def main() -> None:
    """Print the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    found = read_graph(options.graph)
    with tempfile.TemporaryDirectory() as folder:
        forms = {"given": options.graph}
        for name, format_ in (
            ("graph.json", GraphFormat.LND),
            ("graph.json.zst", GraphFormat.LND),
            ("graph.parquet", GraphFormat.PARQUET),
        ):
            forms[name] = Path(folder) / name
            write_graph(found.graph, forms[name], format_, origin=found.origin)
        results = {name: measure(path, options.repeats) for name, path in forms.items()}
    print(json.dumps({"machine": machine(), "repeats": options.repeats, "forms": results}, indent=2))


if __name__ == "__main__":
    main()
