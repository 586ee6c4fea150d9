"""What an import yields besides the graph: where it came from and what was left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from lightninglens.core.graph import NetworkGraph
from lightninglens.storage.files.graphs.compression import Compression


class GraphFormat(StrEnum):
    """Forms in which a graph can be read; `lnd` and `parquet` can be written too."""

    LND = "lnd"
    LISTCHANNELS = "listchannels"
    GOSSIP_STORE = "gossip_store"
    PARQUET = "parquet"
    CLOTH = "cloth"


FORMAT_TITLES: Final = {
    GraphFormat.LND: "LND describegraph JSON",
    GraphFormat.LISTCHANNELS: "Core Lightning listchannels JSON",
    GraphFormat.GOSSIP_STORE: "Core Lightning gossip_store",
    GraphFormat.PARQUET: "LightningLens Parquet",
    GraphFormat.CLOTH: "CLoTH folder of CSV files",
}
"""What people call them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOrigin:
    """The file that a graph was first read from; kept when it is converted to our own form."""

    format: str
    """A `GraphFormat`, or the name of a generator."""
    sha256: str = ""
    """Of the file on disk; empty for a generated graph."""
    snapshot_s: int = 0
    """Newest update in it, in Unix seconds; 0 when it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedGraph:
    """What a parser of one format makes of the unpacked bytes."""

    graph: NetworkGraph
    snapshot_s: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    adjusted: Mapping[str, int] = field(default_factory=dict)
    origin: GraphOrigin | None = None
    """Set by a format that remembers an earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphImport:
    """A graph with its provenance.

    `dropped` counts what the file has and the graph has not, `adjusted` what
    was read as something else, both by reason and only where there was any.
    """

    graph: NetworkGraph
    format: GraphFormat
    compression: Compression
    sha256: str
    dropped: Mapping[str, int]
    adjusted: Mapping[str, int]
    origin: GraphOrigin
