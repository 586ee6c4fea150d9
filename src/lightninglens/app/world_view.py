"""What the pages are shown of a world: a simulated network, a recorded history, or a node of one's own."""

from collections.abc import Iterable
from typing import Literal, Protocol

from lightninglens.app.events import Channel, Network, Node, Payment, Stats

Mode = Literal["simulated", "replay", "live"]


class WorldView(Protocol):
    """The newest state of a world in the form in which it is shown."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, and where to draw them."""
        ...

    @property
    def stats(self) -> Stats:
        """Totals since the world began."""
        ...

    @property
    def payments(self) -> Iterable[Payment]:
        """The newest payments, oldest first."""
        ...

    def network(self) -> Network:
        """Return nodes and channels."""
        ...

    def channels(self) -> tuple[Channel, ...]:
        """Return all channels."""
        ...

    def channel(self, channel_id: str) -> Channel | None:
        """Return one channel, or None where there is none such."""
        ...
