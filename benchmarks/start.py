"""How long a command takes that has nothing to do: whole processes, beside Python alone.

python benchmarks/start.py [--repeat 20] [--json]
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from measuring import machine, spread

LIMIT_S = 0.3
COMMANDS = {
    "python": ("-c", "pass"),
    "lens --help": ("-m", "lightninglens", "--help"),
    "lens --version": ("-m", "lightninglens", "--version"),
    "lens sim --help": ("-m", "lightninglens", "sim", "--help"),
    "lens node --help": ("-m", "lightninglens", "node", "--help"),
}


def seconds_of(arguments: tuple[str, ...]) -> float:
    """Return the wall time of one process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result: dict[str, Any] = {"machine": machine(), "limit_s": LIMIT_S}
    # In turns, so that a busy moment of the machine falls on all of them.
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(given.repeat):
        for name, arguments in COMMANDS.items():
            seconds[name].append(seconds_of(arguments))
    result["seconds"] = {name: spread(values) for name, values in seconds.items()}
    if given.json:
        print(json.dumps(result, indent=2))
        return
    print(result["machine"])
    for name, found in result["seconds"].items():
        print(f"{name:18} {found['median']:.3f} s ({found['min']:.3f} to {found['max']:.3f})")


if __name__ == "__main__":
    main()
