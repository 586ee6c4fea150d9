"""Published results, run again: ours printed beside theirs, deviations named."""

from lightninglens.lab.fidelity.findings import Fidelity, Line, Table, Value, Verdict
from lightninglens.lab.fidelity.options import FidelityOptions, Study
from lightninglens.lab.fidelity.report import render
from lightninglens.lab.fidelity.run import run_fidelity

__all__ = [
    "Fidelity",
    "FidelityOptions",
    "Line",
    "Study",
    "Table",
    "Value",
    "Verdict",
    "render",
    "run_fidelity",
]
