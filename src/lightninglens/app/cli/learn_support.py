"""What the commands of `lens learn` share: reading their options, and showing what came out."""

import json
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.app.settings import LabSettings
    from lightninglens.core.model_card import ModelCard
    from lightninglens.lab.learning.bootstrap import SimulatedLab
    from lightninglens.lab.learning.report import StageReport
    from lightninglens.lab.learning.training import SavedModel
    from lightninglens.learn.dataset import DatasetOptions
    from lightninglens.learn.training import TrainedModel
    from lightninglens.storage.models import ModelStore

MOST_SEEDS = 1_000
_SEEDS = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?")


def model_store(data_dir: Path) -> "ModelStore":
    """Return the registry of models in a data directory."""
    from lightninglens.storage.models import FOLDER, ModelStore

    return ModelStore(data_dir / FOLDER)


def trained_model(data_dir: Path, name: str | None) -> "TrainedModel":
    """Return the model that is named, or the one in use; raises ConfigError, DataError."""
    from lightninglens.learn.training import TrainedModel

    store = model_store(data_dir)
    chosen = name or store.selected()
    if chosen is None:
        raise ConfigError(f"no model is in use in {store.directory}: train one (`lens learn train --simulate 48`)")
    card, estimators, _ = store.open(chosen)
    return TrainedModel(card=card, estimators=estimators)


def dataset_options(horizon_hours: float, step_minutes: float, *, reduced: bool) -> "DatasetOptions":
    """Return what is to be learned."""
    from lightninglens.core.units import NS_PER_HOUR
    from lightninglens.learn.dataset import DatasetOptions

    return DatasetOptions(
        horizon_ns=round(horizon_hours * NS_PER_HOUR),
        step_ns=round(step_minutes * NS_PER_HOUR / 60),
        reduced=True if reduced else None,
    )


def configured_lab(settings: "LabSettings") -> "SimulatedLab":
    """Return the kind of lab that is configured."""
    from lightninglens.lab.learning.bootstrap import SimulatedLab
    from lightninglens.sim.demand.model import LAB_DEMAND, UniformDemand

    return SimulatedLab(
        drawn=settings.topology == "drawn",
        balanced=settings.opening == "balanced",
        capacity_sat=settings.capacity_sat,
        demand=UniformDemand() if settings.demand == "uniform" else LAB_DEMAND,
        demand_name=settings.demand,
    )


def parse_seeds(text: str) -> list[int]:
    """Return the seeds that `900000-900003` or `900000,900007` means; raises ConfigError."""
    seeds: list[int] = []
    for part in text.split(","):
        match = _SEEDS.fullmatch(part.strip())
        if match is None:
            raise ConfigError(f"--seeds: {part.strip()[:40]!r} is no seed and no range like 900000-900003")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 <= last - first < MOST_SEEDS or len(seeds) + last - first >= MOST_SEEDS:
            raise ConfigError(f"--seeds: {part.strip()} is empty, or more than {MOST_SEEDS:,} in all")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise ConfigError("--seeds: a seed stands there twice, which would count one world twice")
    return seeds


def parse_columns(given: list[str] | None) -> dict[str, str]:
    """Return what a file calls our columns, by our names; raises ConfigError."""
    names = {}
    for text in given or []:
        ours, sign, theirs = text.partition("=")
        if not sign or not ours or not theirs:
            raise ConfigError(f"--column: {text[:80]!r} must be OURS=THEIRS, for example amount=sats_sent")
        names[ours.strip()] = theirs.strip()
    return names


def command_line() -> str:
    """Return the command as it was typed, for a model's lineage."""
    return shlex.join(["lens", *sys.argv[1:]])


@contextmanager
def prepared(source: Path, column: list[str] | None) -> "Iterator[tuple[Path, list[StageReport]]]":
    """Yield a directory in the form that `transform` writes; made in a temporary place where `source` is not one."""
    from lightninglens.lab.learning.pipeline import prepare

    if source.is_dir() and (source / "transactions.csv").is_file():
        yield source, []
        return
    with tempfile.TemporaryDirectory(prefix="lens-learn-") as name:
        folder, reports = prepare([source], Path(name), columns=parse_columns(column))
        yield folder, [replace(report, paths=()) for report in reports]


def show(report: "StageReport") -> None:
    """Print a stage's report in words."""
    for line in report.lines():
        typer.echo(line)


def tell(*reports: "StageReport", as_json: bool) -> None:
    """Print stages' reports, in words or as JSON."""
    if as_json:
        shown = [report.as_json() for report in reports]
        typer.echo(json.dumps(shown[0] if len(shown) == 1 else {"stages": shown}, indent=2))
        return
    for report in reports:
        show(report)


def tell_saved(saved: "SavedModel", *, as_json: bool) -> None:
    """Print what became of a new model, in words or as JSON."""
    if as_json:
        row = model_row(saved.card, saved.card.version if saved.selected else None)
        typer.echo(json.dumps({**row, "path": str(saved.directory)}, indent=2))
        return
    show(saved.report)
    typer.echo(saved.card.verdict)
    typer.echo(f"new model: {saved.directory}")


def model_row(card: "ModelCard", chosen: str | None) -> dict[str, object]:
    """Return a model as `lens learn models --json` lists it."""
    return {
        "version": card.version,
        "selected": card.version == chosen,
        "created_ms": card.created_ns // 1_000_000,
        "trained_on": card.trained_on,
        "reduced": card.reduced,
        "rows_trained": card.rows_trained,
        "rows_held_out": card.rows_held_out,
        "verdict": card.verdict,
    }
