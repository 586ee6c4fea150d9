"""What the benchmarks share: the machine's name, spreads, CPU seconds."""

import os
import platform
import resource
import statistics
from pathlib import Path
from typing import Any


def cpu_s(who: int = resource.RUSAGE_SELF) -> float:
    """Return the user and system time so far, of this process or of those it has waited for."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def spread(values: list[float]) -> dict[str, float]:
    """Return least, middle and most."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        models = [
            line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line
        ]
        model = models[0] if models else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
