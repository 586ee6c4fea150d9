from pathlib import Path

import pytest

from lightninglens.core.errors import DataError
from lightninglens.storage.readings import READINGS_FILE, ReadingStore, StoredReading


def test_readings_come_back_by_series_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / READINGS_FILE
    with ReadingStore(path) as store:
        store.append([StoredReading("disk_free", "", 20, 2.5), StoredReading("local_share", "1x1x1", 10, 0.5)])
        store.append([StoredReading("disk_free", "", 10, 3.5)])
    with ReadingStore(path) as store:
        store.append([StoredReading("disk_free", "", 20, 9.5)])
        found = store.of_series("disk_free", since_ms=0, until_ms=100)
        assert [(each.at_ms, each.value) for each in found] == [(10, 3.5), (20, 9.5)]
        assert store.of_series("disk_free", since_ms=11, until_ms=20) == []
        assert store.forget(before_ms=15) == 2
        assert [each.at_ms for each in store.of_series("disk_free", since_ms=0, until_ms=100)] == [20]
        assert store.folder == tmp_path


def test_a_damaged_file_is_told_and_left(tmp_path: Path) -> None:
    path = tmp_path / READINGS_FILE
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(DataError, match="left as it is"):
        ReadingStore(path)
    assert path.read_bytes().startswith(b"this is no database")
