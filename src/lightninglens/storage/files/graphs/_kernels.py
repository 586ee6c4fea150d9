"""Compiled loops over the bytes of a gossip_store."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.jit import kernel

HEADER_BYTES: Final = 12
_CRC32C_POLYNOMIAL: Final = 0x82F63B78

DONE: Final = 0
UNFINISHED: Final = 1
CUT: Final = 2
CHECKSUM: Final = 3
NO_TYPE: Final = 4
HOLE: Final = 5

_COMPLETED: Final = 0x20
"""The completed bit, in the first byte of the flags."""


def crc32c_table() -> NDArray[np.uint32]:
    """Return the remainders of all bytes, for `crc32c`."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_CRC32C_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


@kernel
def _big_endian(data: Any, position: Any, width: Any) -> Any:
    value = np.uint32(0)
    for byte in range(width):
        value = (value << np.uint32(8)) | np.uint32(data[position + byte])
    return np.uint32(value)


@kernel
def crc32c(data: Any, start: Any, stop: Any, seed: Any, table: Any) -> Any:
    """Return the CRC-32C of data[start:stop], continued from `seed` (0 for a new one)."""
    crc = ~np.uint32(seed)
    for position in range(start, stop):
        crc = table[(crc ^ data[position]) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return ~np.uint32(crc)


@kernel
def scan_records(data: Any, has_completed_bit: Any, table: Any, out: Any) -> Any:
    """Fill offset, length, flags and type of each record; return count, state and where it stopped."""
    size = data.shape[0]
    position = 1
    count = 0
    while position < size:
        completed = not has_completed_bit or (data[position] & _COMPLETED) != 0
        if position + HEADER_BYTES > size:
            return count, (CUT if completed else UNFINISHED), position
        flags = _big_endian(data, position, 2)
        length = int(_big_endian(data, position + 2, 2))
        start = position + HEADER_BYTES
        if not completed:
            return count, (UNFINISHED if start + length >= size else HOLE), position
        if start + length > size:
            return count, CUT, position
        if length < 2:
            return count, NO_TYPE, position
        # A deleted record's bytes are of no use to anyone, as for gossmap.
        if (flags & np.uint32(0x8000)) == 0:
            expected = _big_endian(data, position + 4, 4)
            if crc32c(data, start, start + length, _big_endian(data, position + 8, 4), table) != expected:
                return count, CHECKSUM, position
        out[0, count] = start
        out[1, count] = length
        out[2, count] = flags
        out[3, count] = _big_endian(data, start, 2)
        count += 1
        position = start + length
    return count, DONE, position
