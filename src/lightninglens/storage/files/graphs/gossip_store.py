"""Core Lightning's `gossip_store`: the raw gossip messages that a node keeps on disk.

Source: Core Lightning `common/gossip_store.h`, `common/gossip_store_wire.csv`,
`gossipd/gossip_store.c` (versions and their upgrade), `common/gossmap.c` (the
reader); BOLT 7 for the messages. The file is one version byte, then records of
12 bytes of header (flags, length, CRC-32C, timestamp; big-endian) and a message.

What ends a file: gossipd appends a record and sets its "completed" bit last, so
a record at the end without that bit is one that was being written, and is left
out as gossmap does. A completed record that is cut short is a damaged file.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.graph import PolicyColumns
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MAX_MONEY_MSAT
from lightninglens.storage.files.graphs import columns
from lightninglens.storage.files.graphs.columns import CAPACITY_SAT
from lightninglens.storage.files.graphs.gossip_records import Records, scan
from lightninglens.storage.files.graphs.model import ParsedGraph

OLDEST_VERSION: Final = 9
"""gossipd upgrades stores from here on; older ones it throws away."""

_CHANNEL_ANNOUNCEMENT: Final = 256
_NODE_ANNOUNCEMENT: Final = 257
_CHANNEL_UPDATE: Final = 258
_CHANNEL_AMOUNT: Final = 4101
_DELETE_CHANNEL: Final = 4103
_ENDED: Final = 4105
_PRIVATE: Final = (4102, 4104)

_DELETED_BIT: Final = 0x8000
_ZOMBIE_BIT: Final = 0x1000
_LAST_ZOMBIE_VERSION: Final = 13
_DYING_BIT: Final = 0x0800
_FIRST_DYING_VERSION: Final = 14

_ANNOUNCEMENT_BYTES: Final = 432
_UPDATE_BYTES: Final = 138
_OLD_UPDATE_BYTES: Final = 130
"""A channel_update before htlc_maximum_msat became mandatory."""
_NODE_ANNOUNCEMENT_BYTES: Final = 2 + 64 + 2 + 4 + 33 + 3 + 32
_INBOUND_FEE_TLV: Final = 55555


@dataclass(frozen=True, slots=True)
class _Channels:
    """Announced channels in the order of the file."""

    ids: NDArray[np.uint64]
    first: list[NodeId]
    second: list[NodeId]
    capacity_sat: NDArray[np.int64]
    record: NDArray[np.int64]


def parse_gossip_store(data: bytearray) -> ParsedGraph:
    """Return the graph that the live records of a gossip_store describe.

    Raises:
        DataError: an unknown version, a cut or damaged record, a channel twice,
            a capacity or a node id that cannot be; naming record and offset.
    """
    version = data[0]
    if version >> 5 or version < OLDEST_VERSION:
        raise DataError(
            f"gossip_store version {version} is not supported ({OLDEST_VERSION} to 31 are; Core Lightning writes 16)",
            where="byte 0",
        )
    everything, unfinished = scan(data, version)
    ended = everything.kind == _ENDED
    if ended.any():
        everything = everything.only(np.arange(len(everything.kind)) < int(np.argmax(ended)))
    live, dropped = _live(everything, version)
    channels, dying, incomplete = _channels(live, version)
    graph_policies, updates_dropped, clamped = _policies(live, channels)
    nodes = list(dict.fromkeys(node for pair in zip(channels.first, channels.second, strict=True) for node in pair))
    names, nameless = _aliases(live, nodes)
    graph, _ = columns.assemble(
        nodes=nodes,
        names=names,
        ids=channels.ids,
        ends=(channels.first, channels.second),
        capacity_sat=channels.capacity_sat,
        policies=graph_policies,
        node_place=lambda row: f"node {nodes[row]}",
        channel_place=lambda row: live.place(int(channels.record[row])),
    )
    return ParsedGraph(
        graph=graph,
        snapshot_s=int(graph_policies.last_update_s.max(initial=0)),
        dropped={
            **dropped,
            **updates_dropped,
            **columns.counted(
                channels_that_are_closing=dying,
                announcements_at_the_end_whose_amount_is_not_written_yet=incomplete,
                unfinished_records_at_the_end=unfinished,
                node_announcements_of_nodes_without_channels=nameless,
            ),
        },
        adjusted=columns.counted(htlc_limits_above_21_million_btc_lowered=clamped),
    )


def _live(records: Records, version: int) -> tuple[Records, dict[str, int]]:
    deleted = (records.flags & _DELETED_BIT) != 0
    zombie = ((records.flags & _ZOMBIE_BIT) != 0) & (version <= _LAST_ZOMBIE_VERSION) & ~deleted
    private = np.isin(records.kind, _PRIVATE) & ~deleted & ~zombie
    return records.only(~(deleted | zombie | private)), columns.counted(
        records_marked_deleted=deleted.sum(), records_marked_zombie=zombie.sum(), private_records=private.sum()
    )


def _require(records: Records, rows: NDArray[np.int64], least: int | NDArray[np.int64], what: str) -> None:
    if (short := records.length[rows] < least).any():
        row = int(rows[np.argmax(short)])
        raise DataError(f"a {what} of {records.length[row]} bytes is too short", where=records.place(row))


def _channels(records: Records, version: int) -> tuple[_Channels, int, int]:
    """Return the channels, how many are closing, and how many lack their amount at the end of the file."""
    rows = np.flatnonzero(records.kind == _CHANNEL_ANNOUNCEMENT)
    _require(records, rows, _ANNOUNCEMENT_BYTES, "channel_announcement")
    features = records.number(rows, 258, 2)
    _require(records, rows, _ANNOUNCEMENT_BYTES + features, "channel_announcement")
    incomplete = 0
    if len(rows) and rows[-1] == len(records.kind) - 1:
        rows, features, incomplete = rows[:-1], features[:-1], 1
    amounts = rows + 1
    if (orphan := records.kind[amounts] != _CHANNEL_AMOUNT).any():
        row = int(rows[np.argmax(orphan)])
        raise DataError("this channel_announcement is not followed by the channel's amount", where=records.place(row))
    _require(records, amounts, 10, "gossip_store_channel_amount")
    ids = records.number(rows, 260 + features + 32, 8).astype(np.uint64)
    dying = ((records.flags[rows] & _DYING_BIT) != 0) & (version >= _FIRST_DYING_VERSION)
    keep = ~dying & ~_deleted_later(records, rows, ids)
    rows, features, ids, amounts = rows[keep], features[keep], ids[keep], amounts[keep]
    capacity_sat = records.number(amounts, 2, 8)
    columns.in_range(capacity_sat, CAPACITY_SAT, lambda row: records.place(int(amounts[row])))
    node_offset = 260 + features + 40
    columns.check_counts(0, len(rows))

    def place(row: int) -> str:
        return records.place(int(rows[row]))

    first = columns.node_ids(records.hexadecimal(rows, node_offset, 33), place)
    second = columns.node_ids(records.hexadecimal(rows, node_offset + 33, 33), place)
    for row, (lesser, greater) in enumerate(zip(first, second, strict=True)):
        if lesser > greater:
            raise DataError(
                f"channel {ChannelId(int(ids[row]))} names its greater node id first, which BOLT 7 forbids",
                where=place(row),
            )
    return _Channels(ids, first, second, capacity_sat, rows), int(dying.sum()), incomplete


def _deleted_later(records: Records, rows: NDArray[np.int64], ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which announcements a later delete record takes back."""
    tombstones = np.flatnonzero(records.kind == _DELETE_CHANNEL)
    _require(records, tombstones, 10, "gossip_store_delete_chan")
    last = dict(zip(records.number(tombstones, 2, 8).astype(np.uint64).tolist(), tombstones.tolist(), strict=True))
    return np.fromiter(
        (last.get(id_, -1) > row for id_, row in zip(ids.tolist(), rows.tolist(), strict=True)), np.bool_, len(rows)
    )


