"""Stages 4 to 6, and all of them in one go."""

import csv as csv_module
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lightninglens.core.errors import DataError
from lightninglens.core.units import NS_PER_HOUR, NS_PER_SECOND
from lightninglens.lab.learning import evaluating, features
from lightninglens.lab.learning.features import make_features, read_features, sidecars
from lightninglens.lab.learning.formats import PREDICTIONS
from lightninglens.lab.learning.observations import read_worlds
from lightninglens.lab.learning.pipeline import PipelineResult, prepare, run_pipeline
from lightninglens.lab.learning.predicting import predict
from lightninglens.lab.learning.training import train_on_features
from lightninglens.learn.dataset import DatasetOptions, build_dataset
from lightninglens.learn.features import FULL_FEATURES, REDUCED_FEATURES, FeatureTracker
from lightninglens.learn.training import TrainedModel
from lightninglens.storage.models import ModelStore

OPTIONS = DatasetOptions(horizon_ns=NS_PER_HOUR, step_ns=600 * NS_PER_SECOND)
NOW_NS = 1_795_000_000 * NS_PER_SECOND
DOCUMENTED = (
    "timestamp,channel_id,capacity,local_balance,remote_balance,balance_ratio,tx_count,success_rate,avg_amount,"
    "optimal_ratio,adjustment_needed"
)


