"""Experiments: runs of scenarios, and what they are compared by.

Depends on everything below app. Entry point: `run_scenario`.
"""

from lightninglens.lab.batch import RunResult, run_scenario

__all__ = ["RunResult", "run_scenario"]
