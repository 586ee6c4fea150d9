"""Scenario files: every mistake is told with file, line and key, and what would be right."""

from pathlib import Path

import pytest

from lightninglens.core.errors import ConfigError
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.demand import DemandModel, DemandName, PaymentListFile, PopulationDemand, UniformDemand
from lightninglens.sim.demand.model import EXCHANGE_2025
from lightninglens.sim.timeline import CHANGE_KINDS, CloseChannel, SetPolicy
from lightninglens.storage.files import scenarios
from lightninglens.storage.files.scenarios import ScenarioFile, read_scenario_file, scenario_of_options

FULL = """
format = "lightninglens/scenario/1"
name = "All of it"
about = "Every key once."
graph = "graphs/my.json.gz"
graph_sha256 = "00"
seed = 5
payments = 77
balances = "bimodal-lnd"
balances_file = "known.csv"
observed_nodes = ["lnd-bob"]
snapshot_interval_s = 60

[world]
hop_delay_median_ms = 100
payment_timeout_s = 30

[demand]
like = "exchange-2025"
circulation_share = 0.5
[demand.amounts.tips]   # a comment
sigma = 1.2

[[changes]]
kind = "close-channel"
at_s = 3600
channel = "1x1x1"

[[changes]]
kind = "set-policy"
at_s = 1.5
channel = "1x1x1"
node = "lnd-bob"
[changes.policy]
fee_rate_ppm = 100
"""


def read(tmp_path: Path, text: str) -> ScenarioFile:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return read_scenario_file(path)


def test_every_key_arrives(tmp_path: Path) -> None:
    made = read(tmp_path, FULL)
    assert (made.name, made.seed, made.payments, made.balances) == ("All of it", 5, 77, BalanceModel.BIMODAL_LND)
    assert made.beside(made.graph) == tmp_path / "graphs/my.json.gz"
    assert (made.world.hop_delay_median_ms, made.world.commit_feerate_sat_per_kw) == (100.0, 2_500)
    assert isinstance(made.demand, PopulationDemand)
    assert made.demand.circulation_share == 0.5
    assert made.demand.amounts.tips.sigma == 1.2
    assert made.demand.amounts.tips.median_sat == EXCHANGE_2025.amounts.tips.median_sat
    assert isinstance(made.changes[0], CloseChannel)
    assert isinstance(made.changes[1], SetPolicy)
    assert made.changes[1].policy.fee_rate_ppm == 100
    line = FULL.splitlines().index("fee_rate_ppm = 100") + 1
    assert made.where("changes[1].policy.fee_rate_ppm").endswith(f"line {line}: changes[1].policy.fee_rate_ppm")


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    made = read(tmp_path, "")
    assert (made.name, made.demand, made.payments) == ("mine", DemandName.ROLES, None)
    options = scenario_of_options("graph.json")
    assert (options.name, options.demand, options.beside("x")) == ("graph.json", DemandName.ROLES, Path("x"))


