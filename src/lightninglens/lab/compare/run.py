"""A comparison from its options: worlds in parallel processes, one seed at a time with all its strategies."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lightninglens.lab.compare.ceiling import Ceiling
from lightninglens.lab.compare.options import CompareOptions
from lightninglens.lab.compare.report import Comparison, summarise
from lightninglens.lab.compare.strategies import LEARNED, NONE, load_strategy
from lightninglens.lab.compare.world import WorldResult, measure_ceiling, run_world
from lightninglens.lab.parallel import in_processes

Progress = Callable[[int, int], None]
"""Called with seeds done and seeds in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """All strategies of one world."""

    worlds: tuple[WorldResult, ...]
    ceiling: Ceiling


def compare(
    options: CompareOptions,
    *,
    processes: int = 2,
    progress: Progress = lambda _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Run all worlds and return what can be said about the strategies; `none` is always among them.

    `stopped` is asked now and then; when it says so, the worlds under way are
    finished and the comparison is of the seeds that are done.

    Raises:
        ConfigError: a strategy does not exist.
        LensError: somebody's own strategy failed.
    """
    names = _names(options)
    for name in names:
        if name != LEARNED:
            load_strategy(name)
    seeds = list(options.seed_numbers())
    done: dict[int, SeedResult] = {}
    work = partial(_run_named, names)
    for seed, result in in_processes(work, options, seeds, min(processes, len(seeds)), stopped):
        done[seed] = result
        progress(len(done), len(seeds))
    return summarise(
        # A model is told by its version, which is the directory's name, not by where it lay.
        replace(options, model=options.model and Path(options.model).name),
        worlds=tuple(world for seed in sorted(done) for world in done[seed].worlds),
        ceilings=tuple(done[seed].ceiling for seed in sorted(done)),
        complete=len(done) == len(seeds),
    )


def run_seed(options: CompareOptions, names: tuple[str, ...], seed: int) -> SeedResult:
    """Return what all strategies do in the world of one seed."""
    worlds = tuple(run_world(options, seed, name, _maker(name, options.model)) for name in names)
    return SeedResult(worlds=worlds, ceiling=measure_ceiling(options, seed))


def _run_named(names: tuple[str, ...], options: CompareOptions, seed: int) -> SeedResult:
    return run_seed(options, names, seed)


def _names(options: CompareOptions) -> tuple[str, ...]:
    """Return the strategies, `none` first: the others are measured against it."""
    return (NONE, *(name for name in options.strategies if name != NONE))


_makers: dict[tuple[str, str | None], Any] = {}


def _maker(name: str, model: str | None) -> Any:
    """Return a strategy's maker, loaded once per process."""
    if (name, model) not in _makers:
        _makers[name, model] = load_strategy(name, model=None if model is None else lambda: _read_model(Path(model)))
    return _makers[name, model]


def _read_model(directory: Path) -> Any:
    from lightninglens.learn.training import TrainedModel  # noqa: PLC0415 - scikit-learn is slow to import
    from lightninglens.storage.models import read_model  # noqa: PLC0415

    card, estimators, _ = read_model(directory)
    return TrainedModel(card=card, estimators=estimators)
