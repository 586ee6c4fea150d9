"""A first model from simulated labs: the same for the same seeds, in any process."""

import subprocess
import sys

import numpy as np
import pytest

from lightninglens.core.observations import ChannelSeen, PaymentSeen
from lightninglens.core.units import NS_PER_HOUR, NS_PER_SECOND
from lightninglens.lab.learning.bootstrap import FIRST_SEED, SimulatedLab, simulate, train_in_simulation
from lightninglens.learn.dataset import DatasetOptions
from lightninglens.sim.demand.model import UniformDemand
from lightninglens.sim.scenario import WORLD_START_S

HOUR = DatasetOptions(horizon_ns=NS_PER_HOUR)
SCRIPT = """
from lightninglens.lab.learning.bootstrap import train_in_simulation
from lightninglens.learn.dataset import DatasetOptions
options = DatasetOptions(horizon_ns=3_600_000_000_000)
print(train_in_simulation(created_ns=10**18, hours=8, seeds=(900_000, 900_001), options=options).card)
"""


def test_the_same_seeds_give_the_same_model_in_another_process() -> None:
    told: list[str] = []
    model = train_in_simulation(
        created_ns=10**18, hours=8, seeds=(FIRST_SEED, FIRST_SEED + 1), options=HOUR, progress=told.append
    )
    other = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str(model.card)
    assert told[0] == "simulating 8 h of the lab, seed 900000"
    assert model.card.trained_on.startswith("2 simulated labs of 8 h each, seeds 900000-900001, ")
    assert model.card.version.startswith("20010909T014640Z-")
    other_seed = train_in_simulation(created_ns=10**18, hours=8, seeds=(FIRST_SEED + 7,), options=HOUR)
    assert other_seed.card.data_sha256 != model.card.data_sha256


def test_a_simulated_lab_tells_all_that_happens_until_its_end() -> None:
    seen = list(simulate(SimulatedLab(), FIRST_SEED, 2.0))
    payments = [one for one in seen if isinstance(one, PaymentSeen)]
    states = [one for one in seen if isinstance(one, ChannelSeen)]
    end_ns = (WORLD_START_S + 2 * 3_600) * NS_PER_SECOND
    assert len(states) == 7 * (1 + 2 * 12)
    assert max(one.seen_ns for one in states) == end_ns
    assert max(one.ended_ns for one in payments) <= end_ns
    assert len({one.payment_id for one in payments}) == len(payments) > 100
    assert all(sum(a.settled for a in one.attempts or ()) == bool(one.succeeded) for one in payments)


@pytest.mark.parametrize(
    ("lab", "channels", "words"),
    [
        (SimulatedLab(drawn=True), 6, "as drawn"),
        (SimulatedLab(balanced=True, capacity_sat=2_000_000), 7, "channels of 2,000,000 sat, opened balanced"),
        (SimulatedLab(demand=UniformDemand(), demand_name="uniform"), 7, "uniform demand"),
    ],
)
def test_the_lab_to_learn_in_can_be_of_another_kind(lab: SimulatedLab, channels: int, words: str) -> None:
    first = [one for one in simulate(lab, FIRST_SEED, 0.2) if isinstance(one, ChannelSeen)][:channels]
    assert len({one.channel_id for one in first}) == channels
    assert {one.capacity_sat for one in first} == {lab.capacity_sat}
    shares = np.array([one.node1_local_msat / (one.node1_local_msat + one.node2_local_msat) for one in first])
    assert np.all(np.abs(shares - 0.5) < 0.01) == lab.balanced
    assert words in lab.describe(1, [1, 5])
    assert "seeds 1, 5" in lab.describe(1, [1, 5])
