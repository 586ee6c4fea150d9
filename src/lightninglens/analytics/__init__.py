"""HTLC accounting, missed opportunities, profit and loss, liquidity.

Pure; depends on core, routing and sim.
"""
