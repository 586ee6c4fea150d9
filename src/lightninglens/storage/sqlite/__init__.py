"""SQLite: how a database is opened, and brought to the version this program knows.

Depends on SQLAlchemy Core and alembic; `open_database` is the entry point.
"""

from lightninglens.storage.sqlite.engine import open_database

__all__ = ["open_database"]
