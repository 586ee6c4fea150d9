"""The tables as Markdown."""

import re
from collections.abc import Iterable
from typing import Final

from lightninglens.lab.fidelity.findings import Fidelity, Line, Table, Value, Verdict

_PLACE: Final = re.compile(r"(<!-- measured: (?P<key>[a-z0-9-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
"""Where a page wants a table."""


def fill_page(page: str, found: Fidelity) -> str:
    """Return a page with each table that was found put in its place; other places stay as they are."""
    tables = {table.key: table for table in found.tables}

    def fill(place: re.Match[str]) -> str:
        table = tables.get(place["key"])
        return place[0] if table is None else f"{place[1]}\n{render_table(table)}{place[3]}"

    return _PLACE.sub(fill, page)


def render(found: Fidelity) -> str:
    """Return all tables, each with its notes."""
    return "\n".join(render_table(table) for table in found.tables)


def render_table(table: Table) -> str:
    """Return one table; a figure is followed by its standard error where it has one."""
    judged = any(line.verdict is not Verdict.NONE for line in table.lines)
    heads = ["", *table.columns, *(["verdict"] if judged else [])]
    rows = [heads, ["---"] * len(heads), *(_cells(line, table.decimals, judged=judged) for line in table.lines)]
    notes = "".join(f"{note}\n\n" for note in table.notes)
    return f"**{table.title}**\n\n" + "".join(_row(cells) for cells in rows) + f"\n{notes}"


def _cells(line: Line, decimals: int, *, judged: bool) -> list[str]:
    figures = ["" if value is None else _figure(value, decimals) for value in line.values]
    verdict = f"{line.verdict.value}: {line.why}" if line.why else line.verdict.value
    return [line.label, *figures, *([verdict] if judged else [])]


def _figure(value: Value, decimals: int) -> str:
    error = "" if value.error is None else f" ± {value.error:.{decimals}f}"
    return f"{value.mean:,.{decimals}f}{error}"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"
