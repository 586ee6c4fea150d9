"""What a side can send is what LND's commitment logic says, after any sequence of HTLCs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference.channels import ANCHORS_MSAT, Channel, Htlc
from tests.reference.networks import build_graph

from lightninglens.sim import _channels
from lightninglens.sim.state import make_network

AMOUNTS = st.one_of(
    st.sampled_from([1, 353_999, 354_000, 1_000_000]), st.integers(1, 900_000_000), st.just(-1), st.just(-2)
)
"""-1: everything that can be sent; -2: one msat less."""
STEPS = st.lists(st.tuples(st.integers(0, 1), AMOUNTS, st.booleans()), max_size=40)


def opener_margin(channel: Channel) -> int:
    """What the opener has above reserve and commitment fee."""
    weight = 1124 + 172 * sum(not htlc.is_dust for htlc in channel.htlcs)
    fee = channel.feerate_per_kw * weight // 1000 * 1000
    return channel.balance_msat[channel.opener] - ANCHORS_MSAT - channel.reserve_msat - fee


@pytest.mark.kernel
@settings(max_examples=150, deadline=None)
@given(
    capacity_sat=st.sampled_from([2_000, 20_000, 100_000, 1_000_000, 16_777_215]),
    share=st.floats(0, 1),
    opener=st.integers(0, 1),
    feerate=st.sampled_from([0, 253, 1_001, 2_500, 12_345]),
    steps=STEPS,
)
def test_spendable_equals_the_twin(
    capacity_sat: int, share: float, opener: int, feerate: int, steps: list[tuple[int, int, bool]]
) -> None:
    """Add and resolve HTLCs at will: equal at every step, nothing lost, the opener never pushed under."""
    capacity = capacity_sat * 1_000
    first = int(capacity * share)
    twin = Channel(capacity, opener, [first, capacity - first], feerate)
    network, own = make_network(
        build_graph(2, [(0, 1, capacity_sat)]), np.array([first, capacity - first]), np.array([opener], np.int8)
    )
    _channels.refresh_all(network, own, feerate)
    pending: list[Htlc] = []
    healthy = opener_margin(twin) >= 0
    for side, wanted, settled in steps:
        available = twin.available(side)
        assert own.spendable_msat.tolist() == [twin.available(0), twin.available(1)]
        amount = available + wanted + 1 if wanted < 0 else wanted
        if 0 < amount <= available:
            pending.append(twin.add(side, amount))
            assert _channels.add_htlc(network, own, feerate, side, amount) == pending[-1].htlc_id
        elif pending:
            htlc = pending.pop(len(pending) // 2)
            twin.resolve(htlc, settled=settled)
            _channels.resolve_htlc(network, own, feerate, htlc.side, htlc.amount_msat, settled)
        assert network.balance_msat.tolist() == twin.balance_msat
        assert own.pending_htlcs.tolist() == [twin.pending(0), twin.pending(1)]
        assert _channels.conservation_drift_msat(network, np.array([capacity, 0])) == 0
        if healthy:
            assert opener_margin(twin) >= 0
