"""The records of a gossip_store: found and checked in compiled code, read out by column."""

from dataclasses import dataclass
from typing import Any, Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError

HEADER_BYTES: Final = 12
_COMPLETED_BIT: Final = 0x2000
_FIRST_COMPLETED_VERSION: Final = 15
_CRC32C_POLYNOMIAL: Final = 0x82F63B78

_DONE: Final = 0
_UNFINISHED: Final = 1
_CUT: Final = 2
_CHECKSUM: Final = 3
_NO_TYPE: Final = 4
_HOLE: Final = 5

_PROBLEMS: Final = {
    _CUT: "the record is cut off: the file ends in the middle of it",
    _CHECKSUM: "the record's checksum is wrong: the file is damaged",
    _NO_TYPE: "the record is too short to hold a message: the file is damaged",
    _HOLE: "the record is marked unfinished, but others follow it: the file is damaged",
}


@dataclass(frozen=True, slots=True)
class Records:
    """Columns of records; `offset` is where the message starts."""

    data: NDArray[np.uint8]
    number_in_file: NDArray[np.int64]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    flags: NDArray[np.int64]
    kind: NDArray[np.int64]

    def only(self, keep: NDArray[np.bool_]) -> "Records":
        """Return the records where `keep` is true."""
        return Records(
            self.data,
            self.number_in_file[keep],
            self.offset[keep],
            self.length[keep],
            self.flags[keep],
            self.kind[keep],
        )

    def place(self, row: int) -> str:
        """Return where a record is, for people."""
        return _place(int(self.number_in_file[row]), int(self.offset[row]) - HEADER_BYTES)

    def message(self, row: int) -> bytes:
        """Return one record's message."""
        start = int(self.offset[row])
        return self.data[start : start + int(self.length[row])].tobytes()

    def number(self, rows: NDArray[np.int64], at: int | NDArray[np.int64], width: int) -> NDArray[np.int64]:
        """Return the big-endian numbers `at` bytes into the messages; above 2**63 they come out negative."""
        position = self.offset[rows] + at
        value = np.zeros(len(rows), np.int64)
        for byte in range(width):
            value = (value << 8) | self.data[position + byte]
        return value

    def hexadecimal(self, rows: NDArray[np.int64], at: int | NDArray[np.int64], width: int) -> list[str]:
        """Return `width` bytes of each message in hex digits."""
        position = (self.offset[rows] + at)[:, np.newaxis] + np.arange(width)
        text = self.data[position].tobytes().hex()
        return [text[start : start + 2 * width] for start in range(0, len(text), 2 * width)]


def _place(number: int, offset: int) -> str:
    return f"record {number} at byte {offset}"


def scan(data: bytearray, version: int) -> tuple[Records, int]:
    """Return all finished records of a store, and how many unfinished ones end it (0 or 1).

    Raises:
        DataError: a record is cut off or damaged; the text names it.
    """
    contents = np.frombuffer(data, np.uint8)
    has_completed_bit = version >= _FIRST_COMPLETED_VERSION
    columns = np.empty((4, len(contents) // (HEADER_BYTES + 2) + 1), np.int64)
    count, state, position = _scan(contents, has_completed_bit, _crc32c_table(), columns)
    if state in _PROBLEMS:
        raise DataError(_PROBLEMS[state], where=_place(count, position))
    if count == 0:
        raise DataError("a gossip_store without a single complete record", where="byte 1")
    offset, length, flags, kind = columns[:, :count].copy()
    return Records(contents, np.arange(count), offset, length, flags, kind), int(state == _UNFINISHED)


def _crc32c_table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_CRC32C_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


@nb.njit(cache=True)
def _be(data: Any, position: Any, width: Any) -> Any:
    value = np.uint32(0)
    for byte in range(width):
        value = (value << np.uint32(8)) | np.uint32(data[position + byte])
    return np.uint32(value)


@nb.njit(cache=True)
def _crc32c(data: Any, start: Any, stop: Any, seed: Any, table: Any) -> Any:
    crc = ~np.uint32(seed)
    for position in range(start, stop):
        crc = table[(crc ^ data[position]) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return ~np.uint32(crc)


@nb.njit(cache=True)
def _scan(data: Any, has_completed_bit: Any, table: Any, out: Any) -> Any:
    """Fill offset, length, flags and type of each record; return count, state and where it stopped."""
    size = data.shape[0]
    position = 1
    count = 0
    while position < size:
        completed = not has_completed_bit or (data[position] & (_COMPLETED_BIT >> 8)) != 0
        if position + HEADER_BYTES > size:
            return count, (_CUT if completed else _UNFINISHED), position
        flags = _be(data, position, 2)
        length = np.int64(_be(data, position + 2, 2))
        start = position + HEADER_BYTES
        if not completed:
            return count, (_UNFINISHED if start + length >= size else _HOLE), position
        if start + length > size:
            return count, _CUT, position
        if length < 2:
            return count, _NO_TYPE, position
        # A deleted record's bytes are of no use to anyone, as for gossmap.
        if (flags & np.uint32(0x8000)) == 0:
            expected = _be(data, position + 4, 4)
            if _crc32c(data, start, start + length, _be(data, position + 8, 4), table) != expected:
                return count, _CHECKSUM, position
        out[0, count] = start
        out[1, count] = length
        out[2, count] = flags
        out[3, count] = _be(data, start, 2)
        count += 1
        position = start + length
    return count, _DONE, position
