"""Our invoices as the npm package `invoices` reads them, which balanceofsatoshis and ThunderHub use."""

from dataclasses import replace

import pytest
from tests.support.node import answers

from lightninglens.core.bolt11 import Fallback, Invoice, InvoiceError, Network, RouteHop, SignedInvoice, decode, sign
from lightninglens.core.ids import ChannelId, derive_node_id, derive_secret
from lightninglens.core.units import Blocks, Msat, Ppm

PARSE = """
import invoices from 'invoices';
const parsed = questions.map(request => {
  try { return invoices.parsePaymentRequest({request}); } catch (problem) { return {problem: String(problem)}; }
});
console.log(JSON.stringify(parsed));
"""
SECRET = derive_secret(1, "alice")
COFFEE = Invoice(
    network=Network.REGTEST,
    timestamp_s=1_800_000_000,
    payment_hash=bytes(range(32)),
    payment_secret=bytes(range(1, 33)),
    amount_msat=Msat(1_234_567),
    description="coffee ナンセンス",
    expiry_s=86_400,
    final_cltv_blocks=Blocks(80),
)
HOP = RouteHop(
    node=derive_node_id(1, "bob"),
    channel=ChannelId.of(800_000, 1, 0),
    fee_base_msat=Msat(1_000),
    fee_rate_ppm=Ppm(100),
    time_lock_delta_blocks=Blocks(40),
)
NAMES = {
    Network.MAINNET: "bitcoin",
    Network.TESTNET: "testnet",
    Network.REGTEST: "regtest",
    Network.SIGNET: "signet",
}
CASES = {
    "plain": COFFEE,
    "any amount": replace(COFFEE, amount_msat=None),
    "hash": replace(COFFEE, description=None, description_hash=bytes(range(2, 34))),
    "hints": replace(COFFEE, route_hints=((HOP,), (HOP, HOP))),
    "metadata": replace(COFFEE, metadata=b"\x01\xfa"),
    "fallback": replace(COFFEE, fallbacks=(Fallback(0, bytes(range(20))),)),
    "a msat": replace(COFFEE, amount_msat=Msat(1)),
    "all bitcoin": replace(COFFEE, amount_msat=Msat(2_100_000_000_000_000_000)),
    **{network.name: replace(COFFEE, network=network) for network in NAMES},
}


@pytest.fixture(scope="module")
def parsed() -> dict[str, tuple[SignedInvoice, dict[str, object]]]:
    signed = {name: sign(invoice, SECRET) for name, invoice in CASES.items()}
    found = answers("invoices", PARSE, [invoice.text for invoice in signed.values()])
    return {name: (invoice, says) for (name, invoice), says in zip(signed.items(), found, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_an_invoice_is_accepted_and_says_the_same(
    name: str, parsed: dict[str, tuple[SignedInvoice, dict[str, object]]]
) -> None:
    ours, theirs = parsed[name]
    assert "problem" not in theirs
    assert theirs["destination"] == ours.payee
    assert theirs["network"] == NAMES[ours.network]
    assert theirs["id"] == ours.payment_hash.hex()
    assert theirs["payment"] == (ours.payment_secret or b"").hex()
    assert theirs["mtokens"] == str(ours.amount_msat or 0)
    assert theirs.get("description") == ours.description
    assert theirs.get("description_hash") == (ours.description_hash.hex() if ours.description_hash else None)
    assert theirs["cltv_delta"] == 80
    assert theirs["expires_at"] == "2027-01-16T08:00:00.000Z"
    assert theirs.get("metadata") == (ours.metadata.hex() if ours.metadata else None)
    assert len(theirs.get("routes", [])) == len(ours.route_hints)  # type: ignore[arg-type]
    assert len(theirs.get("chain_addresses", [])) == len(ours.fallbacks)  # type: ignore[arg-type]


def test_the_features_are_understood(parsed: dict[str, tuple[SignedInvoice, dict[str, object]]]) -> None:
    features = parsed["plain"][1]["features"]
    assert isinstance(features, list)
    assert {(one["bit"], one["is_required"], one["type"]) for one in features} == {
        (8, True, "tlv_onion"),
        (14, True, "payment_identifier"),
        (17, False, "multipath_payments_v0"),
    }


def test_a_changed_invoice_is_refused_by_both() -> None:
    text = sign(COFFEE, SECRET).text
    changed = text[:-1] + ("q" if text[-1] != "q" else "p")
    (theirs,) = answers("invoices", PARSE, [changed])
    assert "problem" in theirs
    with pytest.raises(InvoiceError, match="its checksum is wrong"):
        decode(changed)
