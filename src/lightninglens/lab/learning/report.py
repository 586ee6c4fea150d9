"""What a stage did: how many rows came and went, what was left out and why, what the data do not tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """One stage's account of itself."""

    stage: str
    rows_in: int
    rows_out: int
    paths: tuple[Path, ...]
    """What it wrote."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Rows that were left out, by reason."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """Cells that stay empty because the data do not tell, by column."""
    notes: tuple[str, ...] = ()
    """What a reader of the result must know."""

    def lines(self) -> list[str]:
        """Return it in words."""
        said = [f"{self.stage}: {self.rows_in:,} rows in, {self.rows_out:,} out"]
        said += [f"  left out: {count:,} {reason}" for reason, count in self.dropped.items()]
        if self.missing:
            said.append("  not in the data: " + ", ".join(f"{name} ({n:,})" for name, n in self.missing.items()))
        said += [f"  note: {note}" for note in self.notes]
        return said + [f"  wrote {path}" for path in self.paths]

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "stage": self.stage,
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "paths": [str(path) for path in self.paths],
            "dropped": dict(self.dropped),
            "missing": dict(self.missing),
            "notes": list(self.notes),
        }
