"""Finding a channel's row by what clients call it."""

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import ChannelId
from lightninglens.nodes.lnd.server.channel_points import txid


class ChannelIndex:
    """Rows of a graph that only grows, by channel id and by channel point."""

    def __init__(self, graph: NetworkGraph) -> None:
        self._rows: dict[int, int] = {}
        self._by_txid: dict[str, int] = {}
        self.follow(graph)

    def follow(self, graph: NetworkGraph) -> None:
        """Take in the channels that have been opened."""
        first = len(self._rows)
        for row, number in enumerate(graph.channel_ids[first:].tolist(), start=first):
            self._rows[int(number)] = row

    def row(self, channel_id: int) -> int | None:
        """Return a channel's row by its id."""
        return self._rows.get(channel_id)

    def row_at(self, transaction: str, output: int) -> int | None:
        """Return a channel's row by its channel point."""
        if len(self._by_txid) < len(self._rows):
            known = len(self._by_txid)
            for number in list(self._rows)[known:]:
                self._by_txid[txid(ChannelId(number))] = number
        found = self._by_txid.get(transaction)
        if found is None or ChannelId(found).output != output:
            return None
        return self._rows[found]
