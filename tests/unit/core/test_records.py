from typing import Any

import pytest

from lightninglens.core.ids import ChannelId, derive_node_id
from lightninglens.core.records import RebalanceChange
from lightninglens.core.units import MAX_MONEY_MSAT

SOUND: dict[str, Any] = {
    "node_id": derive_node_id(1, "lnd-alice"),
    "outgoing_channel_id": ChannelId.of(1, 1, 0),
    "incoming_channel_id": ChannelId.of(1, 1, 1),
    "amount_msat": 1_000,
    "max_fee_msat": 0,
    "previous_local_msat": 5_000,
    "reason": "",
}


def test_a_sound_change_is_taken() -> None:
    assert RebalanceChange(**SOUND).amount_msat == 1_000


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("amount_msat", 0, "a rebalance of 0 msat is none"),
        ("amount_msat", MAX_MONEY_MSAT + 1, "below all money"),
        ("max_fee_msat", -1, "a fee limit of -1 msat is none"),
        ("max_fee_msat", MAX_MONEY_MSAT + 1, "is none"),
        ("incoming_channel_id", ChannelId.of(1, 1, 0), "both the way out and the way in"),
    ],
)
def test_a_change_that_no_channel_could_carry_is_refused(field: str, value: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RebalanceChange(**{**SOUND, field: value})
