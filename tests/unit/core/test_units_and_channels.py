import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.errors import DataError
from lightninglens.core.units import Blocks, Msat, Ppm, proportional_fee_msat, to_msat, to_sat


@pytest.mark.parametrize(
    ("amount", "rate", "fee"),
    [(1_000_000, 1, 1), (999_999, 1, 0), (1, 999_999, 0), (5, -300_000, -1), (0, 7, 0), (2**62, 1_000_000, 2**62)],
)
def test_a_proportional_fee_is_truncated_towards_zero(amount: int, rate: int, fee: int) -> None:
    assert proportional_fee_msat(amount, rate) == fee


@given(amount=st.integers(0, 2**62), rate=st.integers(0, 10**6))
def test_a_discount_mirrors_a_fee(amount: int, rate: int) -> None:
    assert proportional_fee_msat(amount, -rate) == -proportional_fee_msat(amount, rate)


@given(amount=st.integers(0, 2**50))
def test_sat_and_msat_convert(amount: int) -> None:
    assert to_sat(to_msat(amount)) == amount
    assert to_sat(to_msat(amount) + 999) == amount


def test_a_policy_prices_both_directions() -> None:
    policy = ChannelPolicy(
        base_fee_msat=Msat(1_000),
        fee_rate_ppm=Ppm(500),
        time_lock_delta_blocks=Blocks(80),
        min_htlc_msat=Msat(1),
        max_htlc_msat=Msat(10**9),
        inbound_base_fee_msat=Msat(-10),
        inbound_fee_rate_ppm=Ppm(-100),
    )
    assert policy.outbound_fee_msat(1_000_000) == 1_500
    assert policy.inbound_fee_msat(1_000_000) == -110


def test_an_error_of_data_names_its_place() -> None:
    assert str(DataError("cut short", where="a.json")) == "a.json: cut short"
    assert str(DataError("cut short")) == "cut short"
