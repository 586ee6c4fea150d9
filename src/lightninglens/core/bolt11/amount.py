"""The amount in an invoice's prefix: a number of bitcoin, with a letter for a fraction of it.

Source: BOLT 11, "Human-Readable Part".
"""

import re

from lightninglens.core.bolt11.errors import InvoiceError
from lightninglens.core.units import MAX_MONEY_MSAT, MSAT_PER_SAT, SAT_PER_BTC, Msat

_TENTHS_PER_BTC = SAT_PER_BTC * MSAT_PER_SAT * 10
_TENTHS_PER_UNIT = {
    "": _TENTHS_PER_BTC,
    "m": _TENTHS_PER_BTC // 10**3,
    "u": _TENTHS_PER_BTC // 10**6,
    "n": _TENTHS_PER_BTC // 10**9,
    "p": 1,
}
"""Tenths of a msat in each unit: a pico-bitcoin is one, which is why it must come in tens."""

_AMOUNT = re.compile(r"([1-9]\d{0,19})([munp]?)", re.ASCII)


def read_amount(text: str) -> Msat:
    """Return the amount in msat; raises InvoiceError."""
    match = _AMOUNT.fullmatch(text)
    if not match:
        raise InvoiceError(
            f"amount {text[:30]!r} is not a number without leading zeros and one of m, u, n, p or nothing"
        )
    tenths = int(match[1]) * _TENTHS_PER_UNIT[match[2]]
    if tenths % 10:
        raise InvoiceError(f"amount {text!r} is not a whole number of msat: with p it ends in 0")
    return require_amount(tenths // 10)


def write_amount(amount_msat: int) -> str:
    """Return the shortest text of an amount; raises InvoiceError when it is not positive or more than all bitcoin."""
    tenths = require_amount(amount_msat) * 10
    return next(f"{tenths // size}{unit}" for unit, size in _TENTHS_PER_UNIT.items() if not tenths % size)


def require_amount(amount_msat: int) -> Msat:
    """Return an amount in msat that can be asked for; raises InvoiceError."""
    if not 0 < amount_msat <= MAX_MONEY_MSAT:
        raise InvoiceError(f"amount {amount_msat} msat is outside 1 to {MAX_MONEY_MSAT}, which is all bitcoin")
    return Msat(amount_msat)
