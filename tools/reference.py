"""Write the reference pages that come from the code itself: settings and command line."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

from lightninglens.app.cli.main import app
from lightninglens.app.settings import Settings
from lightninglens.core.errors import LensError

NOTE = "Written by `tools/generate_docs.py`; do not edit."
# Help is wrapped to the terminal: a fixed width gives the same page everywhere.
WIDTH = {"COLUMNS": "100", "TERMINAL_WIDTH": ""}


def render_settings() -> str:
    """Return the text of configuration.md."""
    lines = [
        "# Configuration",
        "",
        NOTE,
        "",
        "Settings are read from `lens.toml`, then from the environment, then from the command line; the last wins.",
        "The file is the one named by `--config`, else by `LENS_CONFIG`, else `./lens.toml`, else `lens.toml` in the",
        "user's configuration directory. Unknown keys are refused. `lens config show` tells what is in effect and why.",
    ]
    for section, holder in Settings.model_fields.items():
        model = holder.annotation
        if not isinstance(model, type):
            continue
        lines += ["", f"## [{section}]", "", (model.__doc__ or "").strip(), ""]
        lines += ["| key | values | default | environment | meaning |", "|---|---|---|---|---|"]
        for key, field in model.model_fields.items():
            variable = f"LENS_{section}_{key}".upper()
            lines.append(
                f"| `{key}` | {_values(field)} | {_default(field)} | `{variable}` | {field.description or ''} |"
            )
    return "\n".join(lines) + "\n"


def _values(field: FieldInfo) -> str:
    if str(get_origin(field.annotation)) == "typing.Literal":
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
    kind = get_args(kinds[0])[0] if get_origin(kinds[0]) is Annotated else kinds[0]
    name = {"int": "whole number", "float": "number", "str": "text", "Path": "path"}.get(
        getattr(kind, "__name__", ""), "text"
    )
    return " ".join([name, *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        for name, word in (("gt", "above"), ("ge", "from"), ("lt", "below"), ("le", "to")):
            if hasattr(rule, name):
                yield f"{word} {getattr(rule, name)}"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "the user's data directory"
    return "none" if field.default is None else f"`{field.default}`"


def render_commands() -> str:
    """Return the text of cli.md: the help of every command."""
    lines = ["# Command line", "", NOTE]
    for words in _walk(typer.main.get_command(app), ("lens",)):
        shown = CliRunner().invoke(app, [*words[1:], "--help"], prog_name="lens", env=WIDTH)
        lines += ["", f"## `{' '.join(words)}`", "", "```text", shown.output.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    for name in getattr(command, "commands", {}):
        try:
            inner = command.commands[name]
        except LensError:  # a command whose optional packages are not installed is left out
            continue
        yield from _walk(inner, (*words, name))


def pages(root: Path) -> dict[Path, str]:
    """Return the generated pages by path."""
    os.environ.update(WIDTH)
    folder = root / "docs/reference"
    return {folder / "configuration.md": render_settings(), folder / "cli.md": render_commands()}
