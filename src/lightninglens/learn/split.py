"""Which rows a model learns from, which calibrate it, and which it is judged on: never mixed in time."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.units import NS_PER_HOUR
from lightninglens.learn.dataset import Dataset

WORLDS_TO_HOLD_OUT: Final = 4
"""From so many worlds on, whole ones are held out; with fewer, the last part of the time of each."""

TRAINED_SHARE: Final = 0.5
CALIBRATED_SHARE: Final = 0.25
"""Of the time or the worlds; the rest is held out."""

LEAST_ROWS: Final = (200, 60, 60)
"""For learning, calibration, judging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Masks over the rows of a data set."""

    train: NDArray[np.bool_]
    calibration: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    gap_ns: int
    """Time between the parts; 0 where whole worlds are apart."""


def split(dataset: Dataset) -> Split:
    """Split by whole worlds where there are enough of them, else by time, with a gap of one horizon.

    A row's target looks one horizon ahead, so without the gap what is judged
    would have been learned. Raises DataError when there is too little, saying
    how much is needed.
    """
    worlds = int(dataset.world.max(initial=-1)) + 1
    parts = _by_world(dataset, worlds) if worlds >= WORLDS_TO_HOLD_OUT else _by_time(dataset)
    counts = (int(parts.train.sum()), int(parts.calibration.sum()), int(parts.held_out.sum()))
    if any(count < least for count, least in zip(counts, LEAST_ROWS, strict=True)):
        raise DataError(_too_little(dataset, counts))
    return parts


def _by_world(dataset: Dataset, worlds: int) -> Split:
    first_calibration = worlds - 2 * max(round(worlds * CALIBRATED_SHARE), 1)
    first_held_out = worlds - max(round(worlds * CALIBRATED_SHARE), 1)
    return Split(
        train=dataset.world < first_calibration,
        calibration=(dataset.world >= first_calibration) & (dataset.world < first_held_out),
        held_out=dataset.world >= first_held_out,
        gap_ns=0,
    )


def _by_time(dataset: Dataset) -> Split:
    gap_ns = dataset.options.horizon_ns
    masks = np.zeros((3, len(dataset.y)), np.bool_)
    for world in np.unique(dataset.world):
        inside = dataset.world == world
        first_ns, last_ns = int(dataset.time_ns[inside].min()), int(dataset.time_ns[inside].max())
        usable_ns = max(last_ns - first_ns - 2 * gap_ns, 0)
        train_end = first_ns + int(usable_ns * TRAINED_SHARE)
        calibration_end = train_end + gap_ns + int(usable_ns * CALIBRATED_SHARE)
        masks[0] |= inside & (dataset.time_ns < train_end)
        masks[1] |= inside & (dataset.time_ns >= train_end + gap_ns) & (dataset.time_ns < calibration_end)
        masks[2] |= inside & (dataset.time_ns >= calibration_end + gap_ns)
    return Split(train=masks[0], calibration=masks[1], held_out=masks[2], gap_ns=gap_ns)


def _too_little(dataset: Dataset, counts: tuple[int, int, int]) -> str:
    horizon_h = dataset.options.horizon_ns / NS_PER_HOUR
    had, needed = (
        f"{row[0]} to learn from, {row[1]} to calibrate and {row[2]} to judge by" for row in (counts, LEAST_ROWS)
    )
    return (
        f"too little data: of rows there are {had}, and there must be {needed}. With a horizon of {horizon_h:g} h"
        f" that takes payments and channel balances over at least {4 * horizon_h:g} h on end; with only a few channels"
        f" it is more, with a shorter horizon less"
    )
