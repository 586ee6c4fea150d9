"""The features that nodes and invoices announce.

Source: BOLT 9; LND `feature/default_sets.go`, `lnwire/features.go`.
"""

from collections.abc import Iterable

from lightninglens.nodes.lnd.contract import lnrpc

_NAMES = {
    0: "data-loss-protect",
    4: "upfront-shutdown-script",
    6: "gossip-queries",
    8: "tlv-onion",
    12: "static-remote-key",
    14: "payment-addr",
    16: "multi-path-payments",
    18: "wumbo-channels",
    22: "anchors-zero-fee-htlc-tx",
    24: "route-blinding",
    26: "shutdown-any-segwit",
    30: "amp",
    44: "explicit-commitment-type",
    46: "scid-alias",
    48: "payment-metadata",
    50: "zero-conf",
    54: "keysend",
}
"""By the even bit."""

NODE_BITS = (0, 5, 7, 8, 12, 14, 17, 23, 25, 27, 45, 55)
"""What a simulated node announces: what LND does by default, and that it accepts keysend; no AMP."""


def features(bits: Iterable[int]) -> dict[int, lnrpc.Feature]:
    """Return bits as LND prints them."""
    return {
        bit: lnrpc.Feature(name=_NAMES.get(bit & ~1, "unknown"), is_required=bit % 2 == 0, is_known=bit & ~1 in _NAMES)
        for bit in sorted(bits)
    }


NODE_FEATURES = features(NODE_BITS)
