"""Messages and enums of LND's package signrpc; their types are in the stub beside this file."""

from lightninglens.nodes.lnd.contract.pool import names

globals().update(names("signrpc"))
