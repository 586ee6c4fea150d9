"""The HTLC-level event engine, its demand and its topologies.

Pure; depends on core and routing.
"""
