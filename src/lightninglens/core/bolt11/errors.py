"""What is wrong with an invoice."""

from lightninglens.core.errors import DataError


class InvoiceError(DataError):
    """An invoice cannot be read, written or paid; the text says what is wrong with which part."""
