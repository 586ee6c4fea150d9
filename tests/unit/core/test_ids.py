import coincurve
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lightninglens.core.ids import ChannelId, derive_node_id, derive_secret, parse_node_id


def test_a_simulated_node_has_a_valid_key_of_its_own() -> None:
    node = derive_node_id(7, "lnd-alice")
    assert node == derive_node_id(7, "lnd-alice")
    assert node not in {derive_node_id(8, "lnd-alice"), derive_node_id(7, "lnd-bob")}
    assert parse_node_id(node) == node
    assert coincurve.PrivateKey(derive_secret(7, "lnd-alice")).public_key.format().hex() == node


def test_a_secret_outside_the_group_order_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def strict(secret: bytes) -> object:
        seen.append(secret)
        if len(seen) == 1:
            raise ValueError
        return object()

    monkeypatch.setattr(coincurve, "PrivateKey", strict)
    assert derive_secret(1, "x") == seen[1] != seen[0]


@pytest.mark.parametrize("text", ["", "02" + "g" * 64, "04" + "0" * 64, "02" + "0" * 63, "02" + "A" * 64, "x" * 200])
def test_what_is_no_node_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a node id") as caught:
        parse_node_id(text)
    assert len(str(caught.value)) < 160


@given(block=st.integers(0, 2**24 - 1), index=st.integers(0, 2**24 - 1), output=st.integers(0, 2**16 - 1))
def test_a_channel_id_is_its_parts_in_every_form(block: int, index: int, output: int) -> None:
    packed = ChannelId.of(block, index, output)
    assert (packed.block, packed.tx_index, packed.output) == (block, index, output)
    for text in (str(packed), str(packed).replace("x", ":"), str(int(packed))):
        assert ChannelId.parse(text) == packed
    assert repr(packed) == f"ChannelId({block}x{index}x{output})"


@pytest.mark.parametrize(
    "text", ["", "1x2", "1x2x3x4", "-1", "1e3", "99999999x1x1", str(2**64), "1" * 21, "\uff11", "\uff11x1x1"]
)
def test_what_is_no_channel_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a channel id"):
        ChannelId.parse(text)


def test_a_channel_id_fits_64_bits() -> None:
    assert ChannelId(2**64 - 1).block == 2**24 - 1
    with pytest.raises(ValueError, match="64 bits"):
        ChannelId(2**64)
    with pytest.raises(ValueError, match="64 bits"):
        ChannelId(-1)


def test_a_channel_id_is_a_string_in_json() -> None:
    adapter = TypeAdapter(ChannelId)
    packed = ChannelId.of(800_000, 1, 0)
    assert adapter.dump_json(packed) == b'"800000x1x0"'
    assert adapter.validate_json(b'"800000x1x0"') == packed
    with pytest.raises(ValidationError):
        adapter.validate_json(b'"99999999x1x1"')
