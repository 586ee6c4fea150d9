"""CSV files with millions of lines, read piece by piece, and the first broken line found and told.

A piece is read as columns of text by polars and converted column by column. When
anything in it is amiss, its lines are read one by one, which is slow and knows
the line. A text may not go over several lines, so that a line of the file is a
line of the list.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import BytesIO
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lightninglens.core.errors import DataError

PIECE_BYTES = 8 << 20
MOST_LINE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some lines of a file as columns of text; an empty field is null."""

    frame: pl.DataFrame
    block: bytes
    first_line: int
    """Number of its first line in the file; the header is line 1."""


@dataclass(slots=True)
class ListingFile:
    """A CSV file with a header; `sha256` is known when all pieces have been read."""

    path: Path
    header: tuple[str, ...]
    sha256: str = ""

    def pieces(self) -> Iterator[Piece]:
        """Yield the lines after the header; raises DataError for what is no text or no CSV."""
        digest = hashlib.sha256()
        first_line = 2
        with self.path.open("rb") as file:
            digest.update(file.readline(MOST_LINE_BYTES))
            while block := file.read(PIECE_BYTES):
                block += file.readline(MOST_LINE_BYTES)
                digest.update(block)
                if not file.peek(1):
                    block = block.rstrip()
                height = block.count(b"\n") + (not block.endswith(b"\n"))
                if block:
                    yield Piece(frame=self._frame(block, first_line), block=block, first_line=first_line)
                first_line += height
        self.sha256 = digest.hexdigest()

    def _frame(self, block: bytes, first_line: int) -> pl.DataFrame:
        # polars fills up a line that is too short, so that a line cut off would pass: fields are counted here. Quotes
        # hide commas, so a piece with quotes is split line by line.
        if b'"' in block or np.any(_commas(block) != len(self.header) - 1):
            lines = _lines(block, self.path, first_line)
            rows = [split(self, text, first_line + row) for row, text in enumerate(lines)]
            frame = pl.DataFrame(rows, schema=dict.fromkeys(self.header, pl.String), orient="row")
        else:
            _decoded(block, self.path, first_line)
            names = list(self.header)
            frame = pl.read_csv(
                BytesIO(block), has_header=False, new_columns=names, infer_schema=False, quote_char=None
            )
        text = pl.all().str.strip_chars()
        return frame.select(pl.when(text != "").then(text))


def open_listing(path: Path, *, needed: Sequence[Sequence[str]], optional: Sequence[Sequence[str]]) -> ListingFile:
    """Open a CSV file and check its header.

    `needed` and `optional` are groups of names, of which a file has exactly one
    or at most one. Raises DataError that names the column.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(MOST_LINE_BYTES)
    except OSError as error:
        raise DataError(error.strerror or str(error), where=str(path)) from None
    where = place(path, 1)
    text = _lines(first.removeprefix(b"\xef\xbb\xbf"), path, 1)
    header = tuple(name.strip() for name in next(csv.reader(text), []))
    groups = [*needed, *optional]
    known = [name for group in groups for name in group]
    for name in header:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"; is {near[0]!r} meant?" if near else ""
            raise DataError(
                f"{name[:60]!r} is no column of this list (there are {', '.join(known)}){meant}", where=where
            )
    for group in groups:
        found = [name for name in header if name in group]
        if len(found) > 1:
            raise DataError(f"there is more than one column of {' and '.join(found)}: keep one", where=where)
        if not found and group in needed:
            raise DataError(f"the column {' or '.join(group)} is missing", where=where)
    return ListingFile(path, header)


def split(listing: ListingFile, text: str, line: int) -> list[str]:
    """Return the fields of one line; raises DataError when it has not as many as the header."""
    where = place(listing.path, line)
    try:
        fields = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise DataError(f"not readable as CSV: {error}; a text in quotes ends on its line", where=where) from None
    if not fields:
        raise DataError("an empty line stands in the list: remove it", where=where)
    if len(fields) != len(listing.header):
        raise DataError(
            f"it has {len(fields)} fields, and the header {len(listing.header)} ({', '.join(listing.header)})",
            where=where,
        )
    return fields


def tell_first(
    listing: ListingFile, piece: Piece, wrong: pl.Series, checks: Mapping[str, Callable[[dict[str, str]], str]]
) -> NoReturn:
    """Raise DataError for the first wrong row of a piece, with the line, the column and what would be right.

    `checks` says, per column, what is wrong with a line there: nothing, or a sentence.
    """
    row = int(wrong.arg_max() or 0)
    line = piece.first_line + row
    text = _lines(piece.block, listing.path, piece.first_line)[row]
    fields = {name: field.strip() for name, field in zip(listing.header, split(listing, text, line), strict=True)}
    for column, check in checks.items():
        if column in fields and (problem := check(fields)):
            raise DataError(problem, where=f"{place(listing.path, line)}, column {column}")
    raise DataError(f"{text[:80]!r} is not understood", where=place(listing.path, line))


def place(path: Path, line: int) -> str:
    """Return how a line of a file is named."""
    return f"{path} line {line:,}"


def _commas(block: bytes) -> NDArray[np.int64]:
    """Return the number of commas in each line."""
    characters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    return np.diff(np.searchsorted(np.flatnonzero(characters == ord(",")), ends), prepend=0)


def _decoded(block: bytes, path: Path, first_line: int) -> str:
    try:
        return block.decode()
    except UnicodeDecodeError as error:
        line = first_line + block.count(b"\n", 0, error.start)
        raise DataError("this is not UTF-8 text", where=place(path, line)) from None


def _lines(block: bytes, path: Path, first_line: int) -> list[str]:
    text = _decoded(block, path, first_line)
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []
