"""What all commands share: loading on demand, the options before the command, the way to start.

Typer draws help with rich unless told otherwise, which costs 0.15 s at each
start; so every app here is made by `new_app`, with plain help.
"""

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lightninglens.core.errors import LensError

if TYPE_CHECKING:
    from lightninglens.app.config import LoadedSettings

LabDataDir = Annotated[Path | None, typer.Option(help="Data directory of the lab; otherwise the configured one.")]
"""The option of commands that speak to a running lab."""

CONTEXT = {"help_option_names": ["-h", "--help"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """One row of the table of commands: the module with its Typer `app`, and one line of help."""

    module: str
    help: str


@dataclass(slots=True)
class Invocation:
    """The options given before the command; commands find it as `ctx.obj`."""

    config_file: Path | None = None
    log_level: str | None = None
    log_format: str | None = None

    def start(self, overrides: Mapping[str, Any] | None = None) -> "LoadedSettings":
        """Load the settings, set up logging by them, and return them.

        `overrides` are the command's own options by dotted key, for example
        `{"service.port": 3000}`; None means not given. Raises ConfigError.
        """
        from lightninglens.app.config import load_settings
        from lightninglens.app.logs import set_up_logging

        options = {"log.level": self.log_level, "log.format": self.log_format, **(overrides or {})}
        loaded = load_settings(config_file=self.config_file, overrides=options)
        set_up_logging(level=loaded.settings.log.level, style=loaded.settings.log.format)
        return loaded


def new_app(*, help: str, epilog: str | None = None, **options: Any) -> typer.Typer:  # noqa: A002 - Typer's own word
    """Return a Typer app in the house style; a group shows its help when no command is given."""
    return typer.Typer(
        help=help,
        epilog=epilog,
        context_settings=CONTEXT,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=True,
        **options,
    )


def invocation(ctx: typer.Context) -> Invocation:
    """Return the options that were given before the command."""
    found = ctx.find_object(Invocation)
    return found if found is not None else Invocation()


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name; a command's module is imported when it is looked up."""

    def __init__(self, table: Mapping[str, CommandEntry]) -> None:
        self.table = table

    def __getitem__(self, name: str) -> Any:
        entry = self.table[name]
        try:
            module = importlib.import_module(entry.module)
        except ModuleNotFoundError as missing:
            raise LensError(
                f"`lens {name}` needs the Python module {missing.name}, which is not installed;"
                " install LightningLens again"
            ) from missing
        command = typer.main.get_command(module.app)
        command.name = name
        return command

    def __setitem__(self, name: str, value: Any) -> None:
        raise TypeError("commands are added to the table, not here")

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are removed from the table, not here")

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)


class LazyGroup(TyperGroup):
    """A group whose help needs no command's module."""

    table: Mapping[str, CommandEntry] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = LazyCommands(self.table)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's own signature
        """Write the table's names and help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])
