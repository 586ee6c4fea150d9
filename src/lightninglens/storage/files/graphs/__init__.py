"""Graph files: LND's and Core Lightning's forms, and our own."""

from lightninglens.storage.files.graphs.detect import read_graph, write_graph
from lightninglens.storage.files.graphs.model import FORMAT_TITLES, GraphFormat, GraphImport, GraphOrigin

__all__ = ["FORMAT_TITLES", "GraphFormat", "GraphImport", "GraphOrigin", "read_graph", "write_graph"]
