"""Scenarios: opening one with all its files, and five that are ready to run.

Entry points: `open_scenario_file`, `reopen_scenario`, `ready_names`, `ready_file`.
"""

from lightninglens.lab.scenarios.opening import (
    DEFAULT_PAYMENTS,
    OpenedScenario,
    open_scenario_file,
    overridden,
    reopen_scenario,
)
from lightninglens.lab.scenarios.ready import ready_file, ready_names

__all__ = [
    "DEFAULT_PAYMENTS",
    "OpenedScenario",
    "open_scenario_file",
    "overridden",
    "ready_file",
    "ready_names",
    "reopen_scenario",
]
