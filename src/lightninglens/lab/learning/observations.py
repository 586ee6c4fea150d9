"""The stages' CSV files as observations, world by world."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from lightninglens.core.errors import DataError
from lightninglens.core.htlc import FailureCode
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.observations import AttemptSeen, ChannelSeen, Observation, PaymentSeen
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_MS, Msat, Sat, UnixNs
from lightninglens.lab.learning import frames
from lightninglens.lab.learning.collect import TABLES

_NS_PER_US: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - times in the files are naive and UTC
_MICROSECOND: Final = timedelta(microseconds=1)
_CODES: Final = {code.name.lower(): code for code in FailureCode}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSeen:
    """What was seen of one world, in order of time."""

    name: str
    observations: tuple[Observation, ...]
    names: Mapping[str, str]
    """Of nodes, by the id by which they are called in the observations."""
    dropped: int
    """Attempts that could not be read; their payments are there without attempts."""


def read_worlds(folder: Path) -> list[WorldSeen]:
    """Read `transactions.csv`, `attempts.csv` and `channel_states.csv` of a stage; raises DataError."""
    found = {name: frames.read_stage_csv(table, folder / f"{name}.csv") for name, table in TABLES.items()}
    worlds = found["transactions"]["world"].unique(maintain_order=True).to_list()
    if not worlds:
        raise DataError("there is no payment in it", where=str(folder / "transactions.csv"))
    return [
        _world(name, {key: frame.filter(pl.col("world") == name) for key, frame in found.items()}) for name in worlds
    ]


def _world(name: str, found: Mapping[str, pl.DataFrame]) -> WorldSeen:
    attempts: dict[str, list[AttemptSeen]] = defaultdict(list)
    damaged: set[str] = set()
    for row in found["attempts"].iter_rows(named=True):
        attempt = _attempt(row)
        if attempt is None:
            damaged.add(row["payment_id"])
        else:
            attempts[row["payment_id"]].append(attempt)
    seen: list[Observation] = [
        payment
        for row in found["transactions"].iter_rows(named=True)
        if (payment := _payment(row, attempts, damaged)) is not None
    ]
    states = [_channel(row) for row in found["channel_states"].iter_rows(named=True)]
    seen += [state for state in states if state is not None]
    # Balances after the payments of the same moment, which they already contain.
    seen.sort(key=lambda one: (one.seen_ns, 1) if isinstance(one, ChannelSeen) else (one.ended_ns, 0))
    return WorldSeen(name=name, observations=tuple(seen), names=_names(found), dropped=len(damaged))


def _names(found: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    pairs = [(table, end) for table, ends in _ENDS.items() for end in ends]
    return {
        node or alias: alias
        for table, end in pairs
        for node, alias in found[table].select(f"{end}_id", end).unique(maintain_order=True).iter_rows()
        if alias is not None
    }


_ENDS: Final = {"transactions": ("sender", "receiver"), "channel_states": ("node1", "node2")}


def _payment(row: dict[str, Any], attempts: dict[str, list[AttemptSeen]], damaged: set[str]) -> PaymentSeen | None:
    if row["timestamp"] is None or row["amount"] is None:
        return None
    began_ns = _ns(row["timestamp"])
    duration_ms = row["duration_ms"]
    known = attempts.get(row["payment_id"], [])
    whole = row["attempts"] is not None and len(known) == row["attempts"] and row["payment_id"] not in damaged
    kind: Literal["payment", "rebalance"] = "rebalance" if row["type"] == "rebalance" else "payment"
    return PaymentSeen(
        payment_id=row["payment_id"],
        kind=kind,
        started_ns=None if duration_ms is None else UnixNs(began_ns),
        ended_ns=UnixNs(began_ns + round((duration_ms or 0.0) * NS_PER_MS)),
        sender_id=row["sender_id"] or row["sender"] or "",
        receiver_id=row["receiver_id"] or row["receiver"] or "",
        amount_msat=_msat(row["amount"]),
        fee_msat=None if row["fee"] is None else _msat(row["fee"]),
        succeeded=row["success"],
        attempts=tuple(known) if whole else None,
    )


def _attempt(row: dict[str, Any]) -> AttemptSeen | None:
    """Return an attempt, or None when it is not one that could have been."""
    code = _CODES.get(row["code"] or "")
    if row["timestamp"] is None or row["settled"] is None or code is None:
        return None
    try:
        channels = tuple(ChannelId.parse(text) for text in (row["channel_ids"] or "").split())
        amounts = tuple(Msat(int(text)) for text in (row["hop_amounts_msat"] or "").split())
    except ValueError:
        return None
    nodes = tuple(NodeId(text) for text in (row["node_ids"] or "").split())
    hop, hops = row["failed_hop"], len(channels)
    inside = hop is None or 0 <= hop < hops
    if not channels or len(amounts) != hops or len(nodes) != hops + 1 or not inside or min(amounts) < 0:
        return None
    began_ns = _ns(row["timestamp"])
    return AttemptSeen(
        started_ns=UnixNs(began_ns),
        ended_ns=UnixNs(began_ns + round((row["duration_ms"] or 0.0) * NS_PER_MS)),
        channel_ids=channels,
        node_ids=nodes,
        hop_amounts_msat=amounts,
        failed_hop=hop,
        settled=row["settled"],
        code=code,
    )


def _channel(row: dict[str, Any]) -> ChannelSeen | None:
    cells = ("timestamp", "channel_id", "capacity", "node1_balance", "node2_balance")
    ends = [row[f"{end}_id"] or row[end] for end in ("node1", "node2")]
    if any(row[name] is None for name in cells) or None in ends:
        return None
    try:
        channel_id = ChannelId.parse(row["channel_id"])
    except ValueError:
        return None
    return ChannelSeen(
        seen_ns=UnixNs(_ns(row["timestamp"])),
        channel_id=channel_id,
        node1_id=ends[0],
        node2_id=ends[1],
        capacity_sat=Sat(row["capacity"]),
        node1_local_msat=_msat(row["node1_balance"]),
        node2_local_msat=_msat(row["node2_balance"]),
    )


def _ns(moment: datetime) -> int:
    """Return a naive UTC time as Unix time."""
    return (moment - _EPOCH) // _MICROSECOND * _NS_PER_US


def _msat(sat: float) -> Msat:
    return Msat(round(sat * MSAT_PER_SAT))