@pytest.mark.parametrize(
    ("demand", "kind"),
    [
        ("demand = 'micro-2023'", DemandName),
        ("demand = {kind = 'roles', hot_share = 0.1}", DemandModel),
        ("[demand]\nkind = 'uniform'", UniformDemand),
        ("[demand]\nkind = 'population'", PopulationDemand),
        ("[demand]\nkind = 'payment-list'\nfile = 'x.csv'", PaymentListFile),
    ],
)
def test_the_kinds_of_demand(tmp_path: Path, demand: str, kind: type) -> None:
    assert isinstance(read(tmp_path, demand).demand, kind)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 1\nsede = 2", "line 2: sede: there is no such key; is 'seed' meant?"),
        ("zzz = 2", "line 1: zzz: there is no such key; there are format, name"),
        ("[wrld]\nseed = 1", "line 1: wrld: there is no such key; is 'world' meant?"),
        ("seed = -1", "line 1: seed: seed is -1, and must be from 0"),
        ("seed = 'x'", "line 1: seed: input should be a valid integer"),
        ("payments = 0", "line 1: payments: payments is 0, and must be from 1"),
        ("balances = 'half'", "line 1: balances: input should be 'uniform', 'bimodal'"),
        ("format = 'lightninglens/scenario/2'", "line 1: format: this is 'lightninglens/scenario/2'"),
        (
            "seed = 1\n\n[world]\n# delays\nhop_delay_median_ms = -250",
            r"line 5: world.hop_delay_median_ms: hop_delay_median_ms is -250.0, and must be from 0.001",
        ),
        ("[receivers]\nhold_share = 2", "line 2: receivers.hold_share: hold_share is 2.0, and must be from 0 to 1"),
        ("[receivers]\nhold = 1", "line 2: receivers.hold: there is no such key; is 'hold_s"),
        ("[world]\nhop_delay = 5", "line 2: world.hop_delay: there is no such key; is 'hop_delay_sigma' meant?"),
        (
            "[demand]\nkind = 'population'\ncirculation_share = 2",
            "line 3: demand.circulation_share: circulation_share is 2.0, and must be from 0 to 1",
        ),
        (
            "[demand]\nkind = 'population'\nkappa = 0.5",
            "line 3: demand.kappa: there is no such key; is 'circulation_share' meant?",
        ),
        (
            "[demand]\nkind = 'population'\n[demand.amounts]\nmean_sats = 5",
            "line 4: demand.amounts.mean_sats: there is no such key; is 'mean_sat' meant?",
        ),
        (
            "[demand]\nkind = 'population'\n[demand.amounts]\nmean_sat = 5e9",
            "line 4: demand.amounts.mean_sat: mean_sat is 5,000,000,000.0, and these components can only give",
        ),
        ("[demand]\nkind = 'popular'", "line 2: demand.kind: 'popular' is none of .*; is 'population' meant?"),
        ("[demand]\nhot_share = 0.5", "line 1: demand: `kind` is missing: one of roles, uniform"),
        ("demand = 'role'", "line 1: demand: 'role' is none of .*; is 'roles' meant?"),
        ("demand = 5", "line 1: demand: it is a name"),
        ("[demand]\nlike = 'exchange'", "line 2: demand.like: 'exchange' is none of"),
        (
            "[demand]\nlike = 'uniform'\nkind = 'population'",
            "line 3: demand.kind: 'uniform' is of the kind 'uniform': leave it out",
        ),
        ("[demand]\nkind = 'payment-list'", "line 1: demand: the key 'file' is missing"),
        ("changes = [5]", r"line 1: changes\[0\]: a change is a table"),
        ("[[changes]]\nat_s = 5", r"line 1: changes\[0\]: `kind` is missing: one of close-channel"),
        (
            "[[changes]]\nkind='close-channel'\nat_s=1\nchannel='1'\n[[changes]]\nkind='close-channel'\nat_s=-1\nchannel='1'",
            r"line 7: changes\[1\].at_s: at_s is -1.0, and must be from 0",
        ),
        ("[[changes]]\nkind='node-offline'\nat_s=1\nfor_s=2", r"line 1: changes\[0\]: the key 'node' is missing"),
        (
            "[[changes]]\nkind='close-channel'\nat_s=1\nchannel_id='1x1x1'",
            r"line 4: changes\[0\].channel_id: there is no such key; is 'channel' meant\?",
        ),
        ("seed = what", "not readable as TOML: .*line 1"),
        ("seed = 2026-01-01", "a date or a time of day is no value here"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"mine.toml.*{words}") as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)


def test_what_is_no_scenario_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: No such file"):
        read_scenario_file(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_scenario_file(tmp_path / "bytes.toml")
    monkeypatch.setattr(scenarios, "MAX_BYTES", 3)
    with pytest.raises(ConfigError, match="no scenario file"):
        read(tmp_path, "seed = 1")


def test_every_kind_of_change_has_the_name_that_it_says() -> None:
    for name, kind in CHANGE_KINDS.items():
        assert kind.__dataclass_fields__["kind"].default == name
