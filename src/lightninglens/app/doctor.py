"""What is wrong with this set-up, in words: one finding per check, each with what to do."""

import os
import re
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

import platformdirs

from lightninglens.app.config import LoadedSettings, load_settings
from lightninglens.app.running import find_running
from lightninglens.app.secrets import OTHERS, read_secret
from lightninglens.core.clock import Clock
from lightninglens.core.errors import ConfigError, LensError
from lightninglens.core.units import NS_PER_SECOND

Status = Literal["ok", "warn", "fail"]

GIB = 1 << 30
MIB = 1 << 20
PYTHON_MIN, PYTHON_END = (3, 11), (3, 14)
DISK_FAIL_BYTES, DISK_WARN_BYTES = 200 * MIB, 2 * GIB
MEMORY_WARN_BYTES = 1 * GIB
RELEASED_NS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_SECOND
CHROMIUM = Path("/usr/bin/chromium")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found, and what to do about it."""

    check: str
    status: Status
    detail: str
    advice: str = ""


def examine(config_file: Path | None, clock: Clock) -> Iterator[Finding]:
    """Yield one finding per check; nothing is changed on the machine."""
    yield check_python()
    yield check_packages()
    yield check_numba_cache()
    try:
        loaded = load_settings(config_file=config_file)
    except ConfigError as problem:
        yield Finding(
            check="settings", status="fail", detail=str(problem), advice="correct it; the rest is not checked"
        )
        return
    yield Finding(check="settings", status="ok", detail=f"file: {loaded.file or 'none, all defaults'}")
    checks: tuple[Callable[[LoadedSettings], Finding], ...] = (check_data_directory, check_token, check_disk)
    for check in checks:
        yield check(loaded)
    service, feed = loaded.settings.service, loaded.settings.feed
    yield check_port(loaded, "service", service.host, service.port)
    yield check_port(loaded, "feed", feed.host, feed.port)
    yield check_memory(Path("/proc/meminfo"))
    yield check_clock(clock)
    yield check_chromium(CHROMIUM)


def check_python() -> Finding:
    """Check the interpreter's version."""
    shown = f"{sys.version.split()[0]} ({sys.executable})"
    if PYTHON_MIN <= sys.version_info[:2] < PYTHON_END:
        return Finding(check="python", status="ok", detail=shown)
    return Finding(check="python", status="fail", detail=shown, advice="use Python 3.11, 3.12 or 3.13")


def check_packages() -> Finding:
    """Check that every package this one needs is installed."""
    names = [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in metadata.requires("lightninglens") or ()]
    missing = [name for name in names if not _installed(name)]
    if missing:
        advice = "run `python3 dev.py up`, or install LightningLens again"
        return Finding(check="packages", status="fail", detail=f"missing: {', '.join(missing)}", advice=advice)
    shown = ", ".join(f"{name} {metadata.version(name)}" for name in ("lightninglens", "numba", "numpy", "fastapi"))
    return Finding(check="packages", status="ok", detail=f"{len(names)} installed ({shown})")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def check_numba_cache() -> Finding:
    """Check that compiled kernels can be kept between runs."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    place = Path(named) if named else platformdirs.user_cache_path("lightninglens") / "kernels"
    if os.access(_nearest_existing(place), os.W_OK):
        return Finding(check="compile cache", status="ok", detail=f"writable: {place}")
    advice = "set NUMBA_CACHE_DIR to a directory you can write; otherwise every start compiles for a minute"
    return Finding(check="compile cache", status="warn", detail=f"not writable: {place}", advice=advice)


def check_data_directory(loaded: LoadedSettings) -> Finding:
    """Check that the data directory is ours alone and writable."""
    path = loaded.settings.data.dir
    if not path.exists():
        parent = _nearest_existing(path)
        if os.access(parent, os.W_OK):
            return Finding(check="data directory", status="ok", detail=f"{path} will be made")
        advice = "set data.dir in lens.toml, or LENS_DATA_DIR"
        return Finding(check="data directory", status="fail", detail=f"{parent} is not writable", advice=advice)
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        advice = "set data.dir in lens.toml, or LENS_DATA_DIR"
        return Finding(check="data directory", status="fail", detail=f"{path} cannot be written", advice=advice)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        detail = f"{path} is open to others (mode {mode:04o})"
        return Finding(check="data directory", status="warn", detail=detail, advice=f"chmod 700 {path}")
    return Finding(check="data directory", status="ok", detail=str(path))


def check_token(loaded: LoadedSettings) -> Finding:
    """Check that the token file, if one is named, can be used."""
    path = loaded.settings.service.token_file
    if path is None:
        return Finding(check="token", status="ok", detail="kept in the data directory")
    try:
        read_secret(path)
    except LensError as problem:
        return Finding(check="token", status="fail", detail=str(problem), advice="mend the file, or unset token_file")
    return Finding(check="token", status="ok", detail=f"readable by its owner only: {path}")


def check_port(loaded: LoadedSettings, section: str, host: str, port: int) -> Finding:
    """Check that a port can be listened on, or is held by our own lab."""
    name = f"port {port} ({section})"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            lab = find_running(loaded.settings.data.dir)
            if lab is not None:
                return Finding(check=name, status="ok", detail=f"held by the running lab (process {lab.pid})")
            detail = f"{host}:{port}: {problem.strerror}"
            advice = f"end what uses it (`ss -ltnp`), or set {section}.port in lens.toml"
            return Finding(check=name, status="fail", detail=detail, advice=advice)
    return Finding(check=name, status="ok", detail=f"free on {host}")


def check_disk(loaded: LoadedSettings) -> Finding:
    """Check the space left where the data directory is."""
    place = _nearest_existing(loaded.settings.data.dir)
    free = shutil.disk_usage(place).free
    status: Status = "fail" if free < DISK_FAIL_BYTES else "warn" if free < DISK_WARN_BYTES else "ok"
    advice = "" if status == "ok" else "make room, or set data.dir to another disk"
    return Finding(check="disk", status=status, detail=f"{free / GIB:.1f} GiB free at {place}", advice=advice)


def check_memory(meminfo: Path) -> Finding:
    """Check the memory that is available (Linux)."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is None:
        return Finding(check="memory", status="ok", detail="not told by this system")
    available = int(found[1]) * 1024
    if available < MEMORY_WARN_BYTES:
        advice = "the lab needs about 0.6 GiB, a simulation of the whole network more"
        return Finding(check="memory", status="warn", detail=f"{available / GIB:.1f} GiB available", advice=advice)
    return Finding(check="memory", status="ok", detail=f"{available / GIB:.1f} GiB available")


def check_clock(clock: Clock) -> Finding:
    """Check that the system's clock is not plainly wrong."""
    now_ns = clock.now_ns()
    shown = datetime.fromtimestamp(now_ns // NS_PER_SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now_ns < RELEASED_NS:
        advice = "set the clock (timedatectl set-ntp true): records would be dated wrongly"
        return Finding(check="clock", status="fail", detail=f"{shown} is before this program existed", advice=advice)
    return Finding(check="clock", status="ok", detail=shown)


def check_chromium(path: Path) -> Finding:
    """Tell whether the browser that tests use is there; nothing else needs it."""
    if path.exists():
        return Finding(check="chromium", status="ok", detail=f"{path} (for browser tests only)")
    detail = "absent: browser tests are skipped, nothing else needs it (Debian: apt install chromium)"
    return Finding(check="chromium", status="ok", detail=detail)


def _nearest_existing(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if place.exists())
