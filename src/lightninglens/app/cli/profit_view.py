"""How profit and loss are shown: a head with the node's sums, a table of the first rows, a CSV file of all."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from lightninglens.app.cli.missed_view import printable

ROWS_SHOWN = 40
LATE_MS = 600_000
"""Twice as long as there is between two readings of the books."""
_EXACT = 3

_MONEY = (
    ("Net", "net_msat"),
    ("Earned", "fee_earned_msat"),
    ("Half each", "fee_split_msat"),
    ("Rebalancing", "rebalance_fee_msat"),
    ("On chain", "on_chain_cost_msat"),
    ("Source gives up", "liquidity_taken_msat"),
)
_FLOW = (("Out", "forwarded_out_msat"), ("In", "forwarded_in_msat"))


def show_head(plain: Mapping[str, Any]) -> None:
    """Say which time this is about, what the node made of it, and what is missing."""
    node = plain["node"]
    typer.echo(
        f"{_date(plain['from_ms'])} to {_date(plain['to_ms'])} UTC: net {_sat(node['net_msat'], 3)} sats"
        f" = earned {_sat(node['fee_earned_msat'], 3)} - rebalancing {_sat(node['rebalance_fee_msat'], 3)}"
        f" - on chain {_sat(node['on_chain_cost_msat'], 3)}"
    )
    yearly = node["return_on_capacity_per_year"]
    if yearly is not None:
        on_local = node["return_on_local_per_year"]
        typer.echo(
            f"a year's return at this rate: {yearly:.3%} of the capacity"
            + ("" if on_local is None else f", {on_local:.3%} of our average balance")
        )
    for warning in _missing(plain):
        typer.echo(warning)


def _missing(plain: Mapping[str, Any]) -> list[str]:
    """Return, in words, what the figures do not have in them."""
    found = []
    for what, key in (
        ("what forwards earned", "forwards_known_until_ms"),
        ("what rebalancing cost", "self_payments_known_until_ms"),
    ):
        if not plain[key]:
            found.append(f"{what} was never read from the node's books, so it is missing here")
        elif plain[key] < plain["to_ms"] - LATE_MS:
            found.append(f"{what} is known until {_date(plain[key])}")
    if plain["node"]["costs_unknown"]:
        count = plain["node"]["costs_unknown"]
        found.append(f"openings or closings whose cost the node cannot tell, or not all of it: {count}")
    return found


def show_rows(plain: Mapping[str, Any]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    columns, cells = _TABLES[plain["by"]]
    table = Table(title=f"PROFIT AND LOSS BY {plain['by'].upper()}, IN SATS")
    for name, is_text in columns:
        table.add_column(name, justify="left" if is_text else "right")
    rows = plain["rows"]
    shown = rows if plain["by"] == "hour" else rows[:ROWS_SHOWN]
    for row in shown:
        table.add_row(*cells(row))
    Console(highlight=False, soft_wrap=False).print(table)
    if len(rows) > len(shown):
        typer.echo(f"{len(rows) - len(shown)} more: --output FILE writes them all")


def _channel_cells(row: Mapping[str, Any]) -> list[str]:
    name = row["channel_id"] if row["is_open"] else f"{row['channel_id']} (closed)"
    return [name, _peer(row), *_standing_cells(row), row["analysis"]["category"].replace("_", " ")]


def _peer_cells(row: Mapping[str, Any]) -> list[str]:
    success = row["success"]
    settles = (
        "-" if success["rate"] is None else f"{success['rate']:.0%} ({success['lower']:.0%} to {success['upper']:.0%})"
    )
    return [_peer(row), str(len(row["channel_ids"])), *_standing_cells(row), settles]


def _standing_cells(row: Mapping[str, Any]) -> list[str]:
    return [
        *(_sat(row[key]) for _, key in (*_MONEY, *_FLOW)),
        _or_dash(row["earned_ppm"], "{:,}"),
        _or_dash(row["utilisation"], "{:.2f}"),
        _or_dash(row["return_on_capacity_per_year"], "{:.2%}"),
        _or_dash(row["active_share"], "{:.0%}"),
    ]


def _pair_cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["incoming_channel_id"],
        printable(row["incoming_peer_alias"])[:20],
        row["outgoing_channel_id"],
        printable(row["outgoing_peer_alias"])[:20],
        f"{row['forwards']:,}",
        _sat(row["forwarded_out_msat"]),
        _sat(row["fee_earned_msat"], _EXACT),
        _or_dash(row["earned_ppm"], "{:,}"),
    ]


def _hour_cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["day"],
        f"{row['hour']:02}:00",
        f"{row['hours']}",
        f"{row['forwards']:,}",
        _sat(row["forwarded_out_msat"]),
        _sat(row["fee_earned_msat"], _EXACT),
        f"{row['rebalances']:,}",
        _sat(row["rebalance_fee_msat"], _EXACT),
    ]


def _numbers(*names: str) -> list[tuple[str, bool]]:
    return [(name, False) for name in names]


_STANDING = _numbers(*(name for name, _ in (*_MONEY, *_FLOW)), "ppm", "Turnover", "A year", "There")
_TABLES = {
    "channel": ([("Channel", True), ("Peer", True), *_STANDING, ("Category", True)], _channel_cells),
    "peer": ([("Peer", True), ("Channels", False), *_STANDING, ("Settles", True)], _peer_cells),
    "pair": (
        [
            ("In by", True),
            ("Peer", True),
            ("Out by", True),
            ("Peer", True),
            *_numbers("Forwards", "Out", "Earned", "ppm"),
        ],
        _pair_cells,
    ),
    "hour": (
        [
            ("Day", True),
            ("UTC", True),
            *_numbers("Hours", "Forwards", "Out", "Earned", "Rebalances", "Rebalancing"),
        ],
        _hour_cells,
    ),
}


def write_csv(rows: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Write all rows to a file, whole or not at all; what is nested has both names, lists are divided by spaces."""
    from lightninglens.storage.files.atomic import atomic_writer
    from lightninglens.storage.files.spreadsheets import spreadsheet

    text = spreadsheet([_flat(row) for row in rows])
    with atomic_writer(output) as file:
        file.write(text.encode())


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= {f"{name}_{inner}": each for inner, each in value.items()}
        elif isinstance(value, list):
            found[name] = " ".join(map(str, value))
        else:
            found[name] = value
    return found


def _peer(row: Mapping[str, Any]) -> str:
    return printable(row["peer_alias"])[:20] or (row["peer_id"] or "unknown")[:12]


def _sat(amount_msat: int, digits: int = 0) -> str:
    return f"{amount_msat / 1_000:,.{digits}f}"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _date(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")