def _policies(records: Records, channels: _Channels) -> tuple[PolicyColumns, dict[str, int], int]:
    """Return each direction's newest update, what was dropped, and how many HTLC limits were lowered."""
    policies = PolicyColumns.unknown(2 * len(channels.ids))
    rows = np.flatnonzero(records.kind == _CHANNEL_UPDATE)
    _require(records, rows, _OLD_UPDATE_BYTES, "channel_update")
    has_maximum = (records.length[rows] >= _UPDATE_BYTES) & (records.number(rows, 110, 1) & 1 == 1)
    old = int((~has_maximum).sum())
    rows = rows[has_maximum]
    channel, known = _match(records.number(rows, 98, 8).astype(np.uint64), channels.ids)
    foreign = int((~known).sum())
    rows, channel = rows[known], channel[known]
    flags = records.number(rows, 111, 1)
    direction = 2 * channel + (flags & 1)
    newest = _newest(direction, records.number(rows, 106, 4))
    replaced = len(rows) - len(newest)
    rows, direction, flags = rows[newest], direction[newest], flags[newest]

    policies.known[direction] = True
    policies.disabled[direction] = (flags & 2) != 0
    policies.last_update_s[direction] = records.number(rows, 106, 4)
    policies.time_lock_delta_blocks[direction] = records.number(rows, 112, 2)
    policies.base_fee_msat[direction] = records.number(rows, 122, 4)
    policies.fee_rate_ppm[direction] = records.number(rows, 126, 4)
    clamped = 0
    for name, offset in (("min_htlc_msat", 114), ("max_htlc_msat", 130)):
        wire = records.number(rows, offset, 8).astype(np.uint64)
        clamped += int((wire > MAX_MONEY_MSAT).sum())
        getattr(policies, name)[direction] = np.minimum(wire, np.uint64(MAX_MONEY_MSAT)).astype(np.int64)
    for row, where in zip(rows.tolist(), direction.tolist(), strict=True):
        if records.length[row] > _UPDATE_BYTES:
            base, rate = _inbound_fee(records.message(row)[_UPDATE_BYTES:])
            policies.inbound_base_fee_msat[where] = base
            policies.inbound_fee_rate_ppm[where] = rate
    return (
        policies,
        columns.counted(
            channel_updates_of_other_channels=foreign,
            channel_updates_without_htlc_maximum=old,
            channel_updates_replaced_by_newer_ones=replaced,
        ),
        clamped,
    )


