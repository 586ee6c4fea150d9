"""The registry of models: whole or not there, unchanged or refused, and never a pickle."""

import bz2
import gzip
import io
import json
import os
import pickle
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.model_card import ModelCard, ShareErrors
from lightninglens.storage import models
from lightninglens.storage.models import ModelStore, read_model, version_name

ERRORS = ShareErrors(rows=9, model=0.2, half=0.3, last_value=0.4, baseline=None)
CARD = ModelCard(
    version="20261120T101500Z-3f9a1c",
    created_ns=1_795_000_000_000_000_000,
    trained_on="48 h of simulated lab",
    data_sha256="ab" * 32,
    rows_trained=100,
    rows_held_out=9,
    horizon_ns=21_600_000_000_000,
    gap_ns=0,
    features=("capacity", "balance_ratio"),
    reduced=False,
    own_payment_worth_ppm=1_000,
    share_errors=ERRORS,
    share_errors_over_time=((1_000, ERRORS),),
    reliability=None,
    verdict="no better",
    lineage={"numpy": "2"},
)
ROWS = np.arange(40.0).reshape(20, 2) % 7


def estimators() -> dict[str, Any]:
    steps = [("fill", SimpleImputer()), ("scale", StandardScaler()), ("model", Ridge())]
    return {"share": Pipeline(steps).fit(ROWS, ROWS[:, 0]), "gain": Ridge().fit(ROWS, ROWS[:, 1])}


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture(name="saved")
def _saved(store: ModelStore) -> Path:
    return store.save(CARD, estimators(), {"seen": 3})


def test_a_model_is_what_it_was_when_it_is_loaded(store: ModelStore, saved: Path) -> None:
    card, loaded, online = store.load(CARD.version)
    assert card == CARD
    assert online == {"seen": 3}
    for name, estimator in estimators().items():
        assert np.array_equal(loaded[name].predict(ROWS), estimator.predict(ROWS))
    assert read_model(saved)[0] == CARD
    assert store.open(str(saved))[0] == CARD


def test_without_an_online_learner_there_is_none(store: ModelStore) -> None:
    store.save(CARD, {})
    assert store.load(CARD.version)[1:] == ({}, None)


def test_only_the_owner_may_read_a_model(store: ModelStore, saved: Path) -> None:
    store.select(CARD.version)
    for path in (store.directory, saved):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (*saved.iterdir(), store.directory / models.SELECTED):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_models_are_listed_newest_first_and_one_is_chosen(store: ModelStore, saved: Path) -> None:
    newer = replace(CARD, version="b", created_ns=CARD.created_ns + 1)
    store.save(newer, {})
    assert [card.version for card in store.cards()] == ["b", CARD.version]
    assert store.selected() is None
    store.select(CARD.version)
    assert store.selected() == CARD.version
    assert store.card("b") == newer


def test_an_empty_registry_has_nothing(store: ModelStore) -> None:
    assert (store.cards(), store.selected(), store.damaged()) == ([], None, {})
    with pytest.raises(ConfigError, match="none yet"):
        store.load("a")


def test_a_version_is_never_overwritten(store: ModelStore, saved: Path) -> None:
    with pytest.raises(DataError, match="never overwritten"):
        store.save(CARD, {})
    assert set(store.load(CARD.version)[1]) == {"share", "gain"}


