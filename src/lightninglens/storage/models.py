"""The registry of models: one directory per version, and nothing in it that could run.

models/
  selected                      the version in use, one line
  20261120T101500Z-3f9a1c/
    manifest.json               SHA-256 of every other file
    card.json                   what it is, what it learned from, how good it was
    share.skops ...             one file per estimator
    online.json                 state of the learner that goes on, where there is one
"""

import hashlib
import io
import json
import os
import re
import secrets
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from lightninglens.core.errors import ConfigError, DataError, LensError
from lightninglens.core.model_card import ModelCard
from lightninglens.core.records import STRICT
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.private import private_directory, private_file

FOLDER = "models"
FILES_FORMAT = "lightninglens/model-files/1"
MANIFEST, CARD, ONLINE, SELECTED = "manifest.json", "card.json", "online.json", "selected"
ALLOWED_TYPES = ("numpy.dtype",)
"""What may be in a model besides what skops holds to be safe: a dtype is read from an array's header. Trees are not
among it: scikit-learn follows the indices in a tree's nodes unchecked, so a file could make it read anywhere."""
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_UNPACKED_BYTES = 1024 * 1024 * 1024

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_-]{1,16}){0,3}")
_ESTIMATOR = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ZIP_START = b"PK\x03\x04"
_PACKED_STARTS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x5d\x00\x00")
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".pck", ".sav")
_PICKLE = (
    "this is a pickle or joblib file, and no such file is ever opened: opening one runs whatever code its author"
    " put there. Train a model here (`lens learn pipeline`), or take over one that was saved by LightningLens"
    " (a directory with card.json and *.skops)"
)

Loaded = tuple[ModelCard, Mapping[str, Any], Mapping[str, Any] | None]
"""A model: its card, its estimators by name, and the state of its online learner if it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The files of a model with the hashes that prove them unchanged."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = FILES_FORMAT
    version: str
    sha256: Mapping[str, str]


def version_name(created_ns: int, data_sha256: str) -> str:
    """Return the version of a model made now from this data, like `20261120T101500Z-3f9a1c`."""
    moment = datetime.fromtimestamp(created_ns // NS_PER_SECOND, UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{data_sha256[:6]}"


class ModelStore:
    """Models below one directory, which is made when the first is saved."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def save(self, card: ModelCard, estimators: Mapping[str, Any], online: Mapping[str, Any] | None = None) -> Path:
        """Write a model and return its directory, which appears when it is whole; raises DataError, LensError."""
        target = self.directory / _checked_version(card.version)
        private_directory(self.directory)
        if target.exists():
            raise DataError("there is such a model already; a version is never overwritten", where=str(target))
        made = private_directory(self.directory / f".{card.version}.{secrets.token_hex(4)}.tmp")
        try:
            _write_model(made, card, estimators, online)
            made.rename(target)
            _flush(self.directory)
        except OSError as problem:
            raise DataError(f"cannot be written: {problem.strerror or problem}", where=str(target)) from None
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return target

    def load(self, version: str) -> Loaded:
        """Return a model with everything checked; raises DataError."""
        return read_model(self._existing(version))

    def open(self, name: str) -> Loaded:
        """Return the model that `name` means: a version here, or the path of a model's directory.

        Raises:
            ConfigError: there is no such model; the text names those that there are.
            DataError: it is damaged, or a file of a kind that is never opened.
        """
        path = Path(name)
        if path.is_dir() and (path / MANIFEST).is_file():
            return read_model(path)
        if path.is_file() or path.suffix.lower() in _PICKLE_SUFFIXES:
            _refuse_file(path)
        return self.load(name)

    def card(self, version: str) -> ModelCard:
        """Return a model's card, without reading its estimators; raises DataError."""
        directory = self._existing(version)
        return _card(directory, _manifest(directory))

    def cards(self) -> list[ModelCard]:
        """Return the cards of all models that are whole, newest first; `damaged` names the others."""
        return self._survey()[0]

    def damaged(self) -> Mapping[str, str]:
        """Return why a model cannot be used, by version."""
        return self._survey()[1]

    def selected(self) -> str | None:
        """Return the version that was chosen, or None where none was; raises DataError when it is no version."""
        try:
            text = (self.directory / SELECTED).read_bytes()[:256].decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise DataError(problem.strerror or str(problem), where=str(self.directory / SELECTED)) from None
        if not _VERSION.fullmatch(text):
            raise DataError(
                "it holds no version of a model; `lens learn models use VERSION` writes it anew",
                where=str(self.directory / SELECTED),
            )
        return text

    def select(self, version: str) -> None:
        """Choose the model that is used from now on; raises ConfigError when there is none, DataError if damaged."""
        self.load(version)
        with atomic_writer(self.directory / SELECTED) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(f"{version}\n".encode())

    def _survey(self) -> tuple[list[ModelCard], dict[str, str]]:
        cards, damaged = [], {}
        for directory in sorted(self.directory.glob("[!.]*/")):
            try:
                cards.append(_card(directory, _manifest(directory)))
            except LensError as problem:
                damaged[directory.name] = str(problem)
        return sorted(cards, key=lambda card: (card.created_ns, card.version), reverse=True), damaged

    def _existing(self, version: str) -> Path:
        directory = self.directory / _checked_version(version)
        if not directory.is_dir():
            there = ", ".join(card.version for card in self.cards()) or "none yet (`lens learn train` makes one)"
            raise ConfigError(f"there is no model {version!r} in {self.directory}; there are: {there}")
        return directory


