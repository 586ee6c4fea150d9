"""LightningLens: see what a Lightning node failed to earn, rehearse the remedy, act on it.

The packages below this one are layered; a package imports only those under it
(see docs/explanation/architecture.md). The command line is `lens`.
"""

__version__ = "0.1.0"
