"""Scenarios: opening one with all its files, and five that are ready to run.

Entry points: `open_scenario_file`, `reopen_scenario`, `READY`, `ready_file`.
"""

from lightninglens.lab.scenarios.opening import (
    DEFAULT_PAYMENTS,
    OpenedScenario,
    open_scenario_file,
    overridden,
    reopen_scenario,
)
from lightninglens.lab.scenarios.ready import READY, ready_file

__all__ = [
    "DEFAULT_PAYMENTS",
    "READY",
    "OpenedScenario",
    "open_scenario_file",
    "overridden",
    "ready_file",
    "reopen_scenario",
]
