"""Nodes of the simulator that answer as LND, over gRPC and REST.

A `ServedNetwork` follows a running world and keeps the books of the nodes that
are served; an `LndServer` is one such node behind its ports, with LND's
certificate, macaroons and directory.
"""
