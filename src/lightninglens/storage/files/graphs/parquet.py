"""Our own form of a graph: one Parquet file, format `lightninglens/graph/1`.

Node rows come first, then channel rows, told apart by `kind`; a column that
does not belong to a row's kind is null, and so are all fields of a policy that
nobody announced. `docs/reference/graphs.md` has the schema.

The file carries a SHA-256 of itself in the unused space before the footer, where
Parquet readers do not look. It is checked before anything is decoded: a damaged
page or footer can make the Parquet decoder abort the process, which no caller
could turn into an error message.
"""

import hashlib
import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.storage.files.graphs import columns
from lightninglens.storage.files.graphs.columns import CAPACITY_SAT, POLICY_BOUNDS, Place
from lightninglens.storage.files.graphs.model import GraphOrigin, ParsedGraph

GRAPH_FORMAT: Final = "lightninglens/graph/1"
MAGIC: Final = b"PAR1"

_SEAL: Final = b"LLSHA256"
_SEAL_BYTES: Final = len(_SEAL) + 32
_TAIL_BYTES: Final = 8

_NODE_SCHEMA: Final = {"pub_key": pl.String(), "alias": pl.String()}
_CHANNEL_SCHEMA: Final = {
    "channel_id": pl.UInt64(),
    "node1_pub": pl.String(),
    "node2_pub": pl.String(),
    "capacity_sat": pl.Int64(),
}
_SIDES: Final = ("node1", "node2")
_POLICY_SCHEMA: Final[dict[str, pl.DataType]] = {
    f"{side}_{name}": kind
    for side in _SIDES
    for name, kind in (("disabled", pl.Boolean()), *((name, pl.Int64()) for name in POLICY_BOUNDS))
}
SCHEMA: Final = pl.Schema({"kind": pl.String(), **_NODE_SCHEMA, **_CHANNEL_SCHEMA, **_POLICY_SCHEMA})


def render_parquet(graph: NetworkGraph, origin: GraphOrigin) -> bytes:
    """Return the file: the same bytes for the same graph and origin, in any process."""
    buffer = io.BytesIO()
    _frame(graph).write_parquet(
        buffer,
        compression="zstd",
        compression_level=3,
        metadata={
            "format": GRAPH_FORMAT,
            "origin_format": origin.format,
            "origin_sha256": origin.sha256,
            "snapshot_s": str(origin.snapshot_s),
        },
    )
    return _sealed(buffer.getvalue())


def parse_parquet(data: bytearray) -> ParsedGraph:
    """Return the graph in a file that `render_parquet` made.

    Raises:
        DataError: the file is damaged or cut off, comes from another program, is
            of another version, or holds a value that cannot be.
    """
    _check_seal(data)
    source = io.BytesIO(data)
    try:
        metadata = pl.read_parquet_metadata(source)
        _check_format(metadata)
        rows = int(pl.scan_parquet(source).select(pl.len()).collect().item())
        if rows > columns.MAX_NODES + columns.MAX_CHANNELS:
            raise DataError(f"{rows} rows are too many")
        frame = pl.read_parquet(source)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"not readable as Parquet: {error}") from None
    if frame.schema != SCHEMA:
        raise DataError(f"the columns are not those of {GRAPH_FORMAT}")
    return ParsedGraph(graph=_graph(frame), snapshot_s=_snapshot_s(metadata), origin=_origin(metadata))


def _frame(graph: NetworkGraph) -> pl.DataFrame:
    nodes = pl.DataFrame(
        {"pub_key": list(graph.node_ids), "alias": list(graph.aliases)}, schema=_NODE_SCHEMA
    ).with_columns(pl.lit("node").alias("kind"))
    ids = np.array(graph.node_ids, np.str_)
    cells: dict[str, Any] = {
        "channel_id": graph.channel_ids,
        "node1_pub": ids[graph.node1].tolist() if graph.channel_count else [],
        "node2_pub": ids[graph.node2].tolist() if graph.channel_count else [],
        "capacity_sat": graph.capacity_sat,
    }
    for side, name in enumerate(_SIDES):
        known = pl.Series(graph.policies.known[side::2])
        for key in ("disabled", *POLICY_BOUNDS):
            values = pl.Series(f"{name}_{key}", getattr(graph.policies, key)[side::2])
            cells[f"{name}_{key}"] = values.zip_with(
                known, pl.Series([None], dtype=values.dtype).new_from_index(0, len(values))
            )
    channels = pl.DataFrame(cells, schema={**_CHANNEL_SCHEMA, **_POLICY_SCHEMA}).with_columns(
        pl.lit("channel").alias("kind")
    )
    return pl.concat([nodes, channels], how="diagonal").select(SCHEMA.names())


def _sealed(raw: bytes) -> bytes:
    """Put the seal between the last page and the footer, whose offsets all point before it."""
    footer = len(raw) - _TAIL_BYTES - int.from_bytes(raw[-8:-4], "little")
    return raw[:footer] + _SEAL + hashlib.sha256(raw).digest() + raw[footer:]


