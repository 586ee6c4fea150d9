"""Records as JSON, and their schemas: one place that reads and writes every JSON format.

Ids of channels are strings (`800000x1x0`); other integers stay integers.
Reading is strict: an unknown key, a missing one or a wrong type is a DataError
that names the place.
"""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from lightninglens.core.errors import DataError

T = TypeVar("T")

MAX_JSON_BYTES = 64 * 1024 * 1024


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """Return the JSON schema of a record."""
    return _adapter(kind).json_schema()


def to_json(record: Any) -> bytes:
    """Return a record as indented JSON; the same record gives the same bytes."""
    return _adapter(type(record)).dump_json(record, indent=2) + b"\n"


def from_json(kind: type[T], data: bytes, *, where: str) -> T:
    """Read a record.

    Raises:
        DataError: the data is no JSON, too long, of another version, or not of the format.
    """
    if len(data) > MAX_JSON_BYTES:
        raise DataError(f"{len(data):,} bytes are more than this format can need", where=where)
    try:
        record: T = _adapter(kind).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(first["msg"], where=f"{where}: {place}" if place else where) from None
    expected = getattr(kind, "__dataclass_fields__", {}).get("format")
    if expected is not None and getattr(record, "format", None) != expected.default:
        found = json.loads(data).get("format")
        raise DataError(f"this is {found!r}, and {expected.default!r} is needed", where=where)
    return record


def read_record(kind: type[T], path: Path) -> T:
    """Read a record from a file; raises DataError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(error.strerror or str(error), where=str(path)) from None
    return from_json(kind, data, where=str(path))
