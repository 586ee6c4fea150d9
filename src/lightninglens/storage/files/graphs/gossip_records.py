"""The records of a gossip_store: found and checked in compiled code, read out by column."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.storage.files.graphs import _kernels
from lightninglens.storage.files.graphs._kernels import HEADER_BYTES

_FIRST_COMPLETED_VERSION: Final = 15

_PROBLEMS: Final = {
    _kernels.CUT: "the record is cut off: the file ends in the middle of it",
    _kernels.CHECKSUM: "the record's checksum is wrong: the file is damaged",
    _kernels.NO_TYPE: "the record is too short to hold a message: the file is damaged",
    _kernels.HOLE: "the record is marked unfinished, but others follow it: the file is damaged",
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
    count, state, position = _kernels.scan_records(contents, has_completed_bit, _kernels.crc32c_table(), columns)
    if state in _PROBLEMS:
        raise DataError(_PROBLEMS[state], where=_place(count, position))
    if count == 0:
        raise DataError("a gossip_store without a single complete record", where="byte 1")
    offset, length, flags, kind = columns[:, :count].copy()
    return Records(contents, np.arange(count), offset, length, flags, kind), int(state == _kernels.UNFINISHED)
