"""How missed opportunities are shown: the documented columns, with cause and interval beside them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from lightninglens.analytics.missed.report import Coverage, ReportRow

ROWS_SHOWN = 20
_VERY_URGENT, _URGENT = 70.0, 40.0
_NAMES = {
    "rebalance_inbound": "Rebalance Inbound",
    "rebalance_outbound": "Rebalance Outbound",
    "lower_fees": "Lower Fees",
    "increase_capacity": "Increase Capacity",
    "investigate": "Investigate",
}


def show_table(rows: "Sequence[ReportRow]", *, most: int = ROWS_SHOWN) -> None:
    """Print a table of opportunities in the order given."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="MISSED ROUTING OPPORTUNITIES")
    for name, justify in (
        ("Rank", "right"), ("Channel", "left"), ("Peer", "left"), ("Failures", "right"), ("Missed Revenue", "right"),
        ("Potential/Month", "right"), ("Urgency", "right"), ("Recommendation", "left"), ("Cause", "left"),
        ("Expected", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for rank, row in enumerate(rows[:most], 1):
        table.add_row(*_cells(rank, row))
    Console(highlight=False, soft_wrap=False, width=None).print(table)
    if len(rows) > most:
        typer.echo(f"{len(rows) - most} more in the JSON")


def _cells(rank: int, row: "ReportRow") -> tuple[str, ...]:
    colour = "red" if row.urgency > _VERY_URGENT else "yellow" if row.urgency > _URGENT else "green"
    interval = "-"
    if row.interval_msat is not None:
        lower, expected, upper = (each / 1_000 for each in row.interval_msat)
        interval = f"{expected:,.1f} ({lower:,.1f} to {upper:,.1f}) sats"
    return (
        str(rank),
        row.channel,
        printable(row.peer)[:24],
        f"{row.failures:,}",
        f"{row.missed_sat:,.2f} sats",
        "-" if row.monthly_sat is None else f"{row.monthly_sat:,.0f} sats",
        f"[{colour}]{row.urgency:.0f}[/{colour}]",
        _NAMES.get(row.recommendation, printable(row.recommendation)[:24]),
        row.cause or "-",
        interval,
    )


def printable(text: str) -> str:
    """Return a peer's text without what a terminal or the table would take for a command."""
    return "".join(each for each in text if each.isprintable()).replace("[", "(").replace("]", ")")


def show_coverage(coverage: "Coverage") -> None:
    """Say how much of the window was seen."""
    typer.echo(
        f"seen: {coverage.share:.1%} of the window ({coverage.hours:.1f} hours)"
        + (f", {coverage.gaps} gaps: failures in them are lost for good" if coverage.gaps else "")
    )


def write_json(plain: Mapping[str, Any], output: Path | None, *, as_json: bool) -> None:
    """Print a report as JSON where that is asked for, and write it to a file, whole or not at all."""
    if output is not None:
        from lightninglens.storage.files.atomic import atomic_writer

        with atomic_writer(output) as file:
            file.write(json.dumps(plain, indent=2).encode() + b"\n")
        if not as_json:
            typer.echo(f"written: {output}")
    if as_json:
        typer.echo(json.dumps(plain, indent=2))
