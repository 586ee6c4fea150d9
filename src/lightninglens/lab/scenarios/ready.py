"""The scenarios that come with the product."""

from difflib import get_close_matches
from pathlib import Path
from typing import Final

from lightninglens.core.errors import ConfigError

_READY: Final = ("lab-day", "mainnet-coffee", "drain-to-exchange", "circulation-only", "payment-list")
_FOLDER = Path(__file__).parent


def ready_names() -> tuple[str, ...]:
    """Return the names of the ready scenarios, which are those of their files."""
    return _READY


def ready_file(name: str) -> Path:
    """Return the file of a ready scenario; raises ConfigError that lists the names."""
    if name not in _READY:
        near = get_close_matches(name, _READY, n=1)
        meant = f" (is {near[0]!r} meant?)" if near else ""
        raise ConfigError(f"{name!r} is no scenario file and no ready scenario{meant}; there are {', '.join(_READY)}")
    return _FOLDER / f"{name}.toml"
