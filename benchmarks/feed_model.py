"""Whether a model on the feed does better than none: the lab with and without it, in the same worlds, paired.

    python benchmarks/feed_model.py --model examples/suggest.py --seeds 20 --hours 6 --speed 600 --out measured.json

For each seed the service runs twice as a process of its own, with its real feed; once the model's process is connected
to it. Prints JSON: success, volume and net with 95 % intervals over seeds. At a speed of 600 the lab takes steps of
30 s of its time, so that a model hears of a change half a minute late at worst, as long as the machine keeps up.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lightninglens.analytics.comparison import paired_difference

MEASURES = {
    "success_points": lambda stats: 100 * stats["succeeded"] / stats["payments"],
    "delivered_sat": lambda stats: stats["volume_msat"] / 1_000,
    "net_sat": lambda stats: (stats["fees_msat"] - stats["rebalance_cost_msat"]) / 1_000,
}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def run_lab(given: argparse.Namespace, seed: int, model: Path | None) -> dict[str, Any]:
    """Run one world to its end and return the service's closing statistics."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, feed_port = free_port(), free_port()
        command = [sys.executable, "-m", "lightninglens", "up", "--headless", "--no-record", "--json"]
        command += ["--demand", given.demand, "--seed", str(seed), "--duration", str(given.hours * 3_600)]
        # Without a model nobody reacts, so its world may run as fast as it can: the same seed gives the same payments.
        command += ["--speed", str(given.speed if model else 10_000), "--snapshot-every", "0"]
        command += ["--port", str(port), "--feed-port", str(feed_port), "--data-dir", str(folder / "data")]
        lab = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert lab.stdout is not None
        started = None
        ended: dict[str, Any] = {}
        late = 0
        for line in lab.stdout:
            message = json.loads(line)
            if message["type"] == "listening" and model is not None:
                started = subprocess.Popen([sys.executable, str(model), message["data"]["feed"]])
            late += message["type"] == "alert" and "late" in message["data"]["text"]
            if message["type"] == "ended":
                ended = message["data"]
        if started is not None:
            started.terminate()
            started.wait()
    if not ended:
        raise SystemExit(f"the lab of seed {seed} did not end as it should")
    return {"seed": seed, "late": late, **ended}


def main() -> None:
    """Run all worlds and print what the model made of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[1] / "examples/suggest.py")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--speed", type=float, default=600.0)
    parser.add_argument("--demand", default="settlements")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    jobs = [(seed, model) for seed in seeds for model in (None, given.model)]
    with ThreadPoolExecutor(given.at_once) as pool:
        results = list(pool.map(lambda job: run_lab(given, *job), jobs))
    without, with_model = results[0::2], results[1::2]
    found = {
        "model": given.model.name,
        "demand": given.demand,
        "seeds": [seeds[0], seeds[-1]],
        "hours": given.hours,
        "speed": given.speed,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "differences": {
            name: dataclasses.asdict(paired_difference([of(run) for run in with_model], [of(run) for run in without]))
            for name, of in MEASURES.items()
        },
        "success_without": sum(MEASURES["success_points"](run) for run in without) / len(without),
        "rebalances": sum(run["rebalances"] for run in with_model),
        "rebalance_cost_sat": sum(run["rebalance_cost_msat"] for run in with_model) / 1_000,
        "worlds_late": sum(bool(run["late"]) for run in with_model),
        "worlds": [{"without": one, "with": other} for one, other in zip(without, with_model, strict=True)],
    }
    text = json.dumps(found, indent=2) + "\n"
    if given.out is not None:
        given.out.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
