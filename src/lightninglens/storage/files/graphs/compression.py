"""Read a file whole, unpacked when it is gzip or Zstandard, within bounds that a bomb cannot pass."""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import zstandard

from lightninglens.core.errors import DataError

MAX_UNPACKED_BYTES = 1 << 30
"""What a graph file may be at most, unpacked."""

MAX_RATIO = 100
"""Bytes that may come out per byte that went in; JSON of a graph has 6 to 12."""

RATIO_FREE_BYTES = 16 << 20
"""Output up to which the ratio does not matter: a small file may be monotonous."""

_READ_BYTES = 1 << 18
_GZIP_STEP_BYTES = 1 << 20
_ZSTD_STEP_BYTES = 512
"""Zstandard packs a block of 128 KiB into 4 bytes, and its streaming decoder
empties its whole input at once; 512 bytes can become 16 MiB, no more."""

_ZSTD_MAX_WINDOW_BYTES = 1 << 27


class Compression(StrEnum):
    """How a file was packed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"

    @classmethod
    def of(cls, start: bytes) -> "Compression":
        """Return the packing that a file with these first bytes has."""
        if start.startswith(b"\x1f\x8b"):
            return cls.GZIP
        if start.startswith(b"\x28\xb5\x2f\xfd"):
            return cls.ZSTD
        return cls.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedFile:
    """The contents of a file, and what it was on disk."""

    data: bytearray
    compression: Compression
    sha256: str
    """Of the bytes on disk, still packed."""


class _Decoder(Protocol):
    """One gzip member or Zstandard frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


def read_unpacked(path: Path) -> UnpackedFile:
    """Read `path`, unpacking it when its first bytes say so.

    Raises:
        DataError: it cannot be read, is empty, cut off, damaged, or larger than
            `MAX_UNPACKED_BYTES` or `MAX_RATIO` allow. At most one step of output
            beyond the bound is ever held.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from None


def _read(file: BinaryIO) -> UnpackedFile:
    digest = hashlib.sha256()
    start = file.read(_READ_BYTES)
    if not start:
        raise DataError("the file is empty")
    compression = Compression.of(start)
    data = bytearray()
    chunks = _hashed_chunks(start, file, digest)
    if compression is Compression.NONE:
        for chunk in chunks:
            data += chunk
            _check_size(len(data), 0)
    else:
        _unpack(chunks, compression, data)
        if not data:
            raise DataError("the file is empty once unpacked")
    return UnpackedFile(data=data, compression=compression, sha256=digest.hexdigest())


def _hashed_chunks(start: bytes, file: BinaryIO, digest: "hashlib._Hash") -> Iterator[bytes]:
    chunk = start
    while chunk:
        digest.update(chunk)
        yield chunk
        chunk = file.read(_READ_BYTES)


def _unpack(chunks: Iterator[bytes], compression: Compression, data: bytearray) -> None:
    """Append what `chunks` unpack to; members and frames may follow one another."""
    step = _step_gzip if compression is Compression.GZIP else _step_zstd
    decoder: _Decoder | None = None
    consumed = 0
    for chunk in chunks:
        pending = memoryview(chunk)
        while pending:
            if decoder is None:
                if compression is Compression.GZIP and data and not bytes(pending).strip(b"\0"):
                    break  # tape padding, which gzip itself ignores too
                decoder = _new_decoder(compression)
            size = len(pending)
            try:
                pending = memoryview(step(decoder, pending, data))
            except (zlib.error, zstandard.ZstdError) as error:
                raise DataError(f"damaged {compression} data: {error}", where=f"near packed byte {consumed}") from None
            consumed += size - len(pending)
            _check_size(len(data), consumed)
            if decoder.eof:
                decoder = None
    if decoder is not None:
        raise DataError(
            f"the {compression} data is cut off: it ends after {consumed} packed bytes, in the middle",
            where=f"packed byte {consumed}",
        )


def _new_decoder(compression: Compression) -> _Decoder:
    if compression is Compression.GZIP:
        return zlib.decompressobj(wbits=31)
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW_BYTES).decompressobj()


def _step_gzip(decoder: Any, pending: memoryview, data: bytearray) -> bytes | memoryview:
    """Unpack a bounded step; return what is left to unpack."""
    data += decoder.decompress(pending, _GZIP_STEP_BYTES)
    return bytes(decoder.unused_data if decoder.eof else decoder.unconsumed_tail)


def _step_zstd(decoder: Any, pending: memoryview, data: bytearray) -> bytes | memoryview:
    """Unpack a bounded step; return what is left to unpack."""
    data += decoder.decompress(pending[:_ZSTD_STEP_BYTES])
    rest = pending[_ZSTD_STEP_BYTES:]
    return bytes(decoder.unused_data) + bytes(rest) if decoder.eof else rest


def _check_size(unpacked: int, consumed: int) -> None:
    if unpacked > MAX_UNPACKED_BYTES:
        raise DataError(f"too large: a graph may have {MAX_UNPACKED_BYTES >> 30} GiB unpacked")
    if consumed and unpacked > max(RATIO_FREE_BYTES, MAX_RATIO * consumed):
        raise DataError(
            f"looks like a decompression bomb: {consumed} packed bytes became {unpacked}, "
            f"more than {MAX_RATIO} for each"
        )
