"""Where an interrupted run stands, in one file of plain arrays: nothing in it is ever executed."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.records import STRICT
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.codec import from_json, to_json

CHECKPOINT_FORMAT = "lightninglens/checkpoint/1"
CHECKPOINT = "checkpoint.zip"
_FACTS = "checkpoint.json"
_MAX_BYTES = 16 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedArray:
    """One array of a checkpoint, and the hash of its file."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFacts:
    """What a checkpoint says of itself."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = CHECKPOINT_FORMAT
    lightninglens: str
    """The version that made it; another one may decide differently, so it does not go on from here."""
    arrays: tuple[SealedArray, ...]


def write_checkpoint(path: Path, arrays: Mapping[str, NDArray[Any]], *, version: str) -> None:
    """Write arrays; raises DataError when the file cannot be written."""
    packed = {name: _packed(array) for name, array in sorted(arrays.items())}
    sealed = (SealedArray(name=name, sha256=hashlib.sha256(data).hexdigest()) for name, data in packed.items())
    facts = CheckpointFacts(lightninglens=version, arrays=tuple(sealed))
    with atomic_writer(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(_FACTS, to_json(facts))
        for name, data in packed.items():
            archive.writestr(f"{name}.npy", data)


def read_checkpoint(path: Path, *, version: str) -> dict[str, NDArray[Any]]:
    """Return the arrays; raises DataError when the file is missing, damaged, or of another version."""
    if not path.is_file():
        raise DataError("there is no checkpoint here: only a run that was stopped leaves one", where=str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
                raise DataError("it would unpack to more than 16 GiB", where=str(path))
            facts = from_json(CheckpointFacts, archive.read(_FACTS), where=str(path))
            _check_version(facts, version, path)
            return {sealed.name: _unpacked(archive.read(f"{sealed.name}.npy"), sealed) for sealed in facts.arrays}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise DataError(f"this checkpoint is damaged ({error})", where=str(path)) from None


def _check_version(facts: CheckpointFacts, version: str, path: Path) -> None:
    if facts.lightninglens != version:
        raise DataError(
            f"it was made by lightninglens {facts.lightninglens} and this is {version}, which may decide otherwise:"
            " run the scenario anew",
            where=str(path),
        )


def _packed(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _unpacked(data: bytes, sealed: SealedArray) -> NDArray[Any]:
    if hashlib.sha256(data).hexdigest() != sealed.sha256:
        raise ValueError(f"the hash of {sealed.name} is not the one written down")
    array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array