def read_model(directory: Path) -> Loaded:
    """Return the model in a directory: hashes, kinds of files, types and trees are checked; raises DataError."""
    manifest = _manifest(directory)
    card = _card(directory, manifest)
    estimators = {}
    online: Mapping[str, Any] | None = None
    for name in sorted(manifest.sha256):
        path = directory / name
        if name == ONLINE:
            online = _read_online(_read(path, manifest), path)
        elif name != CARD:
            estimators[path.stem] = _read_estimator(_read(path, manifest), path)
    return card, estimators, online


def looks_pickled(data: bytes, name: str = "") -> bool:
    """Tell whether bytes are, as far as can be told, a pickle of any protocol or what joblib writes."""
    if data.startswith(_PACKED_STARTS) or Path(name).suffix.lower() in _PICKLE_SUFFIXES:
        return True
    # From protocol 2 on a pickle begins with PROTO; 0 and 1 have no mark, but all end with STOP.
    return data[:1] == b"\x80" or (data[-1:] == b"." and not data[:16].lstrip().startswith((b"{", _ZIP_START)))


def _checked_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise ConfigError(f"{version[:80]!r} is no name of a model: letters, digits, '-', '_' and single dots")
    return version


def _refuse_file(path: Path) -> None:
    """Say why a file is no model; raises DataError, or ConfigError when there is no such file."""
    if not path.is_file():
        raise ConfigError(
            f"{path}: no such file, and no pickle or joblib file is ever opened: name a version or a model's directory"
        )
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if looks_pickled(start, path.name):
        raise DataError(_PICKLE, where=str(path))
    raise DataError("a model is a directory with card.json, not a single file", where=str(path))


def _write_model(
    directory: Path, card: ModelCard, estimators: Mapping[str, Any], online: Mapping[str, Any] | None
) -> None:
    from skops.io import dumps, get_untrusted_types  # noqa: PLC0415 - slow to import, and listing needs it not

    files = {CARD: to_json(card)}
    for name, estimator in estimators.items():
        if not _ESTIMATOR.fullmatch(name):
            raise DataError(f"an estimator cannot be called {name[:60]!r}", where=card.version)
        files[f"{name}.skops"] = dumps(estimator)
        try:
            _check_types(get_untrusted_types(data=files[f"{name}.skops"]))
        except ValueError as problem:
            raise DataError(f"the estimator {name} cannot be kept: {problem}", where=card.version) from None
    if online is not None:
        files[ONLINE] = json.dumps(online, allow_nan=False, sort_keys=True, indent=1).encode() + b"\n"
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    files[MANIFEST] = to_json(ModelFiles(version=card.version, sha256=hashes))
    for name, data in files.items():
        with private_file(directory / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    _flush(directory)


def _flush(directory: Path) -> None:
    """Bring the names in a directory to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _manifest(directory: Path) -> ModelFiles:
    path = directory / MANIFEST
    manifest = from_json(ModelFiles, _bytes(path), where=str(path))
    if CARD not in manifest.sha256:
        raise DataError(f"it does not list {CARD}", where=str(path))
    for name in manifest.sha256:
        if Path(name).suffix.lower() in _PICKLE_SUFFIXES:
            raise DataError(_PICKLE, where=f"{path}: {name[:80]}")
        stem, _, kind = name.partition(".")
        if name not in {CARD, ONLINE} and not (kind == "skops" and _ESTIMATOR.fullmatch(stem)):
            raise DataError(f"{name[:80]!r} is no file of a model", where=str(path))
    return manifest


def _card(directory: Path, manifest: ModelFiles) -> ModelCard:
    card = from_json(ModelCard, _read(directory / CARD, manifest), where=str(directory / CARD))
    if card.version != manifest.version:
        raise DataError(
            f"the card is of {card.version[:80]!r}, the manifest of {manifest.version[:80]!r}", where=str(directory)
        )
    return card


def _read(path: Path, manifest: ModelFiles) -> bytes:
    data = _bytes(path)
    if path.suffix == ".skops" and looks_pickled(data):
        raise DataError(_PICKLE, where=str(path))
    if hashlib.sha256(data).hexdigest() != manifest.sha256[path.name]:
        raise DataError("it was changed after it was saved: its hash is not the manifest's", where=str(path))
    return data


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise DataError(problem.strerror or str(problem), where=str(path)) from None
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"it is larger than {MAX_FILE_BYTES:,} bytes, and so no part of a model", where=str(path))
    return data


def _read_online(data: bytes, path: Path) -> Mapping[str, Any]:
    try:
        state = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise DataError(f"not readable as JSON: {problem}", where=str(path)) from None
    if not isinstance(state, dict):
        raise DataError("it is no JSON object", where=str(path))
    return state


def _read_estimator(data: bytes, path: Path) -> Any:
    from skops.io import get_untrusted_types, loads  # noqa: PLC0415 - slow to import, and listing needs it not

    try:
        _check_unpacked_size(data)
        _check_types(get_untrusted_types(data=data))
        return loads(data, trusted=list(ALLOWED_TYPES))
    except Exception as problem:  # noqa: BLE001 - a damaged file may fail anywhere inside of the library
        reason = str(problem)[:200] or type(problem).__name__
        raise DataError(f"it is no estimator that can be used: {reason}", where=str(path)) from None


def _check_unpacked_size(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        unpacked = sum(member.file_size for member in packed.infolist())
    if unpacked > MAX_UNPACKED_BYTES:
        raise ValueError(f"unpacked it would be {unpacked:,} bytes")


def _check_types(untrusted: Iterable[str]) -> None:
    unknown = sorted(set(untrusted) - set(ALLOWED_TYPES))
    if unknown:
        raise ValueError(f"it holds {', '.join(unknown)}, and nothing of such a type is ever loaded")
