"""Channel points: the funding outputs that LND names channels by.

A simulated channel has no transaction, so its id is made from the channel's id:
always the same, and nobody else's.
"""

import hashlib
import re

from lightninglens.core.ids import ChannelId
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.server.refusals import Refusal

_TXID = re.compile(r"[0-9a-fA-F]{0,64}")
_POINT = re.compile(r"([0-9a-fA-F]{64}):(\d{1,10})", re.ASCII)


def txid(channel_id: ChannelId) -> str:
    """Return the funding transaction's id, as it is printed."""
    return hashlib.sha256(f"lightninglens/funding/{int(channel_id)}".encode()).hexdigest()


def transaction_id(label: str) -> str:
    """Return the id of a transaction that is no funding, by a name that no other has."""
    return hashlib.sha256(f"lightninglens/transaction/{label}".encode()).hexdigest()


def channel_point(channel_id: ChannelId) -> str:
    """Return a channel point as LND prints it, `txid:output`."""
    return f"{txid(channel_id)}:{channel_id.output}"


def point_message(channel_id: ChannelId) -> lnrpc.ChannelPoint:
    """Return a channel point as LND sends it: the bytes are those of the transaction, the printed id reversed."""
    return lnrpc.ChannelPoint(funding_txid_bytes=internal(txid(channel_id)), output_index=channel_id.output)


def internal(printed_txid: str) -> bytes:
    """Return a transaction id in the byte order that transactions have."""
    return bytes.fromhex(printed_txid)[::-1]


def printed(internal_txid: bytes) -> str:
    """Return a transaction id in the order in which it is printed."""
    return internal_txid[::-1].hex()


def read_point(point: lnrpc.ChannelPoint) -> tuple[str, int]:
    """Return (txid as printed, output); raises Refusal in the words of `chainhash`."""
    if point.WhichOneof("funding_txid") == "funding_txid_str":
        text = point.funding_txid_str
        if len(text) > 64:
            raise Refusal("max hash string length is 64 bytes")
        if not _TXID.fullmatch(text):
            wrong = next(character for character in text if character not in "0123456789abcdefABCDEF")
            raise Refusal(f"encoding/hex: invalid byte: U+{ord(wrong):04X} {wrong!r}")
        return text.lower().rjust(64, "0"), point.output_index
    if len(point.funding_txid_bytes) != 32:
        raise Refusal(f"invalid hash length of {len(point.funding_txid_bytes)}, want 32")
    return printed(point.funding_txid_bytes), point.output_index


def parse_point(text: str) -> tuple[str, int]:
    """Return (txid, output) of `txid:output`; raises Refusal in the words of btcd's `wire`."""
    match = _POINT.fullmatch(text)
    if not match:
        raise Refusal("outpoint should be of the form txid:index")
    return match[1].lower(), int(match[2])
