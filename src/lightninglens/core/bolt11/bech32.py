"""Bech32 and bech32m without a limit of length: text from 5-bit words, with a checksum.

Source: BIP 173, BIP 350.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum

from lightninglens.core.bolt11.errors import InvoiceError

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHECKSUM_WORDS = 6

_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


class Checksum(IntEnum):
    """What a checksum comes to, which tells the two kinds apart."""

    BECH32 = 1
    BECH32M = 0x2BC830A3


def encode(prefix: str, words: Sequence[int], checksum: Checksum = Checksum.BECH32) -> str:
    """Return `prefix`, a 1, the words and their checksum."""
    rest = _polymod((*_expand(prefix), *words, *[0] * CHECKSUM_WORDS)) ^ checksum
    check = [rest >> 5 * (CHECKSUM_WORDS - 1 - place) & 31 for place in range(CHECKSUM_WORDS)]
    return prefix + "1" + "".join(ALPHABET[word] for word in (*words, *check))


def decode(text: str) -> tuple[str, list[int], Checksum]:
    """Return prefix in lower case, words without checksum, and its kind; raises InvoiceError."""
    bad = next((letter for letter in text if not "!" <= letter <= "~"), None)
    if bad is not None:
        raise InvoiceError(f"character {text.index(bad) + 1} is not allowed in it")
    if text != text.lower() and text != text.upper():
        raise InvoiceError("it mixes upper and lower case")
    prefix, separator, data = text.lower().rpartition("1")
    if not separator or not prefix:
        raise InvoiceError("it has no prefix that a 1 separates from its data")
    if len(data) < CHECKSUM_WORDS:
        raise InvoiceError(f"it is too short: {len(data)} characters follow the last 1")
    words = [_VALUES.get(letter, -1) for letter in data]
    if -1 in words:
        place = words.index(-1)
        raise InvoiceError(f"character {len(prefix) + 2 + place} is no bech32 character")
    try:
        checksum = Checksum(_polymod((*_expand(prefix), *words)))
    except ValueError:
        raise InvoiceError("its checksum is wrong: a character was changed, lost or added") from None
    return prefix, words[:-CHECKSUM_WORDS], checksum


def to_words(data: bytes) -> list[int]:
    """Return bytes as 5-bit words, the last filled with zeros."""
    count = -(-len(data) * 8 // 5)
    number = int.from_bytes(data) << count * 5 - len(data) * 8
    return [number >> 5 * (count - 1 - place) & 31 for place in range(count)]


def to_bytes(words: Sequence[int]) -> bytes:
    """Return 5-bit words as bytes; raises ValueError when the bits left over are not fewer than 5 zeros."""
    length, spare = divmod(len(words) * 5, 8)
    number = number_of(words)
    if spare >= 5 or number & (1 << spare) - 1:
        raise ValueError("the bits after the last whole byte are not as few as can be, or not zeros")
    return (number >> spare).to_bytes(length)


def padded_bytes(words: Sequence[int]) -> bytes:
    """Return 5-bit words as bytes, the last filled with zeros: what an invoice's signature is over."""
    length = -(-len(words) * 5 // 8)
    return (number_of(words) << length * 8 - len(words) * 5).to_bytes(length)


def number_of(words: Iterable[int]) -> int:
    """Return 5-bit words as one big-endian number."""
    found = 0
    for word in words:
        found = found << 5 | word
    return found


def words_of(number: int) -> list[int]:
    """Return a number as the fewest big-endian 5-bit words: none for 0."""
    count = -(-number.bit_length() // 5)
    return [number >> 5 * (count - 1 - place) & 31 for place in range(count)]


def _expand(prefix: str) -> tuple[int, ...]:
    return (*(ord(letter) >> 5 for letter in prefix), 0, *(ord(letter) & 31 for letter in prefix))


def _polymod(values: Iterable[int]) -> int:
    found = 1
    for value in values:
        top = found >> 25
        found = (found & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            if top >> place & 1:
                found ^= generator
    return found
