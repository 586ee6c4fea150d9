"""Messages and enums of LND's package chainrpc; their types are in the stub beside this file."""

from lightninglens.nodes.lnd.contract.pool import names

globals().update(names("chainrpc"))
