"""Amounts as requests give them, in sat or in msat."""

from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.nodes.lnd.server.refusals import Refusal


def value_msat(value_sat: int, value_msat: int) -> int:
    """Return an amount given in sat or in msat; raises Refusal as LND's `UnmarshallAmt`."""
    if value_sat and value_msat:
        raise Refusal("sat and msat arguments are mutually exclusive")
    if value_sat < 0 or value_msat < 0:
        raise Refusal("amount cannot be negative")
    return value_sat * MSAT_PER_SAT if value_sat else value_msat
