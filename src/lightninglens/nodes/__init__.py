"""Adapters to the node ports: simulated, replay, LND.

Knows records, not decisions; depends on core, routing and sim.
"""
