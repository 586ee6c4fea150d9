"""Find out what a graph file is from what is in it, and read or write it."""

import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.graph import NetworkGraph
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.graphs import columns
from lightninglens.storage.files.graphs.cloth import read_cloth
from lightninglens.storage.files.graphs.compression import Compression, read_unpacked
from lightninglens.storage.files.graphs.json_text import parse_json
from lightninglens.storage.files.graphs.listchannels import parse_listchannels, parse_listnodes
from lightninglens.storage.files.graphs.lnd import parse_lnd, render_lnd
from lightninglens.storage.files.graphs.model import FORMAT_TITLES, GraphFormat, GraphImport, GraphOrigin, ParsedGraph

ACCEPTED = (
    "accepted are the JSON of `lncli describegraph` or `lightning-cli listchannels`, a Core Lightning gossip_store, "
    "and LightningLens Parquet, each plain, gzip or zst, and a folder with the CSV files of CLoTH"
)
_BLANK = b" \t\r\n"
_HIGHEST_STORE_VERSION = 31
_LOWEST_STORE_VERSION = 1


def read_graph(path: Path, *, aliases: Path | None = None) -> GraphImport:
    """Read a graph file of any accepted format, plain, gzip or Zstandard.

    `aliases` is the JSON of `lightning-cli listnodes`, for formats without them.

    Raises:
        DataError: what is wrong and where: file, and JSON path, row, record or
            byte in it. A graph is returned whole or not at all.
    """
    if path.is_dir():
        return _read_folder(path, aliases)
    file, format_, parsed = _in_file(path, _parse)
    names = _in_file(aliases, _parse_names) if aliases else {}
    graph = parsed.graph
    if names:
        known = zip(graph.node_ids, graph.aliases, strict=True)
        graph = replace(graph, aliases=tuple(names.get(node) or alias for node, alias in known))
    return GraphImport(
        graph=graph,
        format=format_,
        compression=file.compression,
        sha256=file.sha256,
        dropped=parsed.dropped,
        adjusted=parsed.adjusted,
        origin=parsed.origin or GraphOrigin(format=format_, sha256=file.sha256, snapshot_s=parsed.snapshot_s),
    )


def _read_folder(path: Path, aliases: Path | None) -> GraphImport:
    if aliases is not None:
        raise ConfigError("aliases are for a graph of public keys; a network of CLoTH's has numbers")
    found = read_cloth(path)
    return GraphImport(
        graph=found.parsed.graph,
        format=GraphFormat.CLOTH,
        compression=Compression.NONE,
        sha256=found.sha256,
        dropped=found.parsed.dropped,
        adjusted=found.parsed.adjusted,
        origin=GraphOrigin(format=GraphFormat.CLOTH, sha256=found.sha256, snapshot_s=found.parsed.snapshot_s),
    )


def write_graph(graph: NetworkGraph, path: Path, format_: GraphFormat, *, origin: GraphOrigin | None = None) -> None:
    """Write a graph whole or not at all; a name ending in .gz or .zst is packed so.

    The same graph and origin give the same bytes.

    Raises:
        ConfigError: the format is one that is only read.
        DataError: the file cannot be written.
    """
    origin = origin or GraphOrigin(format="unknown")
    pieces: Iterable[bytes]
    if format_ is GraphFormat.LND:
        pieces = render_lnd(graph, origin.snapshot_s)
    elif format_ is GraphFormat.PARQUET:
        from lightninglens.storage.files.graphs.parquet import render_parquet  # noqa: PLC0415

        pieces = (render_parquet(graph, origin),)
    else:
        raise ConfigError(f"{FORMAT_TITLES[format_]} can be read, not written; write lnd or parquet")
    with atomic_writer(path) as file:
        _write_packed(pieces, path.suffix, file)


def _write_packed(pieces: Iterable[bytes], suffix: str, file: BinaryIO) -> None:
    if suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            packed.writelines(_blocks(pieces))
    elif suffix == ".zst":
        with zstandard.ZstdCompressor(level=10).stream_writer(file, closefd=False) as stream:
            for block in _blocks(pieces):
                stream.write(block)
    else:
        file.writelines(_blocks(pieces))


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in larger pieces."""
    buffer = io.BytesIO()
    for piece in pieces:
        buffer.write(piece)
        if buffer.tell() > 1 << 20:
            yield buffer.getvalue()
            buffer = io.BytesIO()
    yield buffer.getvalue()


def _in_file(path: Path, parse: Any) -> Any:
    """Call `parse` with the unpacked file, and let its errors name the file."""
    try:
        return parse(read_unpacked(path))
    except DataError as error:
        where = f"{path}, {error.where}" if error.where else str(path)
        raise DataError(error.problem, where=where) from None


def _parse(file: Any) -> tuple[Any, GraphFormat, ParsedGraph]:
    data = file.data
    start = bytes(data[:64])
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)
    if start.startswith(b"PAR1"):
        # Polars takes a second to import; JSON does not need it.
        from lightninglens.storage.files.graphs.parquet import parse_parquet  # noqa: PLC0415

        return file, GraphFormat.PARQUET, parse_parquet(data)
    if text[:1] in (b"{", b"["):
        format_, parsed = _parse_document(parse_json(data))
        return file, format_, parsed
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("the text is UTF-16, as PowerShell's > writes it; save it as UTF-8")
    if start.startswith(b"GOSSMAP_COMPRESS"):
        raise DataError(
            "a compressed gossmap of Core Lightning's tests; unpack it with its `gossmap-compress decompress`"
        )
    if _LOWEST_STORE_VERSION <= start[0] <= _HIGHEST_STORE_VERSION and text:
        # The compiled scanner comes with numba, which takes seconds to import.
        from lightninglens.storage.files.graphs.gossip_store import parse_gossip_store  # noqa: PLC0415

        return file, GraphFormat.GOSSIP_STORE, parse_gossip_store(data)
    raise DataError(f"not a graph in any form we know; {ACCEPTED}")


def _parse_document(document: Any) -> tuple[GraphFormat, ParsedGraph]:
    if type(document) is dict and "nodes" in document and "edges" in document:
        return GraphFormat.LND, parse_lnd(document)
    if type(document) is dict and "channels" in document and _is_listchannels(document["channels"]):
        return GraphFormat.LISTCHANNELS, parse_listchannels(document)
    raise DataError(f"JSON, but not a graph: {_described(document)}; {ACCEPTED}")


def _is_listchannels(channels: Any) -> bool:
    """Tell listchannels from other answers with channels, such as LND's listchannels of one node."""
    if type(channels) is not list or not channels or type(channels[0]) is not dict:
        return True
    return bool({"short_channel_id", "source", "destination"} & channels[0].keys())


def _described(document: Any) -> str:
    if type(document) is not dict:
        return f"it is a {'list' if type(document) is list else 'single value'}"
    keys = [columns.shown(key) for key in list(document)[:6]]
    return f"it has the keys {', '.join(keys)}{', ...' if len(document) > 6 else ''}" if keys else "it is empty"


def _parse_names(file: Any) -> dict[Any, str]:
    document = parse_json(file.data)
    if type(document) is not dict or "nodes" not in document:
        raise DataError("expected the JSON of `lightning-cli listnodes`, an object with a list `nodes`")
    return dict(parse_listnodes(document))
