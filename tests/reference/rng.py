"""Philox-4x32-10 on plain integers (Salmon et al., SC 2011), and the draws made from it."""

import math

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF

KNOWN_ANSWERS = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((_WORD,) * 4, (_WORD,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)
"""(counter, key, output) of `philox4x32 10` from the known-answer file of the Random123 library."""


def philox4x32(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Return four 32-bit words for a counter of four words and a key of two."""
    words, keys = list(counter), list(key)
    for _ in range(10):
        first, second = _MULTIPLIERS[0] * words[0], _MULTIPLIERS[1] * words[2]
        words = [
            (second >> 32) ^ words[1] ^ keys[0],
            second & _WORD,
            (first >> 32) ^ words[3] ^ keys[1],
            first & _WORD,
        ]
        keys = [(part + step) & _WORD for part, step in zip(keys, _WEYL, strict=True)]
    return tuple(words)


def bits(seed: int, entity: int, stream: int, index: int) -> int:
    """Return the 64 bits at an address: the low two words, the second one high."""
    counter = (index & _WORD, index >> 32 & _WORD, entity & _WORD, stream & _WORD)
    words = philox4x32(counter, (seed & _WORD, seed >> 32 & _WORD))
    return words[1] << 32 | words[0]


def uniform(seed: int, entity: int, stream: int, index: int) -> float:
    """Return a float in [0, 1) from the upper 53 bits."""
    return (bits(seed, entity, stream, index) >> 11) / 2.0**53


def standard_normal(seed: int, entity: int, stream: int, index: int) -> float:
    """Return the cosine branch of Box and Muller's pair."""
    drawn = bits(seed, entity, stream, index)
    radius = math.sqrt(-2.0 * math.log(((drawn & _WORD) + 1) / (2.0**32 + 1)))
    return radius * math.cos(2.0 * math.pi * ((drawn >> 32) / 2.0**32))
