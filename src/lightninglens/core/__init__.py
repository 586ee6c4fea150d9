"""Types, units, ids, records and ports that everything else speaks in.

Depends on nothing of ours; no files, network or event loop.
"""
