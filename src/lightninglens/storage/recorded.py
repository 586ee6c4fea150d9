"""Reading a recorded history from its beginning: attempts in order, and the channels as they were.

The file is the one that `storage.forwards` writes; it may still be written to.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lightninglens.core.attempts import ForwardAttempt
from lightninglens.core.channels import ChannelState
from lightninglens.core.errors import DataError
from lightninglens.core.ids import ChannelId, unsigned
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_HOUR, Msat
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.forwards import ForwardStore
from lightninglens.storage.private import private_directory

NODE_FILE = "node.json"
"""Beside the database: which node it is of."""
PAGE = 2_000


def write_node(folder: Path, info: NodeInfo) -> None:
    """Write down which node a folder's records are of; raises DataError when that cannot be written."""
    private_directory(folder)
    with atomic_writer(folder / NODE_FILE) as file:
        file.write(to_json(info) + b"\n")


def read_node(folder: Path) -> NodeInfo | None:
    """Return which node a folder's records are of; None where nobody wrote it down. Raises DataError."""
    path = folder / NODE_FILE
    if not path.exists():
        return None
    try:
        return from_json(NodeInfo, path.read_bytes(), where=str(path))
    except OSError as problem:
        raise DataError(problem.strerror or str(problem), where=str(path)) from None


class RecordedHistory(ForwardStore):
    """The recorded history in the file at `path`, which must exist; raises DataError where it does not."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError("no such file: name the forwards.db that a recording wrote", where=str(path))
        super().__init__(path)

    def span(self) -> tuple[int, int] | None:
        """Return when the first attempt that is kept began, and until when anything was seen; None of an empty file."""
        first, last = self._read("SELECT min(began_ns), max(began_ns) FROM attempts", (), tuple)[0]
        if first is None:
            return None
        return int(first), max(int(last), self.covered_until_ns() or 0)

    def attempts(self, *, since_ns: int = 0) -> Iterator[ForwardAttempt]:
        """Yield the attempts of a time on, in the order in which they were written.

        That is nearly the order in which they began; some that began before are among them.
        """
        after = self._before(since_ns) if since_ns else 0
        while rows := self.oldest(PAGE, after=after):
            after = rows[-1][0]
            yield from (attempt for _, attempt in rows)

    def _before(self, time_ns: int) -> int:
        """Return the number of an attempt before the first that began at or after a time, by halving."""
        first, last = self._read("SELECT ifnull(min(sequence), 1), ifnull(max(sequence), 0) FROM attempts", (), tuple)[
            0
        ]
        low, high = first - 1, last
        while low < high:
            middle = (low + high + 1) // 2
            query = "SELECT began_ns FROM attempts WHERE sequence >= ? ORDER BY sequence LIMIT 1"
            (began_ns,) = self._read(query, (middle,), _first)
            if began_ns is not None and began_ns < time_ns:
                low = middle
            else:
                high = middle - 1
        return int(low)

    def channels_at(self, time_ns: int) -> tuple[ChannelState, ...]:
        """Return the channels with the balances of the hour of a time, or of the last hour before that has any.

        Policies are those that were seen last: their history is not recorded.
        """
        (hour,) = self._read("SELECT max(hour) FROM balances WHERE hour <= ?", (time_ns // NS_PER_HOUR,), _first)
        if hour is None:
            (hour,) = self._read("SELECT min(hour) FROM balances", (), _first)
        rows = self._read(
            "SELECT channel_id, local_msat, remote_msat, outbound_msat, inbound_msat, active FROM balances"
            " WHERE hour = ?",
            (hour,),
            tuple,
        )
        known = {state.channel_id: state for _, state in self.channels()}
        found = []
        for stored, local_msat, remote_msat, outbound_msat, inbound_msat, active in rows:
            state = known.get(unsigned(stored))
            if state is not None:
                found.append(
                    dataclasses.replace(
                        state,
                        local_msat=Msat(local_msat),
                        remote_msat=Msat(remote_msat),
                        outbound_msat=Msat(outbound_msat),
                        inbound_msat=Msat(inbound_msat),
                        active=bool(active),
                    )
                )
        return tuple(found)

    def hourly_balances(self, from_hour: int, until_hour: int) -> list[tuple[int, ChannelId, int, int, bool]]:
        """Return hour (since 1970), channel, local and remote balance in msat, and whether it was active, by hour."""
        return self._read(
            "SELECT hour, channel_id, local_msat, remote_msat, active FROM balances"
            " WHERE hour >= ? AND hour < ? ORDER BY hour, channel_id",
            (from_hour, until_hour),
            lambda row: (row[0], unsigned(row[1]), row[2], row[3], bool(row[4])),
        )


def _first(row: Sequence[Any]) -> int | None:
    return None if row[0] is None else int(row[0])
