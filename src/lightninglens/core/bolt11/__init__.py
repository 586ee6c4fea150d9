"""Invoices for Lightning payments, as BOLT 11 describes them.

    invoice = sign(Invoice(network=Network.REGTEST, payment_hash=…, payment_secret=…, description="coffee",
                           timestamp_s=…, amount_msat=Msat(250_000)), secret)
    invoice.text             # lnbcrt2500n1…
    decode(text).payee       # who signed it

`decode` verifies the signature and refuses what must not be paid. Only the payer
and the payee may know a payment secret, so no text of an invoice object shows it;
`text` itself has it.
"""

from lightninglens.core.bolt11.errors import InvoiceError
from lightninglens.core.bolt11.fallback import Fallback
from lightninglens.core.bolt11.features import DEFAULT_FEATURES, Feature
from lightninglens.core.bolt11.invoice import Invoice, RouteHop, SignedInvoice
from lightninglens.core.bolt11.network import Network
from lightninglens.core.bolt11.text import decode, sign

__all__ = [
    "DEFAULT_FEATURES",
    "Fallback",
    "Feature",
    "Invoice",
    "InvoiceError",
    "Network",
    "RouteHop",
    "SignedInvoice",
    "decode",
    "sign",
]
