"""A first model, learned in simulated labs, for a lab that has recorded nothing yet."""

import dataclasses
import hashlib
import math
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Final

import numpy as np

import lightninglens
from lightninglens.core.observations import ChannelSeen, Observation
from lightninglens.core.units import NS_PER_HOUR, NS_PER_SECOND
from lightninglens.lab.learning.observing import HarvestReader
from lightninglens.lab.worlds import open_world
from lightninglens.learn.dataset import Dataset, DatasetOptions, build_dataset, concatenate, targets_by_name
from lightninglens.learn.training import TrainedModel, train
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.demand.model import LAB_DEMAND, DemandModel, NamedDemand, UniformDemand
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.simulation import Simulation
from lightninglens.sim.topology.lab import with_capacity
from lightninglens.storage.models import version_name

FIRST_SEED: Final = 900_000
"""Seeds from here on are for training, so that no world is met again where something is measured."""

DEFAULT_SEEDS: Final = tuple(range(FIRST_SEED, FIRST_SEED + 4))
DEFAULT_HOURS: Final = 48.0

_SNAPSHOT_S: Final = 300
_SPARE: Final = 1.5
"""Intents drawn, as a multiple of how many a span of time brings on average."""

Progress = Callable[[str], None]
"""Called with what is being done, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedLab:
    """The kind of lab to learn in: it should be the kind that the model is for."""

    drawn: bool = False
    """As the source document's drawing has it, else as built."""
    balanced: bool = False
    """New channels begin with half on each side, else with everything at the opener's."""
    capacity_sat: int = 1_000_000
    demand: NamedDemand = LAB_DEMAND
    demand_name: str = "everyday"

    def describe(self, hours: float, seeds: Sequence[int]) -> str:
        """Return in words what a model that learned in such labs was trained on."""
        parts = [f"{len(seeds)} simulated labs of {hours:g} h each", f"seeds {_ranges(seeds)}"]
        parts.append(f"{self.demand_name} demand, channels of {self.capacity_sat:,} sat")
        parts += ["as drawn"] * self.drawn + ["opened balanced"] * self.balanced
        return ", ".join(parts)


def train_in_simulation(
    *,
    created_ns: int,
    hours: float = DEFAULT_HOURS,
    seeds: Sequence[int] = DEFAULT_SEEDS,
    lab: SimulatedLab | None = None,
    options: DatasetOptions | None = None,
    command: str = "",
    progress: Progress = lambda _text: None,
) -> TrainedModel:
    """Return a model that learned in simulated labs; the same arguments give the same model.

    `created_ns` is the time that the model's card and version say; `command` is
    kept in its lineage. Raises DataError when that is too little to learn from.
    """
    lab, options = lab or SimulatedLab(), options or DatasetOptions()
    made = []
    for seed in seeds:
        progress(f"simulating {hours:g} h of the lab, seed {seed}")
        made.append(simulated_dataset(lab, seed, hours, options))
    dataset = concatenate(made)
    progress(f"training on {len(dataset.y):,} rows")
    data_sha256 = fingerprint(dataset)
    return train(
        dataset,
        version=version_name(created_ns, data_sha256),
        created_ns=created_ns,
        trained_on=lab.describe(hours, seeds),
        data_sha256=data_sha256,
        lineage=lineage(command or "train_in_simulation"),
    )


def simulated_dataset(lab: SimulatedLab, seed: int, hours: float, options: DatasetOptions) -> Dataset:
    """Return what can be learned from one simulated lab."""
    world = open_world("lab-drawn" if lab.drawn else "lab", seed=seed)
    names = {str(node): alias for node, alias in zip(world.graph.node_ids, world.graph.aliases, strict=True)}
    observations = list(simulate(lab, seed, hours))
    channels = [seen for seen in observations if isinstance(seen, ChannelSeen)][: world.graph.channel_count]
    return build_dataset(observations, options, targets=targets_by_name(channels, names))


def simulate(lab: SimulatedLab, seed: int, hours: float) -> Iterator[Observation]:
    """Yield what happens in one simulated lab: payments as they end, all channels every five minutes."""
    world = open_world("lab-drawn" if lab.drawn else "lab", seed=seed)
    graph = with_capacity(world.graph, lab.capacity_sat)
    scenario = Scenario(
        name=f"training lab {seed}",
        seed=seed,
        graph=world.source,
        payments=math.ceil(_SPARE * hours * _payments_per_hour(lab.demand)) + 100,
        balances=BalanceModel.BALANCED if lab.balanced else BalanceModel.OPENER,
        demand=lab.demand,
        snapshot_interval_s=_SNAPSHOT_S,
    )
    simulation = Simulation(scenario, graph, opener_side=world.opener_side)
    reader = HarvestReader(graph)
    end_ns = simulation.start_ns + round(hours * NS_PER_HOUR)
    for step in simulation.steps():
        yield from (payment for payment in reader.payments(step.harvest) if payment.ended_ns <= end_ns)
        for snapshot in step.snapshots:
            if snapshot.time_ns <= end_ns:
                yield from reader.channels(snapshot.time_ns, snapshot.local_msat)
        if step.now_ns >= end_ns:
            return


def fingerprint(dataset: Dataset) -> str:
    """Return a hash over what a model would learn from."""
    digest = hashlib.sha256(" ".join([*dataset.features, *dataset.node_id]).encode())
    for name in ("world", "time_ns", "channel_id", "X", "y", "share_now", "baseline"):
        digest.update(np.ascontiguousarray(getattr(dataset, name)).tobytes())
    for field in dataclasses.fields(dataset.moves):
        column = getattr(dataset.moves, field.name)
        if isinstance(column, np.ndarray):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def lineage(command: str, parent: str = "") -> dict[str, str]:
    """Return what a model's card says about how it came to be."""
    versions = {name: version_of(name) for name in ("scikit-learn", "numpy", "river")}
    made = {"lightninglens": lightninglens.__version__, "python": platform.python_version(), **versions}
    return {**made, "command": command, **({"parent": parent} if parent else {})}


def _payments_per_hour(demand: NamedDemand) -> float:
    if isinstance(demand, UniformDemand):
        mean_interval_s = (demand.least_interval_s + demand.most_interval_s) / 2
        return NS_PER_HOUR / NS_PER_SECOND / mean_interval_s
    returned = demand.return_share if isinstance(demand, DemandModel) else 0.0
    return demand.payments_per_hour * (1 + returned)


def _ranges(seeds: Sequence[int]) -> str:
    whole = list(range(min(seeds), min(seeds) + len(seeds))) == list(seeds) and len(seeds) > 1
    return f"{seeds[0]}-{seeds[-1]}" if whole else ", ".join(map(str, seeds))
