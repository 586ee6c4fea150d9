"""Compiling the simulator before it is first used, in a process of its own.

Compiling takes half a minute and hundreds of megabytes, which go with that
process; the service meanwhile answers, and is stopped without waiting.
"""

import asyncio
import subprocess
import sys

from lightninglens.app.world import WorldOptions, build_lab
from lightninglens.core.jit import is_cached

_POLL_S = 0.1


async def compile_apart() -> None:
    """Return when the kernels are in the cache; cancelling ends the compiling process.

    Where it fails, the kernels are compiled when they are used, as without it.
    """
    if is_cached():
        return
    process = _start()
    try:
        while process.poll() is None:  # noqa: ASYNC110 - there is no event to wait for, and no hurry
            await asyncio.sleep(_POLL_S)
    finally:
        process.kill()
        process.wait()


def _start() -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    command = [sys.executable, "-m", __name__]
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)  # noqa: S603 - our own module


if __name__ == "__main__":
    build_lab(WorldOptions())
