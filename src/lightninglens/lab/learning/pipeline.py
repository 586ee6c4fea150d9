"""All stages, one after the other: from what was recorded to a model and its predictions."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightninglens.lab.learning.collect import collect
from lightninglens.lab.learning.evaluating import Evaluation, of_card, write_evaluation
from lightninglens.lab.learning.features import make_features
from lightninglens.lab.learning.predicting import predict
from lightninglens.lab.learning.report import StageReport
from lightninglens.lab.learning.training import SavedModel, train_on_features
from lightninglens.lab.learning.transform import transform
from lightninglens.learn.dataset import DatasetOptions
from lightninglens.learn.training import TrainedModel
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.models import ModelStore

REPORT = "report.json"

Tell = Callable[[StageReport], None]
"""Called with each stage's report as it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """What the stages did, and the new model."""

    stages: tuple[StageReport, ...]
    saved: SavedModel
    evaluation: Evaluation
    out: Path


def prepare(
    inputs: Sequence[Path], out: Path, *, columns: Mapping[str, str] | None = None, tell: Tell = lambda _report: None
) -> tuple[Path, list[StageReport]]:
    """Collect and transform, and return the directory to make features or predictions from; raises as these do."""
    reports = [collect(inputs, out / "collected", columns=columns)]
    tell(reports[0])
    reports.append(transform(out / "collected", out / "transformed"))
    tell(reports[1])
    return out / "transformed", reports


def run_pipeline(
    inputs: Sequence[Path],
    out: Path,
    store: ModelStore,
    *,
    created_ns: int,
    command: str,
    options: DatasetOptions | None = None,
    columns: Mapping[str, str] | None = None,
    select: bool = False,
    tell: Tell = lambda _report: None,
) -> PipelineResult:
    """Run all stages, keeping what each writes below `out`.

    Raises ConfigError when there is nothing to read, DataError when it cannot
    be used or is too little; what the stages before have written is kept.
    """
    source, reports = prepare(inputs, out, columns=columns, tell=tell)
    features = out / "features" / "features.csv"
    reports.append(make_features(source, features, options or DatasetOptions()))
    tell(reports[-1])
    saved = train_on_features(features, store, created_ns=created_ns, command=command, select=select)
    reports.append(saved.report)
    tell(saved.report)
    card, estimators, _ = store.load(saved.card.version)
    model = TrainedModel(card=card, estimators=estimators)
    reports.append(predict(model, source, out / "predictions" / "predictions.csv"))
    tell(reports[-1])
    evaluation = of_card(card)
    write_evaluation(evaluation, out / "evaluation")
    result = PipelineResult(stages=tuple(reports), saved=saved, evaluation=evaluation, out=out)
    with atomic_writer(out / REPORT) as file:
        file.write(json.dumps(as_json(result), indent=2).encode() + b"\n")
    return result


def as_json(result: PipelineResult) -> dict[str, object]:
    """Return a result for machines."""
    return {
        "model": result.saved.card.version,
        "model_path": str(result.saved.directory),
        "selected": result.saved.selected,
        "verdict": result.saved.card.verdict,
        "out": str(result.out),
        "stages": [report.as_json() for report in result.stages],
    }
