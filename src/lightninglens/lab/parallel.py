"""Seeds in parallel processes, one world each, until they are done or somebody stops them."""

import itertools
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TypeVar

Options = TypeVar("Options")
Result = TypeVar("Result")

_POLL_S = 0.2


def in_processes(
    work: Callable[[Options, int], Result],
    options: Options,
    seeds: Iterable[int],
    processes: int,
    stopped: Callable[[], bool],
) -> Iterator[tuple[int, Result]]:
    """Yield (seed, what `work` returned for it) as they are done; `work` is a function of a module.

    `stopped` is asked now and then; when it says so, no seed is begun any more.
    """
    if processes <= 1:
        for seed in seeds:
            if stopped():
                return
            yield seed, work(options, seed)
        return
    # Not forked: the caller may have threads, and compiled code does not survive a fork of those.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_ignore_interrupts) as pool:
        left = iter(seeds)
        running: dict[Future[Result], int] = {}
        try:
            while True:
                for seed in itertools.islice(left, 0 if stopped() else processes - len(running)):
                    running[pool.submit(work, options, seed)] = seed
                if not running:
                    return
                for future in wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            for future in running:
                future.cancel()


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that began it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
