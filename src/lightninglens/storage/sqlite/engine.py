"""Open a SQLite database safely: private file, write-ahead log, checked, migrated."""

from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event

from lightninglens.core.errors import DataError
from lightninglens.storage.private import private_directory, private_file
from lightninglens.storage.sqlite.migrate import upgrade

BUSY_TIMEOUT_MS = 10_000

READ_ONLY = {"reads_only": True}
"""Execution options of a connection that only reads: it waits for nobody, and nobody for it."""

Durability = Literal["full", "normal"]


def open_database(path: Path, *, schema: str, durability: Durability) -> sa.Engine:
    """Open the database at `path`, creating and migrating it as needed.

    Args:
        path: the file; its directory is made with mode 0700, the file with 0600.
        schema: the folder under `storage/migrations` that describes it.
        durability: `full` syncs at every commit (money), `normal` at checkpoints:
            a power cut may then lose the last commits, never the file.

    Raises:
        DataError: the file is damaged or is not ours. It is left as it is.
        ConfigError: a newer version of this program wrote it.
    """
    private_directory(path.parent)
    private_file(path)
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: it would leave DDL outside of them.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={durability.upper()}",
            "foreign_keys=ON",
            "trusted_schema=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    try:
        _check(engine, path)
        upgrade(engine, path, schema)
    except sa.exc.DatabaseError as problem:
        engine.dispose()
        raise _damaged(path, str(problem.orig)) from None
    except UnicodeDecodeError:  # SQLite names a table that is damaged, and no text comes of it
        engine.dispose()
        raise _damaged(path, "names of tables are no text") from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def _check(engine: sa.Engine, path: Path) -> None:
    with engine.connect() as connection:
        verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if verdict != "ok":
        raise _damaged(path, str(verdict))


def _damaged(path: Path, verdict: str) -> DataError:
    return DataError(
        f"the database cannot be read ({verdict}). It was left as it is: move it and its -wal and -shm files aside,"
        " restore a backup if there is one, and start again",
        where=str(path),
    )
