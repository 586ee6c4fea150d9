"""What receivers do with the parts that reach them.

Source: LND `invoices/update.go`, `invoices/invoice_expiry_watcher.go`, `lncfg/invoices.go`.
"""

from enum import IntEnum

HOLD_EXPIRY_DELTA_BLOCKS = 18
"""A held set is cancelled this long before its first HTLC expires: then no channel is closed by force over it.

LND `lncfg/invoices.go`, DefaultHoldInvoiceExpiryDelta, as of August 2026; before its 0.21 it was 12.
"""


class Answer(IntEnum):
    """What a payment's receiver does: `PaymentRequests.answer`."""

    SETTLE = 0
    """It settles a set when it is complete."""
    UNKNOWN_INVOICE = 1
    """It has no such invoice, as when a sender probes with a random hash: every part fails as it arrives."""
    HOLD_THEN_SETTLE = 2
    """It holds the complete set for `hold_ns`, and settles it."""
    HOLD_THEN_CANCEL = 3
    """It holds the complete set for `hold_ns`, and cancels the invoice."""
    HOLD = 4
    """It holds the complete set until `Engine.settle_held` or `cancel_held` is called, or its expiry is near."""
    CANCELLED = 5
    """The invoice has been cancelled: what still comes fails. Nobody asks for this, nor for the next."""
    SETTLED = 6
    """A set that was held has been settled, or will be at this moment."""
