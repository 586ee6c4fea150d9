"""Known balances of channels from a CSV file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.lookup import Lookup
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.sim.balances import UNKNOWN_LOCAL, shareable_sat
from lightninglens.storage.files.listings import open_listing, place

NEEDED = (("channel_id",), ("node1_local_sat", "node1_local_msat"))
COLUMNS = {
    "channel_id": "`800000x1x0`, `800000:1:0` or the packed number; every channel at most once",
    "node1_local_sat": "what the node with the lesser key reports as its local balance; or `node1_local_msat`. The"
    " other side has the rest of the capacity, less the opener's commitment fee and anchors",
}
"""The columns in the order of the documents, with their meaning."""


def read_balances(path: Path, graph: NetworkGraph, *, commit_feerate_sat_per_kw: int) -> tuple[NDArray[np.int64], str]:
    """Return node1's local balance in msat per channel, UNKNOWN_LOCAL where it is not told, and the file's SHA-256.

    Raises DataError that names the line and the column: a channel that is not in
    the graph or told twice, a balance above what the two sides share.
    """
    listing = open_listing(path, needed=NEEDED, optional=())
    lookup = Lookup(graph)
    amount = next(name for name in NEEDED[1] if name in listing.header)
    factor = MSAT_PER_SAT if amount.endswith("_sat") else 1
    shared_msat = shareable_sat(graph, commit_feerate_sat_per_kw) * MSAT_PER_SAT
    local_msat = np.full(graph.channel_count, UNKNOWN_LOCAL, np.int64)
    for piece in listing.pieces():
        lines = zip(piece.frame["channel_id"].to_list(), piece.frame[amount].to_list(), strict=True)
        for line, (channel_id, text) in enumerate(lines, start=piece.first_line):
            where = place(path, line)
            try:
                row = lookup.channel(channel_id or "")
            except ConfigError as error:
                raise DataError(str(error), where=f"{where}, column channel_id") from None
            if local_msat[row] != UNKNOWN_LOCAL:
                raise DataError(f"{channel_id} has a balance above already", where=f"{where}, column channel_id")
            if text is None or not (text.isascii() and text.isdigit()):
                problem = f"{str(text or '')[:40]!r} is no whole number from 0"
                raise DataError(problem, where=f"{where}, column {amount}")
            if int(text) * factor > shared_msat[row]:
                raise DataError(
                    f"{int(text) * factor:,} msat are more than the {int(shared_msat[row]):,} msat that the two sides"
                    f" of {channel_id} share (capacity less commitment fee and anchors)",
                    where=f"{where}, column {amount}",
                )
            local_msat[row] = int(text) * factor
    return local_msat, listing.sha256
