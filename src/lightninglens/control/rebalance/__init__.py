"""Decisions to rebalance: what a strategy sees, and the baseline that others are measured against.

Pure; depends on core. Entry points: `LiquidityView`, `NodeView`, `FeeLimit`, `baseline.decide`.
"""

from lightninglens.control.rebalance.view import FeeLimit, LiquidityView, NodeView

__all__ = ["FeeLimit", "LiquidityView", "NodeView"]
