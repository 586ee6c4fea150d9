"""The networks that an invoice can be for."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class _Prefixes:
    invoice: str
    segwit: str
    key_hash: int
    script_hash: int


class Network(Enum):
    """A Bitcoin network, with the prefixes of its invoices and addresses."""

    MAINNET = _Prefixes("bc", "bc", 0x00, 0x05)
    TESTNET = _Prefixes("tb", "tb", 0x6F, 0xC4)
    SIGNET = _Prefixes("tbs", "tb", 0x6F, 0xC4)
    REGTEST = _Prefixes("bcrt", "bcrt", 0x6F, 0xC4)
    SIMNET = _Prefixes("sb", "sb", 0x3F, 0x7B)

    def __repr__(self) -> str:
        return f"Network.{self.name}"

    @property
    def invoice_prefix(self) -> str:
        """What follows `ln` in an invoice."""
        return self.value.invoice

    @property
    def segwit_prefix(self) -> str:
        """What precedes the 1 of a segwit address."""
        return self.value.segwit

    @property
    def key_hash_version(self) -> int:
        """First byte of an address that pays to the hash of a key."""
        return self.value.key_hash

    @property
    def script_hash_version(self) -> int:
        """First byte of an address that pays to the hash of a script."""
        return self.value.script_hash
