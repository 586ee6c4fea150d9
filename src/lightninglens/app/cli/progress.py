"""Long work that shows how far it is and ends early on Ctrl-C, keeping what was done."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

Interruptible = tuple[Callable[[int, int], None], Callable[[], bool]]
"""What tells of progress (done, total), and what says whether to stop."""


@contextmanager
def interruptible(what: str, total: int, *, quiet: bool, greeting: str, farewell: str) -> Iterator[Interruptible]:
    """Yield a progress callback and a question whether to stop; Ctrl-C and SIGTERM make it say yes.

    Unless quiet, `greeting` is said once Ctrl-C is heeded, and a bar is drawn on a
    terminal; `farewell` is what is said when stopping.
    """
    signalled: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        signalled.append(number)
        # Not through the buffered stream: the signal may have interrupted a write to it.
        os.write(sys.stderr.fileno(), f"{farewell}\n".encode())

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if not quiet:
            typer.echo(greeting, err=True)
        if quiet or not sys.stderr.isatty():
            yield (lambda _done, _total: None), (lambda: bool(signalled))
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=total)
            yield (lambda done, _total: bar.update(task, completed=done)), (lambda: bool(signalled))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
