"""The examples of the specification, valid and invalid, and ours written as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from lightninglens.core.bolt11 import Fallback, Invoice, InvoiceError, Network, RouteHop, bech32, decode, sign, text
from lightninglens.core.ids import ChannelId

VECTORS = json.loads((Path(__file__).parents[3] / "fixtures/bolt11/vectors.json").read_text())
SECRET = bytes.fromhex(VECTORS["secret"])
NOT_WRITTEN_SO = {"all in upper case", "fields that are skipped", "a signature with high S"}
WRITTEN = [case for case in VECTORS["valid"] if case["name"] not in NOT_WRITTEN_SO]


def named(case: dict[str, Any]) -> str:
    return str(case["name"])


def expected(says: dict[str, Any]) -> Invoice:
    plain = {name: says[name] for name in says if name in {"timestamp_s", "amount_msat", "description", "expiry_s"}}
    raw: dict[str, Any] = {name: bytes.fromhex(says[name]) for name in says if name in {"description_hash", "metadata"}}
    network = Network[says["network"]]
    return Invoice(
        network=network,
        payment_hash=bytes.fromhex(says["payment_hash"]),
        payment_secret=bytes.fromhex(says["payment_secret"]),
        features=frozenset(says["features"]),
        final_cltv_blocks=says.get("final_cltv_blocks", 18),
        fallbacks=tuple(Fallback.of_address(address, network) for address in says.get("fallbacks", [])),
        route_hints=tuple(
            tuple(RouteHop(**{**hop, "channel": ChannelId.parse(hop["channel"])}) for hop in hint)
            for hint in says.get("route_hints", [])
        ),
        **plain,
        **raw,
    )


def order_of(invoice: str) -> list[str]:
    """Return the tags of an invoice's fields in their order."""
    _, words, _ = bech32.decode(invoice)
    return [tag for tag, _ in text._tagged_fields(words[text._TIMESTAMP_WORDS : -text._SIGNATURE_WORDS])]


@pytest.mark.parametrize("case", VECTORS["valid"], ids=named)
def test_a_valid_example_is_read(case: dict[str, Any]) -> None:
    found = decode(case["invoice"])
    want = expected(case["says"])
    assert {name: getattr(found, name) for name in Invoice.__dataclass_fields__} == {
        name: getattr(want, name) for name in Invoice.__dataclass_fields__
    }
    assert found.payee == case["says"].get("payee", VECTORS["payee"])
    assert found.text == case["invoice"].lower()
    assert [fallback.address(found.network) for fallback in found.fallbacks] == case["says"].get("fallbacks", [])


@pytest.mark.parametrize("case", WRITTEN, ids=named)
def test_a_valid_example_is_written_to_the_letter(case: dict[str, Any]) -> None:
    invoice = expected(case["says"])
    fields = dict(text._fields_of(invoice))
    ordered = [(tag, fields[tag]) for tag in order_of(case["invoice"])]
    assert text._sign_fields(invoice, ordered, SECRET) == case["invoice"]
    assert len(ordered) == len(fields)


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=named)
def test_an_invalid_example_is_refused_in_words(case: dict[str, Any]) -> None:
    with pytest.raises(InvoiceError) as caught:
        decode(case["invoice"])
    assert case["problem"] in str(caught.value)


def test_what_must_not_be_paid_can_be_looked_at() -> None:
    invoices = {case["name"]: case["invoice"] for case in VECTORS["invalid"]}
    assert decode(invoices["feature 100 is required and unknown"], strict=False).features == {8, 14, 99, 100}
    assert decode(invoices["there is no payment secret"], strict=False).payment_secret is None


def test_the_secret_belongs_to_the_payee() -> None:
    assert sign(expected(VECTORS["valid"][0]["says"]), SECRET).payee == VECTORS["payee"]
