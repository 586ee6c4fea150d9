"""What the commands below `lens lab` share: the demand by its name, and where results are written."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.sim.demand import DemandName


def demand_of(text: str) -> "DemandName":
    """Return the demand of a name; raises ConfigError."""
    from lightninglens.sim.demand import DemandName

    if text not in list(DemandName):
        raise ConfigError(f"--demand {text!r} is none of {', '.join(DemandName)}")
    return DemandName(text)


def require_no_file(out: Path | None) -> None:
    """Refuse a file where --out names a directory; raises ConfigError."""
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; --out names a directory")


def write_results(out: Path, text: str, document: str, *, name: str) -> None:
    """Write a page and its JSON into a directory, each whole or not at all."""
    from lightninglens.storage.files.atomic import atomic_writer

    out.mkdir(parents=True, exist_ok=True)
    for ending, content in (("md", text), ("json", document)):
        with atomic_writer(out / f"{name}.{ending}") as file:
            file.write(content.encode())
    typer.echo(f"written: {out / name}.md and {name}.json", err=True)


def show_results(found: object, text: str, out: Path | None, *, name: str, as_json: bool) -> None:
    """Write what worlds came to where that is wanted, and show it as a page or as JSON."""
    from lightninglens.storage.files.codec import to_json

    document = to_json(found).decode()
    if out is not None:
        write_results(out, text, document, name=name)
    typer.echo(document if as_json else text, nl=False)


def require_some(seeds: int) -> None:
    """End with a word where Ctrl-C came before any world was done."""
    if not seeds:
        typer.echo("stopped before any world was done", err=True)
        raise typer.Exit(1)
