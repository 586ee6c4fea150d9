"""The compiler of the kernels, with a cache that notices every change.

Numba's own cache looks only at the file that a function stands in: after an
update of a function that it calls in another file, it would go on running the
old machine code. Here the cache's place is named after the contents of all
kernel modules, so an update compiles anew, and a second start does not.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba as nb
import numpy as np
import platformdirs

_PACKAGE = Path(__file__).parents[1]
_F = TypeVar("_F", bound=Callable[..., Any])


def _fingerprint() -> str:
    digest = hashlib.sha256(nb.__version__.encode())
    # Of packages that have kernels beside much else, only the modules with kernels count.
    for folder, names in (("core", "*"), ("routing", "*"), ("sim", "*"), ("analytics", "_*"), ("learn", "_*")):
        for path in sorted((_PACKAGE / folder).rglob(f"{names}.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_directory() -> Path:
    """Return where the machine code of this version of the kernels is kept."""
    return Path(platformdirs.user_cache_dir("lightninglens")) / "kernels" / _fingerprint()


_settings: Any = nb.config
if not _settings.CACHE_DIR:
    _settings.CACHE_DIR = str(cache_directory())
if _settings.DISABLE_JIT:
    np.seterr(over="ignore")  # hashes wrap around on purpose; machine code does so without a warning


def is_cached() -> bool:
    """Say whether the event loop, the largest kernel, has been compiled for this version."""
    return any(Path(_settings.CACHE_DIR).rglob("_events.run-*.nbi"))


_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False}
"""Without reference counts: a kernel allocates nothing, so nothing needs to be freed (docs/adr/0043). Where a kernel
does allocate, Numba refuses to compile it."""


def kernel(function: _F) -> _F:
    """Compile a function of arrays and scalars; it takes no objects, allocates nothing and raises nothing."""
    return cast("_F", nb.njit(cache=True, **_OPTIONS)(function))


def inlined(function: _F) -> _F:
    """Compile a function into the kernels that call it.

    For functions that take the whole state of the engine: compiled by itself,
    each would take seconds only to unpack it.
    """
    return cast("_F", nb.njit(inline="always", **_OPTIONS)(function))
