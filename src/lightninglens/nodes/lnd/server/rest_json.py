"""JSON as LND's REST proxy writes and reads it: protobuf's JSON with the contract's names, and nothing left out.

64-bit numbers are strings, enums names, bytes base64. A field that has not been
set is there with its zero, a message as null; only what is optional is left out.
"""

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from lightninglens.nodes.lnd.server.refusals import Refusal, invalid

MessageType = TypeVar("MessageType", bound=Message)

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_LONG = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
_FLOATS = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}


def to_json(message: Message) -> Any:
    """Return a message as what `json.dumps` takes."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if _is_map(field):
            found[field.name] = _map(field, getattr(message, field.name))
        elif field.is_repeated:
            found[field.name] = [_value(field, one) for one in getattr(message, field.name)]
        elif field.has_presence and not message.HasField(field.name):
            if field.message_type is not None and field.containing_oneof is None:
                found[field.name] = None
        else:
            found[field.name] = _value(field, getattr(message, field.name))
    return found


def to_text(value: Any) -> bytes:
    """Return JSON as Go writes it, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _is_map(field: Any) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _map(field: Any, entries: Mapping[Any, Any]) -> dict[str, Any]:
    value = field.message_type.fields_by_name["value"]
    return {str(key): _value(value, entries[key]) for key in sorted(entries)}


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return to_json(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    if field.cpp_type in _LONG:
        return str(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return _number(value) if field.cpp_type in _FLOATS else value


def _number(value: float) -> float | int | str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return int(value) if value == int(value) else value


def read_body(data: bytes, message: MessageType) -> MessageType:
    """Fill a message from a request's body; raises Refusal in the proxy's way."""
    if not data.strip():
        return message
    try:
        parsed = json.loads(data)
        if not isinstance(parsed, dict):
            raise ValueError("syntax error: an object is expected")  # noqa: TRY301, TRY004 - told as any other
        json_format.ParseDict(parsed, message)
    except (json_format.ParseError, ValueError, RecursionError) as problem:
        raise invalid(f"proto: {_first_line(problem)}") from None
    return message


def _first_line(problem: Exception) -> str:
    return str(problem).partition("\n")[0][:200] or type(problem).__name__


def fill_field(message: Message, name: str, texts: Iterable[str]) -> None:
    """Set a field by its dotted name from what a path or a query says; unknown names are skipped, as by the proxy.

    Raises Refusal when the text is none of the field's values.
    """
    *parents, last = name.split(".")
    for parent in parents:
        field = message.DESCRIPTOR.fields_by_name.get(parent)
        if field is None or field.message_type is None or field.is_repeated:
            return
        message = getattr(message, parent)
        message.SetInParent()
    found = message.DESCRIPTOR.fields_by_name.get(last) or message.DESCRIPTOR.fields_by_camelcase_name.get(last)
    if found is None or found.message_type is not None:
        return
    values = [_parse(found, text) for text in texts]
    if found.is_repeated:
        getattr(message, found.name).extend(values)
    else:
        setattr(message, found.name, values[-1])


def _parse(field: Any, text: str) -> Any:
    try:
        return _parsed(field, text)
    except (ValueError, KeyError, binascii.Error, OverflowError):
        raise Refusal(f"type mismatch, parameter: {field.name}, error: cannot parse {text[:100]!r}", _INVALID) from None


_INVALID = invalid("").code


def _parsed(field: Any, text: str) -> Any:
    if field.enum_type is not None:
        by_name = field.enum_type.values_by_name.get(text)
        return by_name.number if by_name is not None else field.enum_type.values_by_number[int(text)].number
    if field.cpp_type in _INTEGERS:
        number = int(text)
        low, high = _range(field)
        if not low <= number <= high:
            raise OverflowError
        return number
    if field.cpp_type in _FLOATS:
        return float(text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}[text.lower()]
    if field.type == FieldDescriptor.TYPE_BYTES:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    return text


def _range(field: Any) -> tuple[int, int]:
    bits = 64 if field.cpp_type in _LONG else 32
    if field.cpp_type in {FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}:
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
