"""A run as the CSV of 17 columns that the source documents' simulator wrote.

Amounts and balances are in whole sat there. What that simulator left empty or
wrong (fee 0, route length 1, no hash, balances 0, JSON encoded twice) is filled
in here from the run. Balances are gross: with commitment fee and anchors.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from lightninglens.core.graph import unique_names
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_MS, NS_PER_SECOND
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.runs import Manifest, read_manifest, read_run_table
from lightninglens.storage.files.spreadsheets import spreadsheet_text
from lightninglens.storage.files.tables import CHANNEL_STATES, NODES, PAYMENTS

COLUMNS = (
    "timestamp",
    "type",
    "sender",
    "receiver",
    "amount",
    "fee",
    "route_length",
    "success",
    "payment_hash",
    "description",
    "duration_ms",
    "channel_before",
    "channel_after",
    "sender_balance_before",
    "sender_balance_after",
    "receiver_balance_before",
    "receiver_balance_after",
)


def export_csv(directory: Path, out: Path) -> int:
    """Write the CSV and return its number of rows, header aside; raises DataError."""
    manifest = read_manifest(directory)
    payments = read_run_table(directory, manifest, "payments", PAYMENTS)
    states = read_run_table(directory, manifest, "channel_states", CHANNEL_STATES)
    names = _names(read_run_table(directory, manifest, "nodes", NODES))
    capacity = dict(states.unique("channel_id").select("channel_id", "capacity_sat").iter_rows())
    rows = sorted(
        [*_payment_rows(manifest, payments, names, capacity), *_snapshot_rows(states, names)],
        key=lambda row: row["timestamp"],
    )
    with atomic_writer(out) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.DictWriter(text, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
        text.detach()
    return len(rows)


def payment_hash(seed: int, payment_id: int) -> str:
    """Return the hash of a simulated payment: of a preimage that follows from seed and id."""
    preimage = hashlib.sha256(f"lightninglens/preimage/{seed}/{payment_id}".encode()).digest()
    return hashlib.sha256(preimage).hexdigest()


def _time(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / NS_PER_SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _channel(channel_id: int, gross_msat: int, capacity_sat: int) -> str:
    if channel_id == 0:
        return ""
    local_sat = gross_msat // MSAT_PER_SAT
    facts = {
        "channel_id": str(ChannelId(channel_id)),
        "capacity": capacity_sat,
        "local_balance": local_sat,
        "remote_balance": capacity_sat - local_sat,
    }
    return json.dumps(facts)


def _names(nodes: pl.DataFrame) -> dict[str, str]:
    ids = [NodeId(node) for node in nodes["node_id"]]
    return dict(zip(ids, map(spreadsheet_text, unique_names(ids, nodes["alias"].to_list())), strict=True))


def _payment_rows(
    manifest: Manifest, payments: pl.DataFrame, names: dict[str, str], capacity: dict[int, int]
) -> Iterator[dict[str, Any]]:
    for row in payments.iter_rows(named=True):
        channel = row["first_channel_id"]
        yield {
            "timestamp": _time(row["start_ns"]),
            "type": row["kind"],
            "sender": names[row["sender"]],
            "receiver": names[row["receiver"]],
            "amount": row["amount_msat"] // MSAT_PER_SAT,
            "fee": f"{row['fee_msat'] / MSAT_PER_SAT:.3f}",
            "route_length": row["hops"],
            "success": row["outcome"] == HtlcOutcome.SUCCEEDED.name,
            "payment_hash": payment_hash(manifest.scenario.seed, row["payment_id"]),
            "description": spreadsheet_text(row["description"]),
            "duration_ms": (row["end_ns"] - row["start_ns"]) // NS_PER_MS,
            "channel_before": _channel(channel, row["first_before_msat"], capacity.get(channel, 0)),
            "channel_after": _channel(channel, row["first_after_msat"], capacity.get(channel, 0)),
            "sender_balance_before": row["sender_before_msat"] // MSAT_PER_SAT,
            "sender_balance_after": row["sender_after_msat"] // MSAT_PER_SAT,
            "receiver_balance_before": row["receiver_before_msat"] // MSAT_PER_SAT,
            "receiver_balance_after": row["receiver_after_msat"] // MSAT_PER_SAT,
        }


def _snapshot_rows(states: pl.DataFrame, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    """One row per snapshot: the channels of all nodes, by id, as a JSON list."""
    for (time_ns,), moment in states.group_by("time_ns", maintain_order=True):
        channels = [
            {
                "channel_id": str(ChannelId(row["channel_id"])),
                "node1": names[row["node1"]],
                "node2": names[row["node2"]],
                "capacity": row["capacity_sat"],
                "node1_balance": row["node1_local_msat"] // MSAT_PER_SAT,
                "node2_balance": row["node2_local_msat"] // MSAT_PER_SAT,
            }
            for row in moment.iter_rows(named=True)
        ]
        yield {"timestamp": _time(int(str(time_ns))), "type": "snapshot", "channel_before": json.dumps(channels)}
