"""The features that an invoice can ask for.

A feature has two bits: the even one says that a payer must know it, the odd one
that it may. Source: BOLT 9.
"""

from collections.abc import Iterable
from enum import IntEnum

from lightninglens.core.bolt11.bech32 import number_of, words_of


class Feature(IntEnum):
    """A feature of invoices, by its even bit, which makes it required; the bit above makes it optional."""

    VAR_ONION = 8
    PAYMENT_SECRET = 14
    BASIC_MPP = 16
    PAYMENT_METADATA = 48

    @property
    def required(self) -> int:
        """The bit that says that a payer must know it."""
        return self.value

    @property
    def optional(self) -> int:
        """The bit that says that a payer may use it."""
        return self.value + 1


DEFAULT_FEATURES = frozenset({Feature.VAR_ONION.required, Feature.PAYMENT_SECRET.required, Feature.BASIC_MPP.optional})
"""What LND sets in an invoice."""

MAX_BIT = 1023 * 5 - 1
"""The greatest bit that fits a field."""


def has(features: Iterable[int], feature: Feature) -> bool:
    """Tell whether a feature is required or optional among these bits."""
    return bool({feature.required, feature.optional} & set(features))


def unknown_required(features: Iterable[int]) -> list[int]:
    """Return the bits that a payer must know and that are not in `Feature`, in order."""
    return sorted(bit for bit in features if not bit % 2 and bit not in set(Feature))


def to_words(features: Iterable[int]) -> list[int]:
    """Return the field's words."""
    return words_of(sum(1 << bit for bit in set(features)))


def from_words(words: list[int]) -> frozenset[int]:
    """Return the bits that are set."""
    number = number_of(words)
    return frozenset(bit for bit in range(len(words) * 5) if number >> bit & 1)
