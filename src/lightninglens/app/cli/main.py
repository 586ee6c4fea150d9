"""The root of the command line: the table of commands, the options before them, errors for people."""

import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lightninglens import __version__
from lightninglens.app.cli.framework import CONTEXT, CommandEntry, Invocation, LazyGroup
from lightninglens.core.errors import ConfigError, LensError

EXIT_FAILED = 1
EXIT_USAGE = 2

COMMANDS = {
    name: CommandEntry(module=f"lightninglens.app.cli.{module}", help=text)
    for name, module, text in (
        ("up", "up", "Run the lab: simulated network, feed, dashboard."),
        ("run", "run", "Watch a node of your own around the clock: recorder, analysis, alerts, dashboard."),
        ("stop", "service", "End a running lab, or the service over a node, cleanly."),
        ("serve-lnd", "serve_lnd", "Let simulated nodes answer as LND, for tools written for LND."),
        ("sim", "sim", "Simulate payments on any graph, and report."),
        ("graph", "graph", "Import, describe and convert network graphs."),
        ("lab", "lab", "Experiments in simulated worlds."),
        ("learn", "learn", "Train a model on what was recorded, and predict with it."),
        ("analyze", "analyze", "Show what a node failed to earn, from what was recorded."),
        ("monitor", "monitor", "Record what a node is asked to forward, and what it misses."),
        ("profit", "profit", "Show what each channel of a node earns and costs."),
        ("report", "report", "Show missed opportunities from a file."),
        ("effects", "effects", "Show what was done for a node's channels, and what it brought."),
        ("alerts", "alerts", "Show the rules for alerts, and try them on what was recorded."),
        ("rebalance", "rebalance", "Rebalance channels by circular self-payments."),
        ("node", "node", "Read a Lightning node of your own, and make macaroons for it."),
        ("doctor", "doctor", "Say in words what is wrong with this set-up."),
        ("config", "config", "Show the settings in effect and where each came from."),
    )
}


class RootGroup(LazyGroup):
    """The `lens` command."""

    table = COMMANDS


class LogLevel(StrEnum):
    """Least severe level that is shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """For people or for machines."""

    CONSOLE = "console"
    JSON = "json"


app = typer.Typer(
    cls=RootGroup,
    context_settings=CONTEXT,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog="Example: lens up --speed 10. Exit codes: 0 done, 1 failed, 2 wrong usage or settings.",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        typer.echo(f"lens {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None, typer.Option(help="Settings file; otherwise $LENS_CONFIG, ./lens.toml or the user's.")
    ] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="Least severe level that is logged.")] = None,
    log_format: Annotated[LogFormat | None, typer.Option(help="Log for people or as JSON lines.")] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """See what a Lightning node failed to earn, rehearse the remedy on a simulated network, act."""
    given: Invocation = ctx.ensure_object(Invocation)
    given.config_file = config
    given.log_level = log_level
    given.log_format = log_format


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command line and exit: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted."""
    given = Invocation()
    try:
        typer.main.get_command(app)(args=arguments, prog_name="lens", obj=given)
    except LensError as problem:
        _show(given, str(problem))
        sys.exit(EXIT_USAGE if isinstance(problem, ConfigError) else EXIT_FAILED)
    except OSError as problem:
        _show(given, f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem))
        sys.exit(EXIT_FAILED)
    except Exception as problem:  # noqa: BLE001 - a bug of ours must not show itself as a page of traceback
        _show(
            given,
            f"unexpected {type(problem).__name__}: {problem}. This is a bug in LightningLens;"
            " `lens --log-level debug ...` shows the traceback to report",
        )
        sys.exit(EXIT_FAILED)
    sys.exit(0)


def _show(given: Invocation, text: str) -> None:
    if given.log_level == LogLevel.DEBUG:
        traceback.print_exc()
    typer.echo(f"error: {' '.join(text.split())}", err=True)
