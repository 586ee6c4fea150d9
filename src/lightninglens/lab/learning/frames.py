"""Reading and writing the stages' CSV files, whatever somebody has put into them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from lightninglens.core.errors import DataError
from lightninglens.lab.learning.formats import TIME
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.tables import Table

MAX_CSV_BYTES = 8 * 1024**3
_FORMULA = r"^([=+\-@\t\r])"
_TRUE = ("true", "1", "1.0", "yes", "succeeded", "success", "settled", "complete", "completed")
_FALSE = ("false", "0", "0.0", "no", "failed", "failure", "error")
_EARLIEST, _LATEST = "1990-01-01", "2200-01-01"
_WRITTEN_TIME = "%Y-%m-%dT%H:%M:%S%.6f+00:00"
_DIGITS_OF_UNIT = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))
"""A number below the first is Unix time in a unit of so many microseconds."""


def read_text_csv(path: Path) -> pl.DataFrame:
    """Return a CSV file with every cell as text, null where it is empty; raises DataError when it is none."""
    try:
        size = path.stat().st_size
        if size > MAX_CSV_BYTES:
            raise DataError(f"{size:,} bytes are more than can be held in memory: give it in parts", where=str(path))
        if size == 0:
            return pl.DataFrame()
        with path.open("rb") as file:
            if b"\0" in file.read(1 << 16):
                raise DataError("this is no text, and so no CSV file", where=str(path))
        frame = pl.read_csv(path, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True)
    except OSError as problem:
        raise DataError(problem.strerror or str(problem), where=str(path)) from None
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except pl.exceptions.PolarsError as problem:
        raise DataError(f"not readable as CSV ({str(problem).splitlines()[0][:160]})", where=str(path)) from None
    return frame.select(pl.all().str.strip_chars(" ").replace("", None).str.replace(r"^'([=+\-@\t\r])", "$1"))


def read_stage_csv(table: Table, path: Path) -> pl.DataFrame:
    """Read a file of one of our stages; a cell that is not of its type is null, columns besides ours are left out.

    Raises DataError when a column is missing, which is no file of that stage.
    """
    found = read_text_csv(path)
    if not found.width:
        return pl.DataFrame(schema=table.schema)
    absent = [column.name for column in table.columns if column.name not in found.columns]
    if absent:
        raise DataError(f"the column {absent[0]!r} of {table.format} is missing", where=str(path))
    return found.select(typed(column.name, column.dtype) for column in table.columns)


def typed(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a text column as another type, null where it is no such thing."""
    if dtype == TIME:
        return times(pl.col(name)).alias(name)
    if isinstance(dtype, pl.Boolean):
        return truths(pl.col(name)).alias(name)
    if isinstance(dtype, pl.Int64):
        return pl.col(name).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False).alias(name)
    if isinstance(dtype, pl.Float64):
        return numbers(pl.col(name)).alias(name)
    return pl.col(name)


def numbers(text: pl.Expr) -> pl.Expr:
    """Return text as finite numbers, null where it is none."""
    value = text.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def truths(text: pl.Expr) -> pl.Expr:
    """Return text as true or false, null where it says neither."""
    word = text.str.to_lowercase()
    return pl.when(word.is_in(_TRUE)).then(statement=True).when(word.is_in(_FALSE)).then(statement=False)


def times(text: pl.Expr) -> pl.Expr:
    """Return text as UTC: ISO 8601 (without an offset it is taken for UTC), or Unix time in s, ms, µs or ns."""
    iso = text.str.replace(" ", "T").str.replace(r"[zZ]$", "+00:00")
    iso = pl.when(iso.str.contains("T")).then(iso).otherwise(iso + "T00:00:00")
    iso = pl.when(iso.str.contains(r"[+-]\d\d:?\d\d$")).then(iso).otherwise(iso + "+00:00")
    iso = pl.when(iso.str.contains(r"T\d\d?:\d\d[+-]")).then(iso.str.replace(r"(T\d\d?:\d\d)", "$1:00")).otherwise(iso)
    parsed = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False).dt.replace_time_zone(None)
    number = text.cast(pl.Float64, strict=False)
    unix = pl.lit(None, pl.Float64)
    for below, microseconds in reversed(_DIGITS_OF_UNIT):
        unix = pl.when(number < below).then(number * microseconds).otherwise(unix)
    unix = pl.when(number.is_between(1e17, 1e20)).then(number / 1_000).otherwise(unix)
    found = pl.coalesce(parsed, unix.cast(pl.Int64, strict=False).cast(TIME))
    return pl.when(found.is_between(pl.lit(_EARLIEST).str.to_datetime(), pl.lit(_LATEST).str.to_datetime())).then(found)


def ended() -> pl.Expr:
    """Return when a transaction or attempt was over; when it began, where no duration is known."""
    microseconds = (pl.col("duration_ms").fill_null(0.0) * 1_000).round().cast(pl.Int64)
    return pl.col("timestamp") + pl.duration(microseconds=microseconds)


def write_csv(table: Table, frame: pl.DataFrame, path: Path) -> int:
    """Write a stage's file and return its number of rows; no cell of it is taken for a formula by a spreadsheet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = frame.select(_written(name, dtype) for name, dtype in table.schema.items())
    with atomic_writer(path) as file:
        shown.write_csv(file)
    return frame.height


def _written(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype == TIME:
        return pl.col(name).dt.strftime(_WRITTEN_TIME)
    if isinstance(dtype, pl.String):
        return pl.col(name).str.replace(_FORMULA, "'$1")
    return pl.col(name).cast(dtype)


def keep(frame: pl.DataFrame, condition: pl.Expr, reason: str, dropped: Counter[str]) -> pl.DataFrame:
    """Return the rows for which `condition` is true, and count the others under `reason`."""
    kept = frame.filter(condition.fill_null(value=False))
    if kept.height < frame.height:
        dropped[reason] += frame.height - kept.height
    return kept


def count_missing(table: Table, frame: pl.DataFrame, optional: Sequence[str] = ()) -> dict[str, int]:
    """Return per column in how many rows nothing is known."""
    counts = frame.null_count().row(0, named=True) if frame.height else {}
    names = [column.name for column in table.columns if column.name not in optional]
    return {name: counts[name] for name in names if counts.get(name)}
