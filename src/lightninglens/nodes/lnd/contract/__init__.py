"""LND's gRPC and REST interface, as this project keeps it.

The `.proto` files hold names, numbers and types of twelve services of LND and
are the source of truth. `tools/generate_contract.py` compiles them to
`contract.binpb`, which is loaded into a descriptor pool of its own, and writes
the stubs (`.pyi`) that give the loaded classes their types.

    from lightninglens.nodes.lnd.contract import lnrpc
    from lightninglens.nodes.lnd.contract.services import Lightning

    info = await Lightning.GetInfo.on(channel)(lnrpc.GetInfoRequest(), timeout=10)
"""
