"""Read the settings from lens.toml, the environment and the command line, and remember where each came from.

The command line wins over the environment (`LENS_SERVICE_PORT`), which wins
over the file. Nothing unknown is accepted: a misspelt key would otherwise
change nothing, silently.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from lightninglens.app.settings import Settings, known_keys
from lightninglens.core.errors import ConfigError

FILE_NAME = "lens.toml"
MAX_FILE_BYTES = 1 << 20
ENV_PREFIX = "LENS_"

Nested = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """The settings in effect, the file they were read from (if any), and the origin of each."""

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]
    """By dotted key, for example `service.port`."""


def load_settings(
    *,
    config_file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> LoadedSettings:
    """Return the settings in effect.

    Args:
        config_file: a file to read; without it, the first that `find_file` finds.
        overrides: options of the command line by dotted key; None means not given.

    Raises:
        ConfigError: a file, key or value is wrong; the text says which, where, and what it may be.
    """
    file = find_file(config_file)
    text = _read(file) if file else ""
    layers: list[tuple[str, Nested]] = [
        (str(file), _parse(file, text) if file else {}),
        ("environment", _from_environment()),
        ("command line", _from_options(overrides or {})),
    ]
    merged: Nested = {}
    origins = {f"{section}.{key}": "default" for section, keys in known_keys().items() for key in keys}
    for origin, layer in layers:
        for section, values in layer.items():
            merged.setdefault(section, {}).update(values)
            for key in values:
                origins[f"{section}.{key}"] = origin
    try:
        settings = Settings(**merged)  # type: ignore[arg-type]  # pydantic checks the sections
    except ValidationError as problem:
        raise ConfigError(_explain(problem, origins, file, text)) from None
    return LoadedSettings(settings=settings, file=file, origins=origins)


def find_file(config_file: Path | None = None) -> Path | None:
    """Return the file to read: the one given, $LENS_CONFIG, ./lens.toml, or the user's own; None where there is none.

    Raises ConfigError when a file that was named does not exist.
    """
    named = config_file or (Path(os.environ["LENS_CONFIG"]) if os.environ.get("LENS_CONFIG") else None)
    if named is not None:
        named = named.expanduser()
        if not named.is_file():
            by = "--config" if config_file else "LENS_CONFIG"
            raise ConfigError(f"{named}: no such file (named by {by})")
        return named
    places = (Path(FILE_NAME), platformdirs.user_config_path("lightninglens") / FILE_NAME)
    return next((place.resolve() for place in places if place.is_file()), None)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read: {problem.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{file}: larger than {MAX_FILE_BYTES} bytes, so not a settings file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{file}: is not UTF-8 text (byte {problem.start})") from None


def _parse(file: Path, text: str) -> Nested:
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise ConfigError(f"{file}: is not valid TOML: {problem}") from None
    known = known_keys()
    for section, content in values.items():
        if section not in known:
            raise ConfigError(f"{_place(file, text, section)}: unknown section [{section}]{_nearest(section, known)}")
        if not isinstance(content, dict):
            raise ConfigError(f"{_place(file, text, section)}: {section} must be a section: write [{section}]")
        for key in content:
            if key not in known[section]:
                where = _place(file, text, section, key)
                raise ConfigError(f"{where}: unknown key {key!r} in [{section}]{_nearest(key, known[section])}")
    return values


def _from_environment() -> Nested:
    known = known_keys()
    for name in os.environ:
        section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("_")
        if name.startswith(ENV_PREFIX) and section in known and key and key not in known[section]:
            names = [f"{ENV_PREFIX}{section}_{other}".upper() for other in known[section]]
            raise ConfigError(f"environment: unknown setting {name}{_nearest(name, names)}")
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as problem:
        raise ConfigError(f"environment: {problem}; set one key each, for example LENS_SERVICE_PORT=3000") from None


def _from_options(overrides: Mapping[str, Any]) -> Nested:
    values: Nested = {}
    for dotted, value in overrides.items():
        if value is not None:
            section, _, key = dotted.partition(".")
            values.setdefault(section, {})[key] = value
    return values


def _nearest(word: str, candidates: Iterable[str]) -> str:
    choices = list(candidates)
    close = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(choices)}"


def _place(file: Path, text: str, section: str, key: str = "") -> str:
    """Return `file, line N` of a section or key; only the file where the line cannot be told."""
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([^\]]+?)\s*\]", line):
            current = header[1].strip("\"'")
            if not key and current.partition(".")[0] == section:
                return f"{file}, line {number}"
        name = re.match(r"""\s*["']?([\w.-]+)["']?\s*=""", line)
        path = f"{current}.{name[1]}" if name and current else (name[1] if name else "")
        if path and (path == f"{section}.{key}" if key else path.partition(".")[0] == section):
            return f"{file}, line {number}"
    return str(file)


def _place_in_list(file: Path, text: str, dotted: str, index: int) -> str:
    """Return `file, line N` of the table `[[dotted]]` at an index; only the file where the line cannot be told."""
    header = re.compile(rf"\s*\[\[\s*{re.escape(dotted)}\s*\]\]")
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if header.match(line)]
    return f"{file}, line {lines[index]}" if index < len(lines) else str(file)


def _explain(problem: ValidationError, origins: Mapping[str, str], file: Path | None, text: str) -> str:
    first = problem.errors(include_url=False, include_context=False)[0]
    section, *rest = (str(part) for part in first["loc"])
    key = rest[0] if rest else ""
    dotted = f"{section}.{key}"
    origin = origins.get(dotted, "command line")
    inner = rest[1:]
    if file is not None and origin == str(file):
        where = _place_in_list(file, text, dotted, int(inner[0])) if inner else _place(file, text, section, key)
    elif origin == "environment":
        where = f"environment {ENV_PREFIX}{section}_{key}".upper().replace("ENVIRONMENT", "environment", 1)
    else:
        where = origin
    dotted += "".join(f"[{int(part) + 1}]" if part.isdecimal() else f".{part}" for part in inner)
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {problem.error_count() - 1} more)" if problem.error_count() > 1 else ""
    return f"{where}: {dotted}: {message[:1].lower()}{message[1:]}, not {first['input']!r}{more}"
