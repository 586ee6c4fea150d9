"""A client for LND that can be trusted with a node: one class per port, each with the narrowest macaroon there is.

    async with LndReader.at(LndOptions(lnd_dir=Path("~/.lnd"), network="mainnet")) as reader:
        print(await reader.info())

What is refused, and why, is in `docs/explanation/threat-model.md`.
"""

from lightninglens.nodes.lnd.client.channels import LndChannelManager
from lightninglens.nodes.lnd.client.fees import LndFeeSetter
from lightninglens.nodes.lnd.client.fronts import AsyncLNDgRPCClient
from lightninglens.nodes.lnd.client.managej import LndManageClient
from lightninglens.nodes.lnd.client.paying import LndPayer
from lightninglens.nodes.lnd.client.place import LndOptions, TransportChoice
from lightninglens.nodes.lnd.client.reader import LndReader
from lightninglens.nodes.lnd.client.rebalancing import LndRebalancer
from lightninglens.nodes.lnd.client.roles import Role

__all__ = [
    "AsyncLNDgRPCClient",
    "LndChannelManager",
    "LndFeeSetter",
    "LndManageClient",
    "LndOptions",
    "LndPayer",
    "LndReader",
    "LndRebalancer",
    "Role",
    "TransportChoice",
]