def _check_seal(data: bytearray) -> None:
    if len(data) < len(MAGIC) + _SEAL_BYTES + _TAIL_BYTES or data[-4:] != MAGIC:
        raise DataError("the Parquet file is cut off: its last four bytes are missing")
    footer = len(data) - _TAIL_BYTES - int.from_bytes(data[-8:-4], "little")
    start = footer - _SEAL_BYTES
    if start < len(MAGIC) or data[start : start + len(_SEAL)] != _SEAL:
        raise DataError(f"a Parquet file, but not one of ours ({GRAPH_FORMAT}), or damaged near its end")
    digest = hashlib.sha256(memoryview(data)[:start])
    digest.update(memoryview(data)[footer:])
    if digest.digest() != data[start + len(_SEAL) : footer]:
        raise DataError("the file is damaged: its checksum is wrong")


def _check_format(metadata: dict[str, str]) -> None:
    found = metadata.get("format", "")
    if found != GRAPH_FORMAT:
        raise DataError(f"the format is {columns.shown(found)}; this version reads {GRAPH_FORMAT}")


def _snapshot_s(metadata: dict[str, str]) -> int:
    bounds = POLICY_BOUNDS["last_update_s"]
    return int(columns.integers([metadata.get("snapshot_s", "")], bounds, lambda _: "metadata snapshot_s")[0])


def _origin(metadata: dict[str, str]) -> GraphOrigin:
    return GraphOrigin(
        format=metadata.get("origin_format", ""),
        sha256=metadata.get("origin_sha256", ""),
        snapshot_s=_snapshot_s(metadata),
    )


def _graph(frame: pl.DataFrame) -> NetworkGraph:
    kinds = frame["kind"]
    nodes_count = int((kinds == "node").sum())
    expected = pl.Series(["node", "channel"]).gather([0] * nodes_count + [1] * (len(kinds) - nodes_count))
    if not kinds.equals(expected):
        raise DataError("the rows are not nodes first and channels then", where="column kind")
    nodes = frame.head(nodes_count).select(*_NODE_SCHEMA)
    channels = frame.tail(len(kinds) - nodes_count).select(*_CHANNEL_SCHEMA, *_POLICY_SCHEMA)
    for part in (nodes, channels.select(*_CHANNEL_SCHEMA)):
        for series in part:
            if series.null_count():
                raise DataError("a value is missing", where=f"column {series.name}")
    _check_lengths(nodes, channels)
    capacity_sat = channels["capacity_sat"].to_numpy(writable=True)
    columns.in_range(capacity_sat, CAPACITY_SAT, _row(nodes_count, "capacity_sat"))
    first, second = (
        columns.node_ids(channels[key].to_list(), _row(nodes_count, key)) for key in ("node1_pub", "node2_pub")
    )
    graph, swapped = columns.assemble(
        nodes=columns.node_ids(nodes["pub_key"].to_list(), _row(0, "pub_key")),
        names=columns.aliases(nodes["alias"].to_list(), _row(0, "alias")),
        ids=channels["channel_id"].to_numpy(writable=True),
        ends=(first, second),
        capacity_sat=capacity_sat,
        policies=_policies(channels, nodes_count),
        node_place=_row(0, "pub_key"),
        channel_place=_row(nodes_count, "channel_id"),
    )
    if swapped:
        raise DataError(f"{swapped} channels name their greater node id first")
    return graph


def _row(start: int, column: str) -> Place:
    return lambda row: f"row {start + row}, column {column}"


def _check_lengths(nodes: pl.DataFrame, channels: pl.DataFrame) -> None:
    """Refuse long strings before they become Python objects: many rows can share one."""
    for series in (nodes["pub_key"], nodes["alias"], channels["node1_pub"], channels["node2_pub"]):
        longest: Any = series.str.len_bytes().max()
        if longest is not None and longest > 4 * columns.MAX_ALIAS_CHARACTERS:
            raise DataError(f"a text of {longest} bytes is too long", where=f"column {series.name}")


def _policies(channels: pl.DataFrame, first_row: int) -> PolicyColumns:
    policies = PolicyColumns.unknown(2 * len(channels))
    for side, name in enumerate(_SIDES):
        known = channels[f"{name}_disabled"].is_not_null().to_numpy()
        policies.known[side::2] = known
        policies.disabled[side::2] = channels[f"{name}_disabled"].fill_null(value=False).to_numpy()
        for key, bounds in POLICY_BOUNDS.items():
            column = channels[f"{name}_{key}"]
            _check_nulls(column, known, first_row)
            values: NDArray[np.int64] = column.fill_null(0).to_numpy()
            columns.in_range(values[known], bounds, _known_rows(known, first_row, column.name))
            getattr(policies, key)[side::2] = values
    return policies


def _check_nulls(column: pl.Series, known: NDArray[np.bool_], first_row: int) -> None:
    if (wrong := column.is_not_null().to_numpy() != known).any():
        row = int(np.argmax(wrong))
        raise DataError("a policy must be there whole or not at all", where=_row(first_row, column.name)(row))


def _known_rows(known: NDArray[np.bool_], first_row: int, column: str) -> Place:
    rows: Sequence[int] = np.flatnonzero(known).tolist()
    return lambda row: f"row {first_row + rows[row]}, column {column}"
