"""Bring a database to the version this program knows, in one transaction."""

from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from lightninglens.core.errors import ConfigError, DataError


def upgrade(engine: sa.Engine, path: Path, schema: str) -> None:
    """Apply the migrations that are missing; a crash in the middle leaves the old version.

    Raises:
        ConfigError: the database is newer than this program.
        DataError: it is a SQLite database of somebody else.
    """
    config = _configuration(schema)
    scripts = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in scripts.walk_revisions()}
    with engine.begin() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is None and sa.inspect(connection).get_table_names():
            raise DataError("a database of another program; name another file", where=str(path))
        if current is not None and current not in known:
            raise ConfigError(
                f"{path}: written by a newer LightningLens (schema {current});"
                " use that version, or another data directory"
            )
        if current != scripts.get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _configuration(schema: str) -> Config:
    folder = files("lightninglens.storage") / "migrations"
    config = Config()
    config.set_main_option("path_separator", "os")
    # The settings are read with interpolation, so a percent sign in a path is doubled.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("version_locations", str(folder / schema).replace("%", "%%"))
    return config
