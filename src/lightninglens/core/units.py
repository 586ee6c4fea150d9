"""Units of money, fees, blocks and time.

Money is an integer everywhere, in msat unless the name says sat. Arrays are
int64: 2**63 msat is 92 million BTC, but a product of msat and ppm overflows
int64 from 92 BTC on, so use `proportional_fee_msat` instead of multiplying.
"""

from typing import Final, NewType

Msat = NewType("Msat", int)
Sat = NewType("Sat", int)
Ppm = NewType("Ppm", int)
Blocks = NewType("Blocks", int)
UnixNs = NewType("UnixNs", int)

MSAT_PER_SAT: Final = 1_000
PPM: Final = 1_000_000
SAT_PER_BTC: Final = 100_000_000
MAX_MONEY_SAT: Final = Sat(21_000_000 * SAT_PER_BTC)
MAX_MONEY_MSAT: Final = Msat(MAX_MONEY_SAT * MSAT_PER_SAT)
MAX_UINT32: Final = 2**32 - 1

NS_PER_MS: Final = 1_000_000
NS_PER_SECOND: Final = 1_000_000_000
NS_PER_HOUR: Final = 3_600 * NS_PER_SECOND
NS_PER_DAY: Final = 24 * NS_PER_HOUR


def to_msat(amount_sat: int) -> Msat:
    """Return `amount_sat` in msat."""
    return Msat(amount_sat * MSAT_PER_SAT)


def to_sat(amount_msat: int) -> Sat:
    """Return `amount_msat` in whole sat, rounded towards minus infinity as LND shows balances."""
    return Sat(amount_msat // MSAT_PER_SAT)


def proportional_fee_msat(amount_msat: int, rate_ppm: int) -> Msat:
    """Return the proportional fee, truncated towards zero as LND's Go integers do.

    Source: LND `graph/db/models/inbound_fee.go`, `CalcFee`.
    """
    product = amount_msat * rate_ppm
    return Msat(-(-product // PPM) if product < 0 else product // PPM)
