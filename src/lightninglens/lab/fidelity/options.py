"""What `lens lab fidelity` is asked to do."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lightninglens.core.checks import require_ranges


class Study(StrEnum):
    """A published result that can be run again."""

    CLOTH = "cloth"
    MAX_FLOW = "a1"
    SUCCESS = "a2"
    DEPLETION = "a4"


NEEDS_GRAPH = (Study.MAX_FLOW, Study.SUCCESS)
"""Studies of a snapshot of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelityOptions:
    """Which studies, on which data, and how much of each."""

    studies: tuple[Study, ...] = tuple(Study)
    graph: str | None = None
    """A snapshot, for the studies that need one."""
    cloth: Path | None = None
    """A binary of CLoTH with its CSV files beside it, or the folder of these files alone."""
    seeds: int = 3
    """Repetitions of CLoTH's runs and of the depletion."""
    flow_samples: int = 512
    pairs: int = 1_000
    """Payments per amount and way of sending."""
    cloth_payments: int = 5_000
    depletion_payments: int = 2_501

    def __post_init__(self) -> None:
        """Raise ValueError for numbers out of range."""
        require_ranges(
            self,
            seeds=(1, 50),
            flow_samples=(2, 100_000),
            pairs=(2, 1_000_000),
            cloth_payments=(10, 1_000_000),
            depletion_payments=(1, 5_500),
        )
