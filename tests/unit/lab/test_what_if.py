"""Liquidity as people write it, and what nodes forwarded in a run on disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.units import NS_PER_SECOND, UnixNs
from lightninglens.lab.batch import resume_run, run_scenario
from lightninglens.lab.ego import earnings_of, record
from lightninglens.lab.report import write_report
from lightninglens.lab.what_if import checkpoint_time_ns, forwards_of_run, parse_added_liquidity
from lightninglens.lab.worlds import open_world
from lightninglens.sim.demand.model import LAB_DEMAND
from lightninglens.sim.scenario import WORLD_START_S, Scenario

WORLD = open_world("lab", seed=7)
SCENARIO = Scenario(name="lab", seed=7, graph=WORLD.source, payments=300, demand=replace(LAB_DEMAND, amount_scale=2.0))


def test_added_liquidity_is_read_with_ids_and_aliases() -> None:
    change = parse_added_liquidity("202x1x0:lnd-bob:-5000", WORLD.graph, time_ns=UnixNs(9))
    assert (str(change.channel_id), change.amount_sat, change.time_ns) == ("202x1x0", -5_000, 9)
    assert WORLD.graph.aliases[WORLD.graph.node_index(change.node_id)] == "lnd-bob"
    by_id = parse_added_liquidity(f"202x1x0:{change.node_id}:-5000", WORLD.graph, time_ns=UnixNs(9))
    assert by_id == change


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("202x1x0", "CHANNEL:NODE:SAT"),
        ("202:1:0:5", "not a channel id|no channel"),
        ("202x1x0:lnd-bob", "CHANNEL:NODE:SAT"),
        ("999x1x0:lnd-bob:5", "no channel 999x1x0"),
        ("202x1x0:lnd-bbo:5", "is 'lnd-bob' meant"),
        ("202x1x0:lnd-dave:5", "is a channel of lnd-alice and lnd-bob"),
        ("202x1x0:lnd-bob:much", "'much' is no whole number"),
        ("202x1x0:lnd-bob:0", "change nothing"),
        ("202x1x0:lnd-bob:9999999999999999", "more than there is"),
    ],
)
def test_what_means_no_liquidity_is_told(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_added_liquidity(text, WORLD.graph, time_ns=UnixNs(0))


def test_forwards_on_disk_are_those_of_the_run(tmp_path: Path) -> None:
    run_scenario(SCENARIO, WORLD.graph, tmp_path / "run", opener_side=WORLD.opener_side)
    kept = record(SCENARIO, WORLD.graph, opener_side=WORLD.opener_side)
    nodes = list(range(WORLD.graph.node_count))
    for node, found in zip(nodes, forwards_of_run(tmp_path / "run", WORLD.graph, nodes), strict=True):
        earned = earnings_of(kept, node)
        assert (found.forwards, found.volume_msat, found.fees_msat) == (
            earned.forwards,
            earned.volume_msat,
            earned.fees_msat,
        )
        assert found.alias == WORLD.graph.aliases[node]
    assert sum(found.forwards for found in forwards_of_run(tmp_path / "run", WORLD.graph, nodes)) > 20


def test_a_forks_report_says_what_it_has_otherwise(tmp_path: Path) -> None:
    until_ns = (WORLD_START_S + 1_800) * NS_PER_SECOND
    graph, sides = WORLD.graph, WORLD.opener_side
    run_scenario(SCENARIO, graph, tmp_path / "cut", opener_side=sides, until_ns=until_ns)
    time_ns = checkpoint_time_ns(tmp_path / "cut")
    assert time_ns == until_ns
    change = parse_added_liquidity("202x1x0:lnd-bob:2000000", graph, time_ns=time_ns)
    resume_run(tmp_path / "cut", graph, tmp_path / "fork", opener_side=sides, changes=[change])
    page = write_report(tmp_path / "fork").read_text()
    for words in ("A counterfactual", "1,800 s", "202x1x0", change.node_id, "+2,000,000 sat"):
        assert words in page
    assert "A counterfactual" not in write_report(tmp_path / "cut").read_text()
    with pytest.raises(DataError, match="no checkpoint"):
        checkpoint_time_ns(tmp_path / "fork")
