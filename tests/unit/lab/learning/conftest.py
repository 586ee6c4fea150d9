"""A run of the lab, made once, and the same seen through the forms in which it can be read."""

from pathlib import Path

import pytest

from lightninglens.lab import run_scenario
from lightninglens.lab.worlds import open_world
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.demand.model import LAB_DEMAND
from lightninglens.sim.scenario import Scenario
from lightninglens.storage.files.csv_export import export_csv

SEED = 900_500


@pytest.fixture(name="run", scope="session")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("learning") / "lab"
    world = open_world("lab", seed=SEED)
    scenario = Scenario(
        name="lab",
        seed=SEED,
        graph=world.source,
        payments=3_000,
        balances=BalanceModel.OPENER,
        demand=LAB_DEMAND,
        snapshot_interval_s=600,
    )
    run_scenario(scenario, world.graph, directory, opener_side=world.opener_side)
    return directory


@pytest.fixture(name="csv", scope="session")
def _csv(run: Path) -> Path:
    export_csv(run, run.parent / "lab.csv")
    return run.parent / "lab.csv"