@pytest.mark.parametrize("name", ["../evil", "a/b", "/etc", "..", ".", "", ".hidden", "a\0b", "a b", "a..b", "x" * 90])
def test_a_name_cannot_lead_elsewhere(store: ModelStore, name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a model"):
        store.load(name)
    with pytest.raises(ConfigError, match="no name of a model"):
        store.save(replace(CARD, version=name), {})


def test_a_crash_while_saving_leaves_nothing(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        store.save(CARD, {})
    monkeypatch.undo()
    assert list(store.directory.iterdir()) == []


def test_what_could_not_be_loaded_is_not_saved(store: ModelStore) -> None:
    forest = RandomForestRegressor(2, random_state=1).fit(ROWS, ROWS[:, 0])
    with pytest.raises(DataError, match=r"sklearn\.tree\._tree\.Tree"):
        store.save(CARD, {"share": forest})
    with pytest.raises(DataError, match="cannot be called"):
        store.save(CARD, {"../share": Ridge()})
    assert store.cards() == []


def test_an_estimator_of_another_type_is_refused(saved: Path) -> None:
    from skops.io import dumps

    forest = RandomForestRegressor(2, random_state=1).fit(ROWS, ROWS[:, 0])
    put(saved, "share.skops", dumps(forest))
    with pytest.raises(DataError, match=r"Tree, and nothing of such a type is ever loaded"):
        read_model(saved)


def put(directory: Path, name: str, data: bytes) -> None:
    """Put a file into a model, with the manifest telling of it as an attacker would."""
    import hashlib

    (directory / name).write_bytes(data)
    manifest = json.loads((directory / models.MANIFEST).read_text())
    manifest["sha256"][name] = hashlib.sha256(data).hexdigest()
    (directory / models.MANIFEST).write_text(json.dumps(manifest))


class Trap:
    """Runs when it is unpickled."""

    sprung: ClassVar[list[bool]] = []

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return spring, ()


def spring() -> None:
    Trap.sprung.append(True)


PICKLES = {f"protocol {protocol}": pickle.dumps(Trap(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)}
PACKED = {"gzip": gzip.compress(PICKLES["protocol 4"], mtime=0), "bz2": bz2.compress(PICKLES["protocol 4"])}


@pytest.mark.parametrize("data", [*PICKLES.values(), *PACKED.values()], ids=[*PICKLES, *PACKED])
@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "share.skops", "model"])
def test_a_pickle_is_refused_whatever_it_is_called(
    store: ModelStore, saved: Path, tmp_path: Path, data: bytes, name: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="pickle or joblib file"):
        store.open(str(tmp_path / name))
    put(saved, name, data)
    with pytest.raises(DataError, match=r"pickle or joblib file|no file of a model"):
        store.load(CARD.version)
    assert Trap.sprung == []


def test_a_pickle_inside_of_a_skops_file_is_refused(saved: Path) -> None:
    packed = io.BytesIO()
    array = io.BytesIO()
    np.save(array, np.array([Trap()], dtype=object), allow_pickle=True)
    node = {
        "__class__": "ndarray",
        "__module__": "numpy",
        "__loader__": "NdArrayNode",
        "type": "numpy",
        "file": "a.npy",
    }
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.npy", array.getvalue())
        file.writestr(
            "schema.json",
            json.dumps({**node, "type": "numpy", "file": "a.npy", "protocol": 2, "_skops_version": "0.16.0"}),
        )
    put(saved, "share.skops", packed.getvalue())
    with pytest.raises(DataError, match="no estimator that can be used"):
        read_model(saved)
    assert Trap.sprung == []


def test_a_file_that_unpacks_to_too_much_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MAX_UNPACKED_BYTES", 10)
    with pytest.raises(DataError, match="unpacked it would be"):
        read_model(saved)


def test_a_named_file_that_is_no_model_is_refused(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match="not a single file"):
        store.open(str(tmp_path / "x.json"))
    with pytest.raises(ConfigError, match="no such file"):
        store.open("missing.pkl")


@pytest.mark.parametrize("name", ["card.json", "share.skops", "online.json"])
def test_a_file_that_was_changed_is_refused(store: ModelStore, saved: Path, name: str) -> None:
    data = (saved / name).read_bytes()
    (saved / name).write_bytes(data[:-3] + b" \n\n")
    with pytest.raises(DataError, match="its hash is not the manifest's"):
        store.load(CARD.version)


def test_a_damaged_model_does_not_hide_the_others(store: ModelStore, saved: Path) -> None:
    store.save(replace(CARD, version="other"), {})
    (saved / "card.json").unlink()
    assert [card.version for card in store.cards()] == ["other"]
    assert "card.json" in store.damaged()[CARD.version]
    with pytest.raises(DataError):
        store.select(CARD.version)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("online.json", b"[1]\n", "no JSON object"),
        ("online.json", b"{", "not readable as JSON"),
        ("share.skops", b"PK\x03\x04junk", "no estimator"),
        ("evil.sh", b"#!/bin/sh\n", "no file of a model"),
        ("model.pkl", b"x", "pickle"),
    ],
)
def test_what_is_no_part_of_a_model_is_refused(saved: Path, name: str, data: bytes, reason: str) -> None:
    put(saved, name, data)
    with pytest.raises(DataError, match=reason):
        read_model(saved)


def test_a_card_of_another_model_is_refused(store: ModelStore, saved: Path) -> None:
    other = store.save(replace(CARD, version="other"), {})
    put(saved, "card.json", (other / "card.json").read_bytes())
    with pytest.raises(DataError, match="the card is of 'other'"):
        read_model(saved)
    manifest = json.loads((saved / models.MANIFEST).read_text())
    del manifest["sha256"]["card.json"]
    (saved / models.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"does not list card\.json"):
        read_model(saved)


def test_a_choice_that_is_no_version_is_told(store: ModelStore, saved: Path) -> None:
    (store.directory / models.SELECTED).write_text("../../etc/passwd")
    with pytest.raises(DataError, match="holds no version"):
        store.selected()
    (store.directory / models.SELECTED).unlink()
    (store.directory / models.SELECTED).mkdir()
    with pytest.raises(DataError, match="directory"):
        store.selected()


def test_a_file_that_is_too_large_is_not_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MAX_FILE_BYTES", 10)
    with pytest.raises(DataError, match="larger than 10 bytes"):
        read_model(saved)


def test_a_version_says_when_and_of_what() -> None:
    assert version_name(1_795_000_000_000_000_000, "3f9a1c77") == "20261118T110640Z-3f9a1c"
