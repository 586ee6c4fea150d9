"""Saved worlds, read back from their raw recordings: what there is, and how a world was at one moment.

Files are read line by line in a thread, so memory is bounded by one line, the
channels and 500 payments. A run is found by its id among the heads of the files
in the folder; nothing that is asked for ever becomes part of a path.
"""

import asyncio
import dataclasses
import datetime as dt
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from lightninglens.app.events import Attempt, Channel, Network, Payment, PaymentFailure, Stats
from lightninglens.app.shapes import RunItem, RunMoment
from lightninglens.core.units import MSAT_PER_SAT

FORMAT = "lightninglens/raw/1"
MOST_PAYMENTS = 500
MOST_HEAD_BYTES = 8 * 1024 * 1024
MOST_LINE_BYTES = 4 * 1024 * 1024
_MS_PER_SECOND = 1_000
_TRANSACTION = b'"message":{"type":"transaction"'
_END = b'"message":{"type":"end"}'
_REBALANCE = b'"type":"rebalance"'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The first line of a file."""

    run_id: str
    world_ms: int
    started_ms: int
    network: Network
    stats: Stats


@dataclass(slots=True, kw_only=True)
class _File:
    """A file and what is known of it without reading it again while its size stays."""

    path: Path
    head: _Head
    size: int = -1
    end_ms: int = 0
    payments: int = 0
    """In this file alone."""
    complete: bool = False


@dataclass(slots=True)
class _Book:
    """What has been read of one world so far."""

    network: Network
    stats: Stats
    since_ms: int
    ids: Mapping[str, str]
    channels: dict[str, Channel] = field(default_factory=dict)
    payments: deque[Payment] = field(default_factory=lambda: deque(maxlen=MOST_PAYMENTS))


_HEAD = TypeAdapter(_Head)


class RunLibrary:
    """The recordings in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _File | None] = {}
        self._reading = asyncio.Lock()

    async def items(self) -> list[RunItem]:
        """Return the worlds that were recorded, newest first."""
        async with self._reading:
            return await asyncio.to_thread(self._items)

    async def moment(self, run_id: str, *, at_ms: int | None, window_s: int) -> RunMoment | None:
        """Return a world as it was at a moment, at its end if none is given; None where there is no such run."""
        async with self._reading:
            return await asyncio.to_thread(self._moment, run_id, at_ms, window_s)

    def _items(self) -> list[RunItem]:
        runs = self._runs()
        items = [_item(run_id, files) for run_id, files in runs.items()]
        return sorted(items, key=lambda item: (item.recorded_ms, item.run_id), reverse=True)

    def _runs(self) -> dict[str, list[_File]]:
        """Return the readable files by run, oldest first."""
        paths = {path.name: path for path in self._folder.glob("lab_*.jsonl")}
        self._files = {name: known for name, known in self._files.items() if name in paths}
        runs: dict[str, list[_File]] = {}
        for name in sorted(paths):
            if self._files.get(name) is None:
                self._files[name] = _open(paths[name])
            file = self._files[name]
            if file is not None and _survey(file):
                runs.setdefault(file.head.run_id, []).append(file)
        for files in runs.values():
            files.sort(key=lambda file: (file.head.world_ms, file.path.name))
        return runs

    def _moment(self, run_id: str, at_ms: int | None, window_s: int) -> RunMoment | None:
        files = self._runs().get(run_id)
        if files is None:
            return None
        start_ms, end_ms = files[0].head.world_ms, files[-1].end_ms
        at_ms = min(max(end_ms if at_ms is None else at_ms, start_ms), end_ms)
        since_ms = at_ms - window_s * _MS_PER_SECOND
        begun = [file for file in files if file.head.world_ms <= at_ms]
        books = [_read(file, since_ms=since_ms, at_ms=at_ms) for file in _in_window(begun, since_ms)]
        last = books[-1]
        payments = deque((payment for book in books for payment in book.payments), maxlen=MOST_PAYMENTS)
        network = dataclasses.replace(last.network, mode="replay", channels=tuple(last.channels.values()))
        return RunMoment(
            network=network,
            payments=list(payments),
            stats=dataclasses.replace(last.stats, world_ms=at_ms),
            world_start_ms=start_ms,
            world_end_ms=end_ms,
        )


def _item(run_id: str, files: list[_File]) -> RunItem:
    first, last = files[0], files[-1]
    return RunItem(
        run_id=run_id,
        world_start_ms=first.head.world_ms,
        world_end_ms=last.end_ms,
        recorded_ms=first.head.started_ms,
        payments=last.head.stats.payments + last.payments,
        channels=len(first.head.network.channels),
        bytes=sum(file.size for file in files),
        complete=last.complete,
    )


def _in_window(files: list[_File], since_ms: int) -> list[_File]:
    """Return the last file, and those before it that still have payments of the window."""
    return [file for file in files[:-1] if file.end_ms > since_ms] + files[-1:]


def _open(path: Path) -> _File | None:
    """Return a file by its head; None when that cannot be read, or says too little to show the world."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(MOST_HEAD_BYTES)
        values = orjson.loads(line)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            return None
        return _File(path=path, head=_HEAD.validate_python(values))
    except (OSError, ValueError, ValidationError):
        return None


def _survey(file: _File) -> bool:
    """Count what a file holds, unless nothing was added since; tell whether it can be read."""
    try:
        size = file.path.stat().st_size
        if size != file.size:
            payments, last, complete = 0, b"", False
            for line in _lines(file.path):
                last = line
                payments += _TRANSACTION in line[:80] and _REBALANCE not in line
                complete = _END in line[:80]
            file.end_ms = max(int(orjson.loads(last)["world_ms"]), file.head.world_ms)
            file.size, file.payments, file.complete = size, payments, complete
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a file, head first; one that is cut off, or that no recorder wrote, ends it."""
    with path.open("rb") as stream:
        limit = MOST_HEAD_BYTES
        while (line := stream.readline(limit)).endswith(b"\n"):
            yield line
            limit = MOST_LINE_BYTES


