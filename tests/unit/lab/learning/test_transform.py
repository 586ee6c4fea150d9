"""Stage 3: what is added follows from the rows; what is not in the data stays missing."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from lightninglens.core.errors import DataError
from lightninglens.lab.learning import frames
from lightninglens.lab.learning.collect import collect
from lightninglens.lab.learning.formats import (
    ATTEMPTS,
    CHANNEL_STATES,
    TRANSACTIONS,
    TRANSFORMED_STATES,
    TRANSFORMED_TRANSACTIONS,
)
from lightninglens.lab.learning.observations import read_worlds
from lightninglens.lab.learning.transform import channel_states, transactions, transform
from lightninglens.storage.files.tables import Table

MOMENT = dt.datetime(2026, 1, 5, 23, 59, 59)  # noqa: DTZ001 - as in the files: naive and UTC


def rows(table: Table, *given: dict[str, object]) -> pl.DataFrame:
    names = table.schema.names()
    return pl.DataFrame([{name: row.get(name) for name in names} for row in given], schema=dict(table.schema))


def payment(number: str, **cells: object) -> dict[str, object]:
    same = {"world": "w", "payment_id": number, "timestamp": MOMENT, "amount": 2_000.0, "type": "payment"}
    return {**same, "sender": "a", "receiver": "b", **cells}


@pytest.mark.promise("A0.13b", "A0.41")
def test_fields_are_added_that_follow_from_the_rows() -> None:
    attempts = rows(
        ATTEMPTS,
        {"world": "w", "payment_id": "1", "number": 1, "settled": False, "code": "temporary_channel_failure"},
        {"world": "w", "payment_id": "1", "number": 2, "settled": False, "code": "fee_insufficient"},
        {"world": "w", "payment_id": "1", "number": 3, "settled": True, "code": "none"},
    )
    given = rows(
        TRANSACTIONS,
        payment("1", duration_ms=2_500.0, success=True, fee=3.0, attempts=3),
        payment("2", duration_ms=3_500.0, success=False, attempts=0),
    )
    first, second = transactions(given, attempts).iter_rows(named=True)
    assert first["ended"] == MOMENT + dt.timedelta(milliseconds=2_500)
    assert (first["hour_of_day"], first["day_of_week"], first["fee_ppm"]) == (0, 1, 1_500.0)
    assert (first["failed_attempts"], first["failed_for_liquidity"]) == (2, 1)
    assert (second["failed_attempts"], second["seconds_since_last"], second["fee_ppm"]) == (0, 1.0, None)


def test_what_is_not_in_the_data_is_not_invented() -> None:
    (row,) = transactions(rows(TRANSACTIONS, payment("1")), rows(ATTEMPTS)).iter_rows(named=True)
    unknown = ("sender_id", "fee", "success", "fee_ppm", "failed_attempts", "failed_for_liquidity", "route_length")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    (row,) = transactions(rows(TRANSACTIONS, payment("1", attempts=2)), rows(ATTEMPTS)).iter_rows(named=True)
    assert row["failed_attempts"] is None


def test_channel_states_get_shares_and_their_speed() -> None:
    def state(hours: float, node1: float, channel: str = "1x1x1") -> dict[str, object]:
        both = {"node1_balance": node1, "node2_balance": 1_000.0 - node1, "capacity": 1_000}
        return {"world": "w", "timestamp": MOMENT + dt.timedelta(hours=hours), "channel_id": channel, **both}

    given = rows(CHANNEL_STATES, state(0, 300), state(0, 500, "2x1x1"), state(0.5, 800), state(0.5, 900))
    made = channel_states(given)
    assert made["balance_ratio"].to_list() == [0.3, 0.5, 0.8, 0.9]
    assert made["liquidity_stress"].to_list() == [0.7, 0.5, 0.8, 0.9]
    assert made["balance_velocity"].to_list() == [None, None, 1.0, None]


def test_the_files_go_on_to_the_next_stage(run: Path, tmp_path: Path) -> None:
    collect([run], tmp_path / "collected")
    report = transform(tmp_path / "collected", tmp_path / "transformed")
    assert report.rows_in == report.rows_out
    assert read_worlds(tmp_path / "transformed") == read_worlds(tmp_path / "collected")
    for table, name in ((TRANSFORMED_TRANSACTIONS, "transactions"), (TRANSFORMED_STATES, "channel_states")):
        written = frames.read_stage_csv(table, tmp_path / f"transformed/{name}.csv")
        assert written.height > 100
        assert written.select(pl.all().is_null().all()).row(0, named=True)["timestamp"] is False


def test_a_file_of_another_stage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "transactions.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="the column 'world'"):
        transform(tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="No such file"):
        transform(tmp_path / "none", tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05 23:59:59", MOMENT),
        ("2026-01-05T23:59:59Z", MOMENT),
        ("2026-01-06T01:59:59+02:00", MOMENT),
        ("2026-01-05T23:59:59.000", MOMENT),
        ("1767657599", MOMENT),
        ("1767657599000", MOMENT),
        ("1767657599000000", MOMENT),
        ("1767657599000000000", MOMENT),
        ("2026-01-05", dt.datetime(2026, 1, 5)),  # noqa: DTZ001 - as above
        ("2026-01-05 23:59", dt.datetime(2026, 1, 5, 23, 59)),  # noqa: DTZ001 - as above
        ("2026-13-05", None),
        ("soon", None),
        ("-1", None),
        ("1e999", None),
        ("nan", None),
        ("9999-12-31", None),
    ],
)
def test_times_are_read_in_the_ways_that_people_write_them(text: str, expected: dt.datetime | None) -> None:
    assert pl.DataFrame({"t": [text]}).select(frames.times(pl.col("t"))).item() == expected
