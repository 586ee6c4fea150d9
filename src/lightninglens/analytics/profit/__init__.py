"""Profit and loss of channels, peers and pairs, from what was recorded: whole msat that add up to the node's own.

Nothing here knows where the records come from.
"""
