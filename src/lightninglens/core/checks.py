"""Checks of the numbers that people and files bring."""

from typing import Any


def require_ranges(record: Any, **bounds: tuple[float, float]) -> None:
    """Raise ValueError, with name, value and bounds, when a field is outside its inclusive bounds or NaN."""
    for name, (least, most) in bounds.items():
        value = getattr(record, name)
        if not least <= value <= most:  # written so that NaN is refused too
            raise ValueError(f"{name} is {value}, and must be from {least:,} to {most:,}")
