"""Training a first model in a process of its own, while the service already works.

Run as a module it trains in simulated labs, keeps the model in the registry and
writes one JSON object per line: `{"progress": "..."}`, at last `{"model": "..."}`
or `{"problem": "..."}`.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lightninglens.core.clock import SystemClock
from lightninglens.core.errors import LensError

NICE = 10
_MOST_LINE_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingLab:
    """The kind of lab that a first model learns in: the same as the one that runs."""

    topology: str = "built"
    opening: str = "opener"
    capacity_sat: int = 1_000_000
    demand: str = "roles"
    own_payment_worth_ppm: int = 0
    hours: float = 48.0
    worlds: int = 4


async def train_apart(directory: Path, lab: TrainingLab, progress: Callable[[str], None]) -> str:
    """Return the version of a new model in the registry at `directory`; cancelling ends the process.

    Raises LensError in the words of the process that failed.
    """
    command = [sys.executable, "-m", __name__, "--directory", str(directory), "--topology", lab.topology]
    command += ["--opening", lab.opening, "--capacity-sat", str(lab.capacity_sat), "--demand", lab.demand]
    command += ["--hours", str(lab.hours), "--worlds", str(lab.worlds)]
    command += ["--own-payment-worth-ppm", str(lab.own_payment_worth_ppm)]
    nothing = asyncio.subprocess.DEVNULL
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=nothing, stdout=pipe, stderr=nothing, limit=_MOST_LINE_BYTES
    )
    problem = "the process that trains has ended without a word"
    try:
        while process.stdout is not None and (line := await process.stdout.readline()):
            said = _said(line)
            if "model" in said:
                return said["model"]
            problem = said.get("problem", problem)
            if "progress" in said:
                progress(said["progress"])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    raise LensError(problem)


def _said(line: bytes) -> dict[str, str]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else {}


def _train(arguments: argparse.Namespace) -> str:
    from lightninglens.lab.learning.bootstrap import (  # noqa: PLC0415 - slow to import, and only the child trains
        FIRST_SEED,
        SimulatedLab,
        train_in_simulation,
    )
    from lightninglens.learn.dataset import DatasetOptions  # noqa: PLC0415
    from lightninglens.sim.demand import named_demand  # noqa: PLC0415
    from lightninglens.storage.models import ModelStore  # noqa: PLC0415

    lab = SimulatedLab(
        drawn=arguments.topology == "drawn",
        balanced=arguments.opening == "balanced",
        capacity_sat=arguments.capacity_sat,
        demand=named_demand(arguments.demand, lab=True),
        demand_name="everyday" if arguments.demand == "roles" else arguments.demand,
    )
    model = train_in_simulation(
        created_ns=SystemClock().now_ns(),
        hours=arguments.hours,
        seeds=tuple(range(FIRST_SEED, FIRST_SEED + arguments.worlds)),
        lab=lab,
        options=DatasetOptions(own_payment_worth_ppm=arguments.own_payment_worth_ppm),
        command="lens up",
        progress=lambda text: _say({"progress": text}),
    )
    ModelStore(arguments.directory).save(model.card, model.estimators)
    return model.card.version


def _say(message: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description="Train a first model in simulated labs.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--topology", choices=("built", "drawn"), default="built")
    parser.add_argument("--opening", choices=("opener", "balanced"), default="opener")
    parser.add_argument("--capacity-sat", type=int, default=1_000_000)
    parser.add_argument("--demand", default="roles")
    parser.add_argument("--own-payment-worth-ppm", type=int, default=0)
    parser.add_argument("--hours", type=float, default=48.0)
    parser.add_argument("--worlds", type=int, default=4)
    arguments = parser.parse_args()
    os.nice(NICE)
    try:
        _say({"model": _train(arguments)})
    except LensError as problem:
        _say({"problem": str(problem)})
        return 1
    except Exception as problem:  # noqa: BLE001 - the service that waits for this must hear why it ended
        _say({"problem": f"unexpected {type(problem).__name__}: {problem}; a bug in LightningLens"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
