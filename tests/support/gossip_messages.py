"""Write gossip_store files for tests, message by message (BOLT 7; Core Lightning common/gossip_store.h)."""

from dataclasses import dataclass, field

COMPLETED = 0x2000
DELETED = 0x8000
DYING = 0x0800
ZOMBIE = 0x1000

ALICE = "02" + "11" * 32
BOB = "02" + "22" * 32
CAROL = "03" + "33" * 32


def crc32c(data: bytes, seed: int = 0) -> int:
    """Return the CRC-32C, bit by bit: slow, and plainly what RFC 3720 says."""
    crc = ~seed & 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return ~crc & 0xFFFFFFFF


def be(value: int, width: int) -> bytes:
    return value.to_bytes(width, "big")


def channel_announcement(
    channel_id: int, node1: str, node2: str, *, features: bytes = b"", extra: bytes = b""
) -> bytes:
    return (
        be(256, 2)
        + bytes(256)
        + be(len(features), 2)
        + features
        + bytes(32)
        + be(channel_id, 8)
        + bytes.fromhex(node1)
        + bytes.fromhex(node2)
        + bytes(66)
        + extra
    )


def channel_amount(capacity_sat: int) -> bytes:
    return be(4101, 2) + be(capacity_sat, 8)


def channel_update(
    channel_id: int,
    side: int,
    *,
    timestamp: int = 1_700_000_000,
    disabled: bool = False,
    delta: int = 80,
    least: int = 1000,
    base: int = 1000,
    rate: int = 1,
    most: int = 990_000_000,
    extra: bytes = b"",
) -> bytes:
    return (
        be(258, 2)
        + bytes(96)
        + be(channel_id, 8)
        + be(timestamp, 4)
        + be(1, 1)
        + be(side | 2 * disabled, 1)
        + be(delta, 2)
        + be(least, 8)
        + be(base, 4)
        + be(rate, 4)
        + be(most, 8)
        + extra
    )


def node_announcement(node: str, alias: bytes, *, timestamp: int = 1_700_000_000, features: bytes = b"") -> bytes:
    return (
        be(257, 2)
        + bytes(64)
        + be(len(features), 2)
        + features
        + be(timestamp, 4)
        + bytes.fromhex(node)
        + bytes(3)
        + alias.ljust(32, b"\0")
        + be(0, 2)
    )


def delete_channel(channel_id: int) -> bytes:
    return be(4103, 2) + be(channel_id, 8)


@dataclass
class Store:
    """A gossip_store that grows."""

    version: int = 16
    data: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.data.append(self.version)

    def add(self, message: bytes, *, flags: int | None = None, timestamp: int = 0, crc: int | None = None) -> "Store":
        """Append one record; `flags` defaults to what gossipd writes in this version."""
        if flags is None:
            flags = COMPLETED if self.version >= 15 else 0
        if crc is None:
            crc = crc32c(message, timestamp)
        self.data += be(flags, 2) + be(len(message), 2) + be(crc, 4) + be(timestamp, 4) + message
        return self

    def channel(
        self, channel_id: int, node1: str, node2: str, capacity_sat: int = 1_000_000, flags: int | None = None
    ) -> "Store":
        """Append an announced channel."""
        self.add(channel_announcement(channel_id, node1, node2), flags=flags)
        return self.add(channel_amount(capacity_sat), flags=flags)


def small_store() -> Store:
    """Return three channels in a triangle: one with two updates, one with one disabled, one without."""
    store = Store().add(be(4107, 2) + bytes(32))
    store.channel(10 << 40, ALICE, BOB).channel(11 << 40, BOB, CAROL, 250_000).channel(12 << 40, ALICE, CAROL, 7)
    store.add(channel_update(10 << 40, 0, rate=100)).add(channel_update(10 << 40, 1, rate=200))
    store.add(channel_update(11 << 40, 1, disabled=True))
    return store.add(node_announcement(ALICE, b"alice"))