@pytest.fixture(name="source", scope="module")
def _source(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare([run], tmp_path_factory.mktemp("source"))[0]


@pytest.fixture(name="reduced_source", scope="module")
def _reduced_source(csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare([csv], tmp_path_factory.mktemp("reduced"))[0]


@pytest.fixture(name="made", scope="module")
def _made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("features") / "features.csv"
    make_features(source, path, OPTIONS)
    return path


@pytest.fixture(name="piped", scope="module")
def _piped(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PipelineResult, ModelStore]:
    folder = tmp_path_factory.mktemp("pipeline")
    store = ModelStore(folder / "models")
    command = "lens learn pipeline"
    result = run_pipeline([run], folder / "out", store, created_ns=NOW_NS, command=command, options=OPTIONS)
    return result, store


@pytest.fixture(name="model", scope="module")
def _model(piped: tuple[PipelineResult, ModelStore]) -> TrainedModel:
    result, store = piped
    card, estimators, _ = store.load(result.saved.card.version)
    return TrainedModel(card=card, estimators=estimators)


@pytest.mark.promise("A0.13c", "A0.33", "A0.42")
def test_features_come_back_from_their_file_as_they_were_made(source: Path, made: Path) -> None:
    dataset, record = read_features(made)
    (world,) = read_worlds(source)
    ours = build_dataset(world.observations, record.options)
    assert record.features == dataset.features == FULL_FEATURES
    for name in ("X", "y", "share_now", "time_ns", "channel_id", "failing_now_msat", "failing_best_msat"):
        assert np.array_equal(getattr(dataset, name), getattr(ours, name), equal_nan=name == "X"), name
    assert dataset.node_id == ours.node_id
    assert np.array_equal(dataset.moves.gain_msat, ours.moves.gain_msat)
    assert not np.isnan(dataset.baseline).any()


def test_the_last_rows_have_features_and_no_target(source: Path, made: Path) -> None:
    rows = pl.read_csv(made, infer_schema_length=None)
    _, record = read_features(made)
    open_rows = rows.filter(pl.col("target_share").is_null())
    assert open_rows.height == record.rows - record.rows_with_target > 0
    (world,) = read_worlds(source)
    tracker = FeatureTracker()
    for seen in world.observations:
        tracker.observe(seen)
    last = open_rows.tail(14).filter(pl.col("channel_id") == "202x1x0")
    assert set(last["node"]) <= {node for _, node in tracker.sides()}


@pytest.mark.promise("A0.27")
def test_without_attempts_there_is_the_reduced_set_and_it_is_said(reduced_source: Path, tmp_path: Path) -> None:
    report = make_features(reduced_source, tmp_path / "mine.csv", OPTIONS)
    dataset, record = read_features(tmp_path / "mine.csv")
    assert dataset.features == REDUCED_FEATURES
    assert record.reduced
    assert any("reduced set of features" in note for note in report.notes)
    assert {path.name for path in report.paths} == {"mine.csv", "mine.moves.csv", "mine.json"}


def test_features_that_were_changed_are_refused(made: Path, tmp_path: Path) -> None:
    for path in (made, *sidecars(made)):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    copy = tmp_path / made.name
    copy.write_text(copy.read_text().replace("0.5", "0.6", 1))
    with pytest.raises(DataError, match="not the file that"):
        read_features(copy)
    sidecars(copy)[1].unlink()
    with pytest.raises(DataError, match=r"features\.json is missing"):
        read_features(copy)
    with pytest.raises(DataError, match="no such file"):
        read_features(tmp_path / "none.csv")


def test_more_rows_than_there_is_room_for_are_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "MOST_ROWS", 100)
    with pytest.raises(DataError, match="--step-minutes"):
        make_features(source, tmp_path / "f.csv", OPTIONS)


@pytest.mark.promise("A0.13", "A0.13d", "A0.13e", "A0.34", "A0.43", "A0.44")
def test_one_command_goes_from_recordings_to_a_model_and_predictions(piped: tuple[PipelineResult, ModelStore]) -> None:
    result, store = piped
    assert [report.stage for report in result.stages] == ["collect", "transform", "features", "train", "predict"]
    for report in result.stages:
        assert all(path.exists() for path in report.paths), report.stage
        assert report.rows_out > 0
    card = store.cards()[0]
    assert card == result.saved.card
    assert store.selected() == card.version
    assert card.rows_held_out > 0
    assert len({card.share_errors.model, card.share_errors.half, card.share_errors.last_value}) == 3
    assert card.lineage["command"] == "lens learn pipeline"
    written = json.loads((result.out / "report.json").read_text())
    assert written["model_path"] == str(result.saved.directory)
    assert (result.out / "evaluation/evaluation.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.promise("A0.35", "A0.44")
def test_predictions_have_the_documented_columns_and_differ(piped: tuple[PipelineResult, ModelStore]) -> None:
    result, _ = piped
    path = result.stages[-1].paths[0]
    with path.open() as file:
        rows = list(csv_module.DictReader(file))
    assert ",".join(list(rows[0])[:11]) == DOCUMENTED
    assert list(rows[0]) == [column.name for column in PREDICTIONS.columns]
    assert len(rows) == 14
    assert len({row["optimal_ratio"] for row in rows}) > 5
    for row in rows:
        best, low, high = (float(row[name]) for name in ("optimal_ratio", "low_ratio", "high_ratio"))
        assert 0 <= low <= best <= high <= 1
        assert float(row["adjustment_needed"]) == pytest.approx(best - float(row["balance_ratio"]))
        assert int(row["tx_count"]) > 0
        assert 0 < float(row["success_rate"]) <= 1
        assert row["node"].startswith("lnd-")


def test_a_second_model_is_taken_into_use_only_when_asked(piped: tuple[PipelineResult, ModelStore], made: Path) -> None:
    result, store = piped
    other = train_on_features(made, store, created_ns=NOW_NS + NS_PER_SECOND, command="x")
    assert not other.selected
    assert store.selected() == result.saved.card.version
    third = train_on_features(made, store, created_ns=NOW_NS + 2 * NS_PER_SECOND, command="x", select=True)
    assert store.selected() == third.card.version
    store.select(result.saved.card.version)


def test_too_little_data_is_refused_with_what_is_needed(source: Path, tmp_path: Path) -> None:
    make_features(source, tmp_path / "f.csv", replace(OPTIONS, horizon_ns=6 * NS_PER_HOUR))
    with pytest.raises(DataError, match="too little to learn from"):
        train_on_features(tmp_path / "f.csv", ModelStore(tmp_path / "models"), created_ns=NOW_NS, command="x")
    assert ModelStore(tmp_path / "models").cards() == []


def test_a_model_that_needs_attempts_says_so(model: TrainedModel, reduced_source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="have no single attempts"):
        predict(model, reduced_source, tmp_path / "p.csv")
    strange = TrainedModel(card=replace(model.card, features=("moon_phase",)), estimators=model.estimators)
    with pytest.raises(DataError, match="moon_phase"):
        predict(strange, reduced_source, tmp_path / "p.csv")


def test_a_reduced_model_predicts_and_leaves_empty_what_it_cannot_know(
    reduced_source: Path, source: Path, tmp_path: Path
) -> None:
    make_features(reduced_source, tmp_path / "f.csv", OPTIONS)
    store = ModelStore(tmp_path / "models")
    saved = train_on_features(tmp_path / "f.csv", store, created_ns=NOW_NS, command="x")
    card, estimators, _ = store.load(saved.card.version)
    reduced = TrainedModel(card=card, estimators=estimators)
    report = predict(reduced, reduced_source, tmp_path / "p.csv")
    assert report.missing == {"tx_count": 14, "success_rate": 14, "avg_amount": 14}
    assert predict(reduced, source, tmp_path / "q.csv").missing == {}
    assert card.reliability is None
    assert len(evaluating.in_words(evaluating.of_card(card))) == 7
    evaluating.write_evaluation(evaluating.of_card(card), tmp_path / "evaluation")


def test_of_its_own_data_a_model_is_judged_on_the_held_out_part(model: TrainedModel, made: Path) -> None:
    found = evaluating.evaluate(model, made)
    assert "held-out part" in found.judged_on
    assert found.share_errors == model.card.share_errors
    assert found.reliability == model.card.reliability
    assert found.verdict == model.card.verdict


def test_of_other_data_all_rows_count(model: TrainedModel, reduced_source: Path, source: Path, tmp_path: Path) -> None:
    make_features(source, tmp_path / "f.csv", replace(OPTIONS, step_ns=1_200 * NS_PER_SECOND))
    found = evaluating.evaluate(model, tmp_path / "f.csv")
    assert "all rows of other data" in found.judged_on
    assert found.share_errors.rows == read_features(tmp_path / "f.csv")[1].rows_with_target
    make_features(reduced_source, tmp_path / "r.csv", OPTIONS)
    with pytest.raises(DataError, match="which the model needs"):
        evaluating.evaluate(model, tmp_path / "r.csv")
    make_features(source, tmp_path / "h.csv", replace(OPTIONS, horizon_ns=2 * NS_PER_HOUR))
    with pytest.raises(DataError, match="another horizon"):
        evaluating.evaluate(model, tmp_path / "h.csv")
    make_features(source, tmp_path / "l.csv", replace(OPTIONS, horizon_ns=200 * NS_PER_HOUR))
    with pytest.raises(DataError, match="shorter than the horizon"):
        evaluating.evaluate(model, tmp_path / "l.csv")
