"""Parse a JSON document of foreign origin within bounds."""

from typing import Any

import orjson

from lightninglens.core.errors import DataError

MAX_CONTAINERS = 20_000_000
"""Objects and arrays in one document. A describegraph at our limits has 12 million;
empty ones take 2 bytes of text but 64 bytes of memory."""

MAX_VALUES = 150_000_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_json(data: bytearray) -> Any:
    """Return the parsed document.

    Raises:
        DataError: it is not JSON, is cut off, is nested deeper than the parser
            goes (1,024), or has more parts than any graph.
    """
    if data.count(b"{") + data.count(b"[") > MAX_CONTAINERS or data.count(b",") > MAX_VALUES:
        raise DataError("too large: the document has more parts than any graph within the limits")
    if data.startswith(_BYTE_ORDER_MARK):
        del data[: len(_BYTE_ORDER_MARK)]
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        ending = "; the file is cut off" if "end of data" in error.msg else ""
        raise DataError(
            f"not valid JSON: {error.msg}{ending}", where=f"line {error.lineno} column {error.colno}"
        ) from None
