"""The simulator is compiled once, elsewhere, and nobody waits for it who wants to stop."""

import asyncio
from pathlib import Path

import pytest

from lightninglens.app import kernels
from lightninglens.core import jit


def processes_of_this_one() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended meanwhile
    return [line for line in found if "lightninglens.app.kernels" in line]


@pytest.mark.asyncio
async def test_nothing_is_started_when_the_kernels_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "is_cached", lambda: True)
    monkeypatch.setattr(kernels, "_start", None)
    await kernels.compile_apart()


@pytest.mark.asyncio
async def test_cancelling_ends_the_compiling_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernels, "is_cached", lambda: False)
    compiling = asyncio.create_task(kernels.compile_apart())
    while not processes_of_this_one():  # noqa: ASYNC110 - another process gives no event
        await asyncio.sleep(0.05)
    compiling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await compiling
    assert not processes_of_this_one()


def test_a_cache_is_empty_until_the_event_loop_is_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jit._settings, "CACHE_DIR", str(tmp_path))
    assert not jit.is_cached()
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "_events.run-280.py311.nbi").touch()
    assert jit.is_cached()
