"""Records as JSON, and their schemas: one place that reads and writes every JSON format.

Ids of channels are strings (`800000x1x0`), and so are times in ns, which are
beyond what a reader with float64 numbers keeps; other integers stay integers.
Reading is strict: an unknown key, a missing one or a wrong type is a DataError
that names the place.
"""

import json
import re
from collections.abc import Callable
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


_NANOSECONDS = "_ns"
_NS_TEXT = re.compile(r"-?\d{1,19}")


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """Return the JSON schema of a record."""
    schema: dict[str, Any] = _walk(_adapter(kind).json_schema(), _ns_schema)
    return schema


def to_json(record: Any) -> bytes:
    """Return a record as indented JSON; the same record gives the same bytes."""
    plain = _adapter(type(record)).dump_python(record, mode="json")
    return json.dumps(_walk(plain, _ns_to_text), indent=2).encode() + b"\n"


def _walk(value: Any, change: Callable[[str, Any], Any]) -> Any:
    """Return a JSON value with every member of every object passed through `change`."""
    if isinstance(value, dict):
        return {key: change(key, _walk(member, change)) for key, member in value.items()}
    if isinstance(value, list):
        return [_walk(member, change) for member in value]
    return value


def _ns_schema(key: str, member: Any) -> Any:
    if key.endswith(_NANOSECONDS) and isinstance(member, dict):
        return {"title": member.get("title", key), "type": "string", "pattern": f"^{_NS_TEXT.pattern}$"}
    return member


def _ns_to_text(key: str, member: Any) -> Any:
    return str(member) if key.endswith(_NANOSECONDS) and isinstance(member, int) else member


def _ns_from_text(key: str, member: Any) -> Any:
    if not key.endswith(_NANOSECONDS):
        return member
    if isinstance(member, str) and _NS_TEXT.fullmatch(member):
        return int(member)
    raise ValueError(f"{key} must be a time in ns as a string of digits, not {str(member)[:40]!r}")


def from_json(kind: type[T], data: bytes, *, where: str) -> T:
    """Read a record.

    Raises:
        DataError: the data is no JSON, too long, of another version, or not of the format.
    """
    if len(data) > MAX_JSON_BYTES:
        raise DataError(f"{len(data):,} bytes are more than this format can need", where=where)
    try:
        plain = _walk(json.loads(data), _ns_from_text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not readable as JSON: {error}", where=where) from None
    _check_format(kind, plain, where)
    try:
        record: T = _adapter(kind).validate_json(json.dumps(plain))
    except ValidationError as error:
        first = _most_telling(error)
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(first["msg"], where=f"{where}: {place}" if place else where) from None
    return record


def _most_telling(error: ValidationError) -> Any:
    """Return the first fault, leaving out the kinds of a choice that the data did not name."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    not_meant = [fault["loc"][:-1] for fault in faults if fault["type"] == "literal_error"]
    meant = [fault for fault in faults if not any(fault["loc"][: len(other)] == other for other in not_meant)]
    return (meant or faults)[0]


def _check_format(kind: type[Any], plain: Any, where: str) -> None:
    expected = getattr(kind, "__dataclass_fields__", {}).get("format")
    found = plain.get("format") if isinstance(plain, dict) else None
    if expected is not None and found != expected.default:
        raise DataError(f"this is {str(found)[:60]!r}, and {expected.default!r} is needed", where=where)


def read_record(kind: type[T], path: Path) -> T:
    """Read a record from a file; raises DataError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(error.strerror or str(error), where=str(path)) from None
    return from_json(kind, data, where=str(path))