def _match(wanted: NDArray[np.uint64], ids: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the row of each wanted id, and whether there is one."""
    if not len(ids):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    order = np.argsort(ids, kind="stable")
    at = np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)
    return order[at].astype(np.int64), ids[order][at] == wanted


def _newest(key: NDArray[np.int64], timestamp: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of the entry with the greatest timestamp for each key, the later one of equals."""
    order = np.lexsort((np.arange(len(key)), timestamp, key))
    last = np.append(key[order][1:] != key[order][:-1], True) if len(key) else np.zeros(0, np.bool_)
    return np.asarray(order[last], np.int64)


def _inbound_fee(extra: bytes) -> tuple[int, int]:
    """Return inbound base fee and rate from the TLV records after a channel_update (bLIP 18), else zeros."""
    position = 0
    while position < len(extra):
        kind, position = _bigsize(extra, position)
        length, position = _bigsize(extra, position)
        value = extra[position : position + length]
        if kind == _INBOUND_FEE_TLV and length == len(value) == 8:
            return int.from_bytes(value[:4], "big", signed=True), int.from_bytes(value[4:], "big", signed=True)
        position += length
    return 0, 0


def _bigsize(data: bytes, position: int) -> tuple[int, int]:
    """Return a BOLT 1 bigsize and the position after it."""
    first = data[position] if position < len(data) else 0
    width = {0xFD: 2, 0xFE: 4, 0xFF: 8}.get(first, 0)
    value = int.from_bytes(data[position + 1 : position + 1 + width], "big") if width else first
    return value, position + 1 + width


def _aliases(records: Records, nodes: list[NodeId]) -> tuple[list[str], int]:
    """Return the nodes' newest aliases, and how many announcements are of other nodes."""
    rows = np.flatnonzero(records.kind == _NODE_ANNOUNCEMENT)
    _require(records, rows, _NODE_ANNOUNCEMENT_BYTES, "node_announcement")
    features = records.number(rows, 66, 2)
    _require(records, rows, _NODE_ANNOUNCEMENT_BYTES + features, "node_announcement")
    timestamp = records.number(rows, 68 + features, 4).tolist()
    node = records.hexadecimal(rows, 72 + features, 33)
    newest: dict[str, int] = {}
    for entry in sorted(range(len(rows)), key=lambda entry: timestamp[entry]):
        newest[node[entry]] = entry
    index = {node_id: row for row, node_id in enumerate(nodes)}
    names = [""] * len(nodes)
    for node_id, entry in newest.items():
        if node_id in index:
            start = 68 + int(features[entry]) + 4 + 33 + 3
            raw = records.message(int(rows[entry]))[start : start + 32]
            names[index[NodeId(node_id)]] = raw.rstrip(b"\0").decode(errors="replace")
    return names, sum(node_id not in index for node_id in newest)
