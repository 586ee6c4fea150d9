"""What the kernels are given is of one type, whatever was written."""

from dataclasses import fields

from lightninglens.sim._parameters import parameters_of
from lightninglens.sim.records import EngineConfig


def test_whole_numbers_for_fractions_do_not_compile_the_kernels_anew() -> None:
    fractions: tuple[str, ...] = (
        "hop_delay_median_ms",
        "hop_delay_sigma",
        "gossip_delay_median_ms",
        "gossip_delay_sigma",
    )
    fractions += ("node_offline_mean_s", "channel_offline_mean_s")
    assert set(fractions) <= {each.name for each in fields(EngineConfig)}
    whole = parameters_of(EngineConfig(**dict.fromkeys(fractions, 3), node_offline_share=1, channel_offline_share=1))  # type: ignore[arg-type]
    usual = parameters_of(EngineConfig())
    assert [type(each) for each in whole] == [type(each) for each in usual]
