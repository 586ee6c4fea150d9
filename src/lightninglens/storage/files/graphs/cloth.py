"""CLoTH's network: a folder with `nodes_ln.csv`, `channels_ln.csv` and `edges_ln.csv`.

Columns: CLoTH's `*_template.csv`; every amount is in msat. An edge is one
direction of a channel and carries the balance of the node that it starts at,
which no other graph format has. Nodes are numbers there: node 7 becomes the id
02...07, which is no key that anybody holds.
"""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.graph import PolicyColumns
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MAX_MONEY_MSAT, MSAT_PER_SAT
from lightninglens.storage.files.graphs import columns
from lightninglens.storage.files.graphs.columns import CAPACITY_SAT, POLICY_BOUNDS, Bounds
from lightninglens.storage.files.graphs.model import ParsedGraph

FILES: Final = {
    "nodes_ln.csv": ("id",),
    "channels_ln.csv": ("id", "edge1_id", "edge2_id", "node1_id", "node2_id", "capacity"),
    "edges_ln.csv": (
        "id",
        "channel_id",
        "counter_edge_id",
        "from_node_id",
        "to_node_id",
        "balance",
        "fee_base",
        "fee_proportional",
        "min_htlc",
        "timelock",
    ),
}
"""The files of a network and the columns of each, in their order."""

_POLICY: Final = {
    "base_fee_msat": "fee_base",
    "fee_rate_ppm": "fee_proportional",
    "min_htlc_msat": "min_htlc",
    "time_lock_delta_blocks": "timelock",
}
_NUMBER: Final = Bounds(0, 2**62)
_FIRST_LINE: Final = 2
"""Of a file's data, below its header."""

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClothNetwork:
    """A network of CLoTH's: rows of nodes and channels are its ids."""

    parsed: ParsedGraph
    balance_msat: Column
    """Per direction of the graph: what the node that it starts at owns."""
    sha256: str
    """Of the three files, one after the other."""


def read_cloth(folder: Path) -> ClothNetwork:
    """Read a folder of CLoTH's.

    Raises:
        DataError: a file is missing, or something in it is wrong: file, line and column.
    """
    if not any((folder / name).exists() for name in FILES):
        problem = f"cannot be read: this is a directory, and not a network of CLoTH's, which has {', '.join(FILES)}"
        raise DataError(problem, where=str(folder))
    digest = hashlib.sha256()
    nodes, channels, edges = (_read(folder / name, names, digest) for name, names in FILES.items())
    columns.check_counts(len(nodes["id"]), len(channels["id"]))
    for file, table in zip(FILES, (nodes, channels, edges), strict=True):
        _check_sequence(folder / file, table["id"])
    order = _edges_of(folder, nodes, channels, edges)
    places = {name: _at(folder / "edges_ln.csv", name, order) for name in FILES["edges_ln.csv"]}
    policies = PolicyColumns.unknown(len(order))
    policies.known[:] = True
    for name, key in _POLICY.items():
        columns.in_range(edges[key][order], POLICY_BOUNDS[name], places[key])
        getattr(policies, name)[:] = edges[key][order]
    policies.max_htlc_msat[:] = np.repeat(channels["capacity"], 2)
    ids = [NodeId(f"02{number:064x}") for number in nodes["id"].tolist()]
    ends = tuple([ids[row] for row in channels[key].tolist()] for key in ("node1_id", "node2_id"))
    graph, _ = columns.assemble(
        nodes=ids,
        names=[f"cloth {number}" for number in nodes["id"].tolist()],
        ids=np.array([int(ChannelId.of(1, row, 0)) for row in channels["id"].tolist()], np.uint64),
        ends=(ends[0], ends[1]),
        capacity_sat=channels["capacity"] // MSAT_PER_SAT,
        policies=policies,
        node_place=lambda row: f"{folder / 'nodes_ln.csv'}, line {row + _FIRST_LINE}",
        channel_place=lambda row: f"{folder / 'channels_ln.csv'}, line {row + _FIRST_LINE}",
    )
    balance = edges["balance"][order].reshape(-1, 2)
    turned = channels["node1_id"] > channels["node2_id"]
    balance[turned] = balance[turned][:, ::-1]
    return ClothNetwork(
        parsed=ParsedGraph(graph=graph, snapshot_s=0),
        balance_msat=balance.reshape(-1),
        sha256=digest.hexdigest(),
    )


def _read(path: Path, names: Sequence[str], digest: "hashlib._Hash") -> dict[str, Column]:
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error}); a network of CLoTH's has {', '.join(FILES)}"
        raise DataError(problem, where=str(path)) from None
    digest.update(data)
    try:
        rows = list(csv.reader(data.decode().splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"not a CSV file: {error}", where=str(path)) from None
    header = tuple(cell.split("(")[0].strip() for cell in rows[0]) if rows else ()
    if header != tuple(names):
        raise DataError(f"expected the columns {', '.join(names)}", where=f"{path}, line 1")
    for line, row in enumerate(rows[1:], _FIRST_LINE):
        if len(row) != len(names):
            raise DataError(f"{len(row)} columns instead of {len(names)}", where=f"{path}, line {line}")
    cells = list(zip(*rows[1:], strict=True)) or [()] * len(names)
    return {name: columns.integers(cells[at], _NUMBER, _at(path, name)) for at, name in enumerate(names)}


def _at(path: Path, name: str, rows: Sequence[int] | Column | None = None) -> columns.Place:
    return lambda row: f"{path}, line {(row if rows is None else int(rows[row])) + _FIRST_LINE}, {name}"


def _check_sequence(path: Path, ids: Column) -> None:
    if (wrong := ids != np.arange(len(ids))).any():
        row = int(np.argmax(wrong))
        raise DataError(f"the id is {ids[row]}: ids count from 0 without a gap", where=_at(path, "id")(row))


def _edges_of(
    folder: Path, nodes: Mapping[str, Column], channels: Mapping[str, Column], edges: Mapping[str, Column]
) -> Column:
    """Return the rows of the edges, two for each channel, node1's first; raises DataError where they do not fit."""
    path = folder / "channels_ln.csv"
    for name, count in (
        ("node1_id", len(nodes["id"])),
        ("node2_id", len(nodes["id"])),
        ("edge1_id", len(edges["id"])),
        ("edge2_id", len(edges["id"])),
    ):
        columns.in_range(channels[name], Bounds(0, count - 1), _at(path, name))
    capacity = channels["capacity"]
    columns.in_range(capacity, Bounds(CAPACITY_SAT.low * MSAT_PER_SAT, int(MAX_MONEY_MSAT)), _at(path, "capacity"))
    first, second = channels["edge1_id"], channels["edge2_id"]
    checks = (
        ("capacity", capacity % MSAT_PER_SAT != 0, "the capacity is not whole satoshis"),
        ("edge1_id", edges["from_node_id"][first] != channels["node1_id"], "the edge does not start at node1"),
        ("edge1_id", edges["to_node_id"][first] != channels["node2_id"], "the edge does not end at node2"),
        ("edge2_id", edges["from_node_id"][second] != channels["node2_id"], "the edge does not start at node2"),
        ("edge2_id", edges["to_node_id"][second] != channels["node1_id"], "the edge does not end at node1"),
        (
            "capacity",
            edges["balance"][first] + edges["balance"][second] != capacity,
            "the balances of the two edges do not add up to the capacity",
        ),
    )
    for name, wrong, problem in checks:
        if wrong.any():
            raise DataError(problem, where=_at(path, name)(int(np.argmax(wrong))))
    return np.stack([first, second], axis=1).reshape(-1)
