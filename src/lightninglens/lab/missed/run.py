"""The truth table from its options: worlds one by one, in parallel processes where there are some."""

from collections.abc import Callable

from lightninglens.core.clock import Stopwatch
from lightninglens.lab.missed.options import MissedOptions
from lightninglens.lab.missed.report import MissedTruth, scores_of
from lightninglens.lab.missed.world import ChannelCase, run_seed
from lightninglens.lab.parallel import in_processes

Progress = Callable[[int, int], None]


def hold_against_truth(
    options: MissedOptions,
    *,
    processes: int = 2,
    progress: Progress = lambda _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> MissedTruth:
    """Run all worlds and return how well missed revenue was estimated in them.

    `stopped` is asked now and then; when it says so, the worlds under way are
    finished and the answer is of the seeds that are done.
    """
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    done: dict[int, tuple[list[ChannelCase], float]] = {}
    for seed, result in in_processes(_timed, options, seeds, min(processes, len(seeds)), stopped):
        done[seed] = result
        progress(len(done), len(seeds))
    cases = tuple(case for seed in sorted(done) for case in done[seed][0])
    return MissedTruth(
        options=options,
        complete=len(done) == len(seeds),
        seeds=len(done),
        cases=cases,
        scores=scores_of(cases),
        cpu_s=round(sum(cpu_s for _, cpu_s in done.values()), 1),
    )


def _timed(options: MissedOptions, seed: int) -> tuple[list[ChannelCase], float]:
    watch = Stopwatch()
    return run_seed(options, seed), watch.cpu_s()
