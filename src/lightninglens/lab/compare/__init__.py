"""Strategies of rebalancing against one another, in the same simulated worlds.

Depends on control, learn, sim and below. Entry points: `CompareOptions`, `compare`, `load_strategy`, `render`.
"""

from lightninglens.lab.compare.options import CompareOptions
from lightninglens.lab.compare.report import Comparison, render
from lightninglens.lab.compare.run import compare
from lightninglens.lab.compare.strategies import load_strategy

__all__ = ["CompareOptions", "Comparison", "compare", "load_strategy", "render"]
