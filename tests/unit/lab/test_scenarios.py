"""Scenarios are opened with all their files, or refused before anything runs; the ready ones run."""

import dataclasses
import os
from pathlib import Path

import pytest

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.lab.batch import run_scenario
from lightninglens.lab.circulation import netted_share_of_run
from lightninglens.lab.scenarios import (
    OpenedScenario,
    open_scenario_file,
    overridden,
    ready_file,
    ready_names,
    reopen_scenario,
)
from lightninglens.lab.worlds import open_world
from lightninglens.sim.demand import PaymentList, PaymentListFile, PlugIn, PopulationDemand, first_intents, netted_share
from lightninglens.sim.scenario import GraphKind, Scenario
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.files.graphs import GraphFormat, write_graph
from lightninglens.storage.files.scenarios import read_scenario_file

ROOT = Path(__file__).parents[3]
MAINNET = Path(os.environ.get("LENS_MAINNET_GRAPH", ROOT.parent / "shared/data/graph/mainnet-2026-02-03.json.gz"))
LIST = "time_s,sender,receiver,amount_sat\n0,lnd-alice,lnd-bob,5\n1,lnd-bob,lnd-eve,6\n"


def opened(tmp_path: Path, text: str) -> OpenedScenario:
    (tmp_path / "mine.toml").write_text(text)
    return open_scenario_file(read_scenario_file(tmp_path / "mine.toml"))


def run(found: OpenedScenario, folder: Path) -> float:
    result = run_scenario(
        found.scenario,
        found.world.graph,
        folder,
        opener_side=found.world.opener_side,
        demand=found.demand,
        node1_local_msat=found.node1_local_msat,
    )
    assert result.conservation_drift_msat == 0
    assert result.summary.payments == found.scenario.payments
    return result.summary.success_rate or 0.0


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("lab-day", 0.7, 1.0),
        ("drain-to-exchange", 0.3, 0.8),
        ("circulation-only", 0.85, 1.0),
        ("payment-list", 0.87, 0.88),
    ],
)
def test_a_ready_scenario_runs_whole(tmp_path: Path, name: str, least: float, most: float) -> None:
    found = open_scenario_file(read_scenario_file(ready_file(name)))
    assert least < run(found, tmp_path / "run") < most
    scenario = found.scenario
    intents = first_intents(
        found.demand,
        found.world.graph,
        seed=scenario.seed,
        count=scenario.payments,
        origin_ns=scenario.world.start_unix_s * 10**9,
    )
    expected = netted_share(intents, found.world.graph.node_count)
    assert netted_share_of_run(tmp_path / "run") == pytest.approx(expected)


@pytest.mark.skipif(not MAINNET.exists(), reason=f"no mainnet graph at {MAINNET}")
def test_the_mainnet_scenario_runs_with_few_payments(tmp_path: Path) -> None:
    written = read_scenario_file(ready_file("mainnet-coffee"))
    assert written.payments == 200_000
    assert run(open_scenario_file(overridden(written, graph=str(MAINNET), payments=300)), tmp_path / "run") > 0.5


def test_the_ready_scenarios_are_those_in_the_folder() -> None:
    assert {path.stem for path in ready_file("lab-day").parent.glob("*.toml")} == set(ready_names())


def test_a_scenario_comes_back_from_its_record(tmp_path: Path) -> None:
    """With the graph, the payments and the balances as files, which must be the same bytes."""
    write_graph(open_world("lab", seed=1).graph, tmp_path / "lab.json", GraphFormat.LND)
    (tmp_path / "payments.csv").write_text(LIST)
    (tmp_path / "known.csv").write_text("channel_id,node1_local_msat\n202x1x0,77\n")
    found = opened(
        tmp_path,
        'graph = "lab.json"\nbalances_file = "known.csv"\nobserved_nodes = ["lnd-bob"]\n'
        '[demand]\nkind = "payment-list"\nfile = "payments.csv"',
    )
    made = from_json(Scenario, to_json(found.scenario), where="here")
    assert made == found.scenario
    assert (made.payments, made.observed_nodes) == (2, (found.world.graph.node_ids[1],))
    assert isinstance(found.demand, PaymentList)
    assert isinstance(made.demand, PaymentListFile)
    graph, listed, known = (str(tmp_path / "lab.json"), tmp_path / "payments.csv", tmp_path / "known.csv")
    again = reopen_scenario(made, graph=graph, payment_list=listed, balances=known)
    assert again.node1_local_msat is not None
    assert again.node1_local_msat[0] == 77
    for missing, words in (("payment_list", "--payment-list"), ("balances", "--balances-file"), ("graph", "--graph")):
        files = {"graph": graph, "payment_list": listed, "balances": known, missing: None}
        with pytest.raises(ConfigError, match=words):
            reopen_scenario(made, **files)  # type: ignore[arg-type]
    listed.write_text(LIST + "2,lnd-bob,lnd-eve,6\n")
    with pytest.raises(DataError, match=r"payments.csv: its SHA-256 is"):
        reopen_scenario(made, graph=graph, payment_list=listed, balances=known)


