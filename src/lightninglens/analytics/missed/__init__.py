"""What a node was asked to forward, what became of it, and what it did not earn. Pure.

`accounting` counts events, `estimate` says what was missed, `columns` is what both share.
"""
