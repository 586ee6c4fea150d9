"""Addresses on the chain to which an invoice can be paid instead.

Source: BOLT 11, field `f`; BIP 141, 173, 350; base58check as Bitcoin has always used it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from lightninglens.core.bolt11 import bech32
from lightninglens.core.bolt11.bech32 import Checksum
from lightninglens.core.bolt11.errors import InvoiceError
from lightninglens.core.bolt11.network import Network

KEY_HASH, SCRIPT_HASH = 17, 18
MAX_WITNESS_VERSION = 16

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_HASH_BYTES = 20
_BASE58_BYTES = 1 + _HASH_BYTES + 4
_MAX_ADDRESS = 90


@dataclass(frozen=True, slots=True)
class Fallback:
    """What to pay to: a witness version with its program, or 17 (key hash) or 18 (script hash) with a hash."""

    version: int
    program: bytes

    def __post_init__(self) -> None:
        """Refuse what no address can say; raises InvoiceError."""
        length = len(self.program)
        if self.version in {KEY_HASH, SCRIPT_HASH}:
            fits = length == _HASH_BYTES
        elif self.version == 0:
            fits = length in {20, 32}
        else:
            fits = 0 < self.version <= MAX_WITNESS_VERSION and 2 <= length <= 40
        if not fits:
            raise InvoiceError(f"a fallback address of version {self.version} with {length} bytes does not exist")

    @classmethod
    def from_words(cls, words: Sequence[int]) -> "Fallback | None":
        """Read the field, or return None for a version that is not known; raises InvoiceError or ValueError."""
        if not words:
            raise InvoiceError("a fallback address is empty")
        if words[0] > SCRIPT_HASH:
            return None
        return cls(words[0], bech32.to_bytes(words[1:]))

    def to_words(self) -> list[int]:
        """Return the field's words."""
        return [self.version, *bech32.to_words(self.program)]

    @classmethod
    def of_address(cls, address: str, network: Network) -> "Fallback":
        """Read an address of this network; raises InvoiceError."""
        if len(address) > _MAX_ADDRESS:
            raise InvoiceError(f"an address has at most {_MAX_ADDRESS} characters, not {len(address)}")
        if address.lower().startswith(f"{network.segwit_prefix}1"):
            return cls._of_segwit(address, network)
        data = _from_base58(address)
        versions = {network.key_hash_version: KEY_HASH, network.script_hash_version: SCRIPT_HASH}
        if data[0] not in versions:
            raise InvoiceError(f"{address!r} is not an address of {network.name.lower()}")
        return cls(versions[data[0]], data[1:])

    @classmethod
    def _of_segwit(cls, address: str, network: Network) -> "Fallback":
        prefix, words, checksum = bech32.decode(address)
        if prefix != network.segwit_prefix or not words or checksum != _checksum(words[0]):
            raise InvoiceError(f"{address!r} is not an address of {network.name.lower()}")
        if words[0] > MAX_WITNESS_VERSION:
            raise InvoiceError(f"{address!r} has a witness version above {MAX_WITNESS_VERSION}")
        try:
            program = bech32.to_bytes(words[1:])
        except ValueError as problem:
            raise InvoiceError(f"{address!r} is no address: {problem}") from None
        return cls(words[0], program)

    def address(self, network: Network) -> str:
        """Return the address on this network."""
        if self.version == KEY_HASH:
            return _to_base58(bytes([network.key_hash_version]) + self.program)
        if self.version == SCRIPT_HASH:
            return _to_base58(bytes([network.script_hash_version]) + self.program)
        return bech32.encode(network.segwit_prefix, self.to_words(), _checksum(self.version))


def _checksum(witness_version: int) -> Checksum:
    return Checksum.BECH32M if witness_version else Checksum.BECH32


def _check(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]


def _to_base58(data: bytes) -> str:
    data += _check(data)
    number = int.from_bytes(data)
    letters = []
    while number:
        number, rest = divmod(number, 58)
        letters.append(_BASE58[rest])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _BASE58[0] * zeros + "".join(reversed(letters))


def _from_base58(text: str) -> bytes:
    number = 0
    for letter in text:
        value = _BASE58.find(letter)
        if value < 0:
            raise InvoiceError(f"{text!r} is no address: it has a character that base58 does not have")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip(_BASE58[0]))
    data = bytes(zeros) + number.to_bytes(-(-number.bit_length() // 8))
    if len(data) != _BASE58_BYTES or data[-4:] != _check(data[:-4]):
        raise InvoiceError(f"{text!r} is no address: its checksum is wrong")
    return data[:-4]
