"""Path finding as LND does it, mission control, success probability, splitting.

Pure; depends on core.
"""