def test_a_scenario_without_files_takes_none(tmp_path: Path) -> None:
    made = opened(tmp_path, 'graph = "lab"').scenario
    assert reopen_scenario(made).world.source.kind is GraphKind.LAB
    with pytest.raises(ConfigError, match="its payments are drawn"):
        reopen_scenario(made, payment_list=tmp_path)
    with pytest.raises(ConfigError, match="its balances are drawn"):
        reopen_scenario(made, balances=tmp_path)
    plug_in = dataclasses.replace(made, demand=PlugIn(name="mine"))
    with pytest.raises(ConfigError, match="plug-in 'mine'"):
        reopen_scenario(plug_in)


def test_a_named_demand_is_the_labs_on_the_lab(tmp_path: Path) -> None:
    on_lab = opened(tmp_path, 'graph = "lab"\ndemand = "micro-2023"').scenario.demand
    elsewhere = opened(tmp_path, 'graph = "synthetic:60"\ndemand = "micro-2023"').scenario.demand
    assert isinstance(on_lab, PopulationDemand)
    assert isinstance(elsewhere, PopulationDemand)
    assert on_lab.payments_per_hour < elsewhere.payments_per_hour


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 1", "mine.toml: it names no graph.*--graph"),
        ('graph = "none.json"', "line 1: graph: .*none.json: no such file"),
        ('graph = "lab"\ngraph_sha256 = "00"', "line 2: graph_sha256: 'lab' is no file"),
        ('graph = "lab"\nobserved_nodes = ["bob"]', "line 2: observed_nodes: 'bob' is not a node of this graph"),
        (
            'graph = "lab"\n[[changes]]\nkind = "node-offline"\nat_s = 1\nfor_s = 1\nnode = "lnd-bert"',
            r"line 6: changes\[0\].node: 'lnd-bert' is not a node",
        ),
        (
            'graph = "lab"\n[demand]\nkind = "roles"\nleast_amount_sat = 9_000_000',
            r"line 4: demand.least_amount_sat: 9,000,000 sat are more than all channels of any node hold \(at most 3",
        ),
        (
            'graph = "lab"\n[demand]\nkind = "uniform"\nleast_amount_sat = 9_000_000\nmost_amount_sat = 9_000_000',
            "line 4: demand.least_amount_sat: 9,000,000 sat are more",
        ),
        (
            (
                'graph = "lab"\ndemand.kind = "population"\n[demand.amounts]\n\nleast_sat = 4_000_000\n'
                "mean_sat = 4.1e6\nhighest_median_sat = 9e6"
            ),
            "line 5: demand.amounts.least_sat: 4,000,000 sat are more",
        ),
    ],
)
def test_what_means_nothing_on_this_graph_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[demand]\nkind = "payment-list"\nfile = "none.csv"', "none.csv: No such file"),
        ('[demand]\nkind = "payment-list"\nfile = "payments.csv"\nsha256 = "00"', "line 5: demand.sha256: its SHA-256"),
        ('balances_file = "payments.csv"', "payments.csv line 1: 'time_s' is no column"),
        ('balances_file = "known.csv"\nbalances_sha256 = "00"', "line 3: balances_sha256: its SHA-256"),
    ],
)
def test_a_file_that_is_not_the_one_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "payments.csv").write_text(LIST)
    (tmp_path / "known.csv").write_text("channel_id,node1_local_msat\n202x1x0,77\n")
    with pytest.raises(DataError, match=words):
        opened(tmp_path, f'graph = "lab"\n{text}')


def test_a_graph_file_may_be_named_by_its_hash(tmp_path: Path) -> None:
    write_graph(open_world("lab", seed=1).graph, tmp_path / "lab.json", GraphFormat.LND)
    sha256 = open_world(str(tmp_path / "lab.json")).sha256
    assert opened(tmp_path, f'graph = "lab.json"\ngraph_sha256 = "{sha256}"').world.graph.node_count == 5
    with pytest.raises(DataError, match="graph_sha256: its SHA-256"):
        opened(tmp_path, 'graph = "lab.json"\ngraph_sha256 = "00"')
