"""Stage 5: a file of features becomes a model in the registry."""

from dataclasses import dataclass
from pathlib import Path

from lightninglens.core.errors import DataError
from lightninglens.core.model_card import ModelCard
from lightninglens.lab.learning.bootstrap import fingerprint, lineage
from lightninglens.lab.learning.features import read_features
from lightninglens.lab.learning.report import StageReport
from lightninglens.learn.training import TrainedModel, train
from lightninglens.storage.models import ModelStore, version_name

STAGE = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """A new model, where it is, and whether it is the one in use."""

    card: ModelCard
    directory: Path
    selected: bool
    report: StageReport


def train_on_features(
    path: Path, store: ModelStore, *, created_ns: int, command: str, select: bool = False
) -> SavedModel:
    """Train on a file of features and save the model; raises DataError when there is too little to learn from."""
    dataset, record = read_features(path)
    data_sha256 = fingerprint(dataset)
    try:
        model = train(
            dataset,
            version=version_name(created_ns, data_sha256),
            created_ns=created_ns,
            trained_on=record.source,
            data_sha256=data_sha256,
            lineage=lineage(command),
        )
    except DataError as problem:
        raise DataError(problem.problem, where=str(path)) from None
    return save_model(model, store, rows_in=len(dataset.y), select=select)


def save_model(model: TrainedModel, store: ModelStore, *, rows_in: int, select: bool = False) -> SavedModel:
    """Save a model; it is taken into use when that is asked for, or when none is in use yet. Raises DataError."""
    directory = store.save(model.card, model.estimators)
    selected = select or store.selected() is None
    if selected:
        store.select(model.card.version)
    use = "it is in use from the next start on; `lens learn models use VERSION` takes another"
    other = f"another model stays in use; `lens learn models use {model.card.version}` takes this one"
    report = StageReport(
        stage=STAGE,
        rows_in=rows_in,
        rows_out=model.card.rows_trained,
        paths=(directory,),
        notes=(f"judged on {model.card.rows_held_out:,} rows of time that it had not seen", use if selected else other),
    )
    return SavedModel(card=model.card, directory=directory, selected=selected, report=report)
