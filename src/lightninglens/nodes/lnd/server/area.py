"""What the areas of LND's interface have in common: the node that they serve, and its network."""

from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.network import ServedNetwork
from lightninglens.nodes.lnd.server.node import ServedNode


class Area:
    """A part of LND's interface, served for one node."""

    def __init__(self, network: ServedNetwork, node: ServedNode) -> None:
        self.network = network
        self.node = node

    def behaviours(self) -> Behaviours:
        """Return what this area serves, by path."""
        raise NotImplementedError