def _read(file: _File, *, since_ms: int, at_ms: int) -> _Book:
    """Read a file up to a moment."""
    head = file.head
    book = _Book(
        network=head.network,
        stats=head.stats,
        since_ms=since_ms,
        ids={node.name: node.node_id for node in head.network.nodes},
        channels={channel.channel_id: channel for channel in head.network.channels},
    )
    for number, line in enumerate(_lines(file.path)):
        try:
            values = orjson.loads(line)
            if values["world_ms"] > at_ms:
                break
            if number:
                _take(book, values["message"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a line that no recorder wrote says nothing
    return book


def _take(book: _Book, message: Mapping[str, Any]) -> None:
    match message["type"]:
        case "transaction":
            payment = _payment(message["data"], book.ids)
            book.stats = _counted(book.stats, payment)
            if payment.started_ms + payment.duration_ms > book.since_ms:
                book.payments.append(payment)
        case "channel_update":
            for name, entries in message["data"].items():
                for entry in entries:
                    _update_channel(book, book.ids[name], entry)
        case _:
            pass


def _update_channel(book: _Book, node_id: str, entry: Mapping[str, Any]) -> None:
    channel = book.channels[entry["channel_id"]]
    if channel.node1_id != node_id:
        return  # the other side says the same
    book.channels[channel.channel_id] = dataclasses.replace(
        channel,
        node1_local_msat=int(entry["local_balance"]) * MSAT_PER_SAT,
        node2_local_msat=int(entry["remote_balance"]) * MSAT_PER_SAT,
        commit_fee_sat=int(entry["commit_fee"]),
        unsettled_msat=int(entry["unsettled_balance"]) * MSAT_PER_SAT,
        pending_htlcs=int(entry["pending_htlcs"]),
    )


def _counted(stats: Stats, payment: Payment) -> Stats:
    """Return the totals with one payment more, as the observer counts them."""
    if payment.kind == "payment":
        payments, succeeded = stats.payments + 1, stats.succeeded + payment.succeeded
        return dataclasses.replace(
            stats,
            payments=payments,
            succeeded=succeeded,
            success_rate=succeeded / payments,
            volume_msat=stats.volume_msat + (payment.amount_msat if payment.succeeded else 0),
            fees_msat=stats.fees_msat + payment.fee_msat,
        )
    if not payment.succeeded:
        return stats
    return dataclasses.replace(
        stats,
        rebalances=stats.rebalances + 1,
        rebalanced_msat=stats.rebalanced_msat + payment.amount_msat,
        rebalance_cost_msat=stats.rebalance_cost_msat + payment.fee_msat,
    )


def _payment(data: Mapping[str, Any], ids: Mapping[str, str]) -> Payment:
    attempts = tuple(_attempt(attempt) for attempt in data["attempt_log"])
    last = attempts[-1] if attempts else None
    exact = last is not None and last.settled and last.hop_amounts_msat
    duration_ms = int(data["duration_ms"])
    return Payment(
        payment_id=int(data["payment_id"]),
        kind="rebalance" if data["type"] == "rebalance" else "payment",
        started_ms=_world_ms(data["timestamp"]) - duration_ms,
        duration_ms=duration_ms,
        sender_id=ids[data["sender"]],
        receiver_id=ids[data["receiver"]],
        sender_name=str(data["sender"]),
        receiver_name=str(data["receiver"]),
        amount_msat=exact[-1] if exact else int(data["amount"]) * MSAT_PER_SAT,
        fee_msat=int(data["fee_msat"]),
        succeeded=bool(data["success"]),
        outcome=str(data["outcome"]),
        failure=_failure(data, last),
        attempts=int(data["attempts"]),
        route_channel_ids=last.route_channel_ids if last else (),
        route_node_ids=last.route_node_ids if last else (),
        description=str(data["description"]),
        attempt_log=attempts,
    )


def _failure(data: Mapping[str, Any], last: Attempt | None) -> PaymentFailure | None:
    reason = data["failure_reason"]
    if not reason or last is None:
        return None
    channel = None if last.failed_hop is None else last.route_channel_ids[last.failed_hop]
    return PaymentFailure(code=str(reason).upper(), detail="", channel_id=channel)


def _attempt(data: Mapping[str, Any]) -> Attempt:
    return Attempt(
        started_ms=_world_ms(data["started"]),
        ended_ms=_world_ms(data["ended"]),
        route_channel_ids=tuple(data["channel_ids"]),
        route_node_ids=tuple(data["nodes"]),
        hop_amounts_msat=tuple(data["hop_amounts_msat"]),
        settled=bool(data["settled"]),
        failed_hop=data["failed_hop"],
        code=str(data["code"]).upper(),
        detail="",
    )


def _world_ms(timestamp: str) -> int:
    moment = dt.datetime.fromisoformat(timestamp)
    return int(moment.timestamp()) * _MS_PER_SECOND + moment.microsecond // _MS_PER_SECOND
