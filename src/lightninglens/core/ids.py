"""Identities of nodes and channels."""

import hashlib
import re
from typing import Any, NewType, Self

import coincurve

NodeId = NewType("NodeId", str)
"""A compressed secp256k1 point as 66 lower-case hex digits."""

_NODE_ID = re.compile(r"0[23][0-9a-f]{64}")
_SCID_TEXT = re.compile(r"(\d{1,8})[x:](\d{1,8})[x:](\d{1,5})", re.ASCII)
_MAX_BLOCK = 2**24 - 1
_MAX_TX_INDEX = 2**24 - 1
_MAX_OUTPUT = 2**16 - 1
_MAX_PACKED = 2**64 - 1
_ID_RANGE = 2**64


def parse_node_id(text: str) -> NodeId:
    """Return `text` as a node id.

    Raises:
        ValueError: it is not 66 lower-case hex digits that start with 02 or 03.
            Whether the point is on the curve is not checked here: a real graph
            has 17,000 of them.
    """
    if not _NODE_ID.fullmatch(text):
        shown = text if len(text) <= 70 else f"{text[:67]}..."
        raise ValueError(f"{shown!r} is not a node id (66 lower-case hex digits starting 02 or 03)")
    return NodeId(text)


def derive_secret(seed: int, label: str) -> bytes:
    """Return the secret of a simulated node: the same for the same seed and label."""
    counter = 0
    while True:
        material = f"lightninglens/node/{seed}/{label}/{counter}".encode()
        secret = hashlib.sha256(material).digest()
        try:
            coincurve.PrivateKey(secret)
        except ValueError:  # outside the group order: 1 in 2**128, but then the key must still exist
            counter += 1
            continue
        return secret


def derive_node_id(seed: int, label: str) -> NodeId:
    """Return the public key that belongs to `derive_secret(seed, label)`."""
    return NodeId(coincurve.PrivateKey(derive_secret(seed, label)).public_key.format().hex())


class ChannelId(int):
    """A short channel id: the packed u64, printed `800000x1x0`, a string in JSON.

    Source: BOLT 7, "Definition of short_channel_id".
    """

    __slots__ = ()

    def __new__(cls, packed: int) -> Self:
        """Take the packed form; raises ValueError outside 64 bits."""
        if not 0 <= packed <= _MAX_PACKED:
            raise ValueError(f"{packed} is not a channel id: it does not fit 64 bits")
        return super().__new__(cls, packed)

    @classmethod
    def of(cls, block: int, tx_index: int, output: int) -> Self:
        """Pack the three parts; raises ValueError when one is out of range."""
        if not (0 <= block <= _MAX_BLOCK and 0 <= tx_index <= _MAX_TX_INDEX and 0 <= output <= _MAX_OUTPUT):
            raise ValueError(f"{block}x{tx_index}x{output} is not a channel id: a part is out of range")
        return cls(block << 40 | tx_index << 16 | output)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `800000x1x0`, `800000:1:0` or the packed decimal form."""
        if match := _SCID_TEXT.fullmatch(text):
            return cls.of(*(int(part) for part in match.groups()))
        if text.isascii() and text.isdigit() and len(text) <= 20:
            return cls(int(text))
        raise ValueError(f"{text[:40]!r} is not a channel id (800000x1x0, 800000:1:0 or the packed number)")

    @property
    def block(self) -> int:
        """Height of the block with the funding transaction."""
        return int(self) >> 40

    @property
    def tx_index(self) -> int:
        """Position of the funding transaction in its block."""
        return int(self) >> 16 & _MAX_TX_INDEX

    @property
    def output(self) -> int:
        """Output of the funding transaction."""
        return int(self) & _MAX_OUTPUT

    def __str__(self) -> str:
        return f"{self.block}x{self.tx_index}x{self.output}"

    def __repr__(self) -> str:
        return f"ChannelId({self})"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        # How a serializer at the edge reads and writes this type. The import is
        # the serializer's own: core itself does not depend on it.
        from pydantic_core import core_schema as schema  # noqa: PLC0415

        return schema.no_info_after_validator_function(
            cls.parse,
            schema.str_schema(pattern=r"^\d{1,8}x\d{1,8}x\d{1,5}$"),
            serialization=schema.to_string_ser_schema(),
        )


def signed(channel_id: int) -> int:
    """Return an id as the signed number of the same bits, for where one of 64 bits would not fit."""
    return channel_id - _ID_RANGE if channel_id >= _ID_RANGE // 2 else int(channel_id)


def unsigned(stored: int) -> ChannelId:
    """Return the id whose bits a signed number has."""
    return ChannelId(stored % _ID_RANGE)
