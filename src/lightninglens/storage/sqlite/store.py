"""What every store in a SQLite file of its own is: opened, used as a context manager, closed."""

from pathlib import Path
from typing import Self

from lightninglens.storage.sqlite.engine import Durability, open_database


class SqliteStore:
    """A file at `path` with the tables of one schema. Close it, or use it as a context manager.

    Opening raises DataError when the file is damaged and ConfigError when a
    newer version wrote it.
    """

    def __init__(self, path: Path, *, schema: str, durability: Durability) -> None:
        self._path = path
        self._engine = open_database(path, schema=schema, durability=durability)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()
