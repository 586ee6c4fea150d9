import coincurve
import pytest

from lightninglens.core.errors import ConfigError
from lightninglens.core.ids import derive_node_id
from lightninglens.sim.topology import LabTopology, lab_topology

NAMES = ("lnd-alice", "lnd-bob", "lnd-carol", "lnd-dave", "lnd-eve")


def channels(lab: LabTopology) -> list[tuple[str, str]]:
    """Return each channel as (opener, other)."""
    found = []
    for row, opener in enumerate(lab.openers):
        ends = {int(lab.graph.node1[row]), int(lab.graph.node2[row])}
        found.append((lab.names[opener], lab.names[(ends - {opener}).pop()]))
    return found


def test_the_lab_as_built_has_seven_channels_in_order_of_opening() -> None:
    lab = lab_topology(7)
    assert channels(lab) == [
        ("lnd-alice", "lnd-bob"),
        ("lnd-bob", "lnd-carol"),
        ("lnd-carol", "lnd-dave"),
        ("lnd-dave", "lnd-eve"),
        ("lnd-eve", "lnd-alice"),
        ("lnd-alice", "lnd-carol"),
        ("lnd-bob", "lnd-eve"),
    ]
    assert lab.graph.capacity_sat.tolist() == [1_000_000] * 7


@pytest.mark.promise("A1.18")
def test_the_lab_as_drawn_lacks_only_the_channel_that_is_not_drawn() -> None:
    drawn = {frozenset(pair) for pair in channels(lab_topology(7, drawn=True))}
    built = {frozenset(pair) for pair in channels(lab_topology(7))}
    assert built - drawn == {frozenset(("lnd-alice", "lnd-carol"))}
    assert len(drawn) == 6


@pytest.mark.promise("A1.9")
@pytest.mark.parametrize("seed", [0, 1, 7, 2**64 - 1])
def test_nodes_have_the_documented_names_and_keys_that_exist(seed: int) -> None:
    lab = lab_topology(seed)
    assert lab.names == lab.graph.aliases == NAMES
    assert lab.graph.node_ids == tuple(derive_node_id(seed, name) for name in NAMES)
    for node in lab.graph.node_ids:
        coincurve.PublicKey(bytes.fromhex(node))
    ids = lab.graph.node_ids
    assert all(ids[a] < ids[b] for a, b in zip(lab.graph.node1, lab.graph.node2, strict=True))


def test_policies_are_lnds_defaults() -> None:
    policies = lab_topology(7).graph.policies
    assert policies.known.all()
    assert not policies.disabled.any()
    for name, value in {
        "base_fee_msat": 1000,
        "fee_rate_ppm": 1,
        "time_lock_delta_blocks": 80,
        "min_htlc_msat": 1000,
        "max_htlc_msat": 990_000_000,
    }.items():
        assert set(getattr(policies, name).tolist()) == {value}


def test_a_node_may_have_a_fee_rate_of_its_own() -> None:
    lab = lab_topology(7, fee_rates_ppm={"lnd-bob": 250})
    rates = lab.graph.policies.fee_rate_ppm
    for direction, source in enumerate(lab.graph.sources()):
        assert rates[direction] == (250 if lab.names[source] == "lnd-bob" else 1)


@pytest.mark.parametrize(
    ("rates", "problem"), [({"lnd-frank": 1}, "no lab node is called"), ({"lnd-eve": -1}, "range")]
)
def test_wrong_fee_rates_are_refused(rates: dict[str, int], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        lab_topology(7, fee_rates_ppm=rates)
