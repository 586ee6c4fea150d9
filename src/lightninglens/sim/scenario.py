"""A scenario: everything that a simulated run depends on. Same scenario, same bytes."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from lightninglens.core.checks import require_ranges
from lightninglens.core.errors import ConfigError
from lightninglens.core.records import STRICT
from lightninglens.sim.balances import BalanceModel, BalancesFile
from lightninglens.sim.demand.model import DemandModel, NamedDemand, UniformDemand
from lightninglens.sim.demand.payment_list import PaymentListFile, PlugIn
from lightninglens.sim.demand.population import PopulationDemand
from lightninglens.sim.demand.receivers import ReceiverSettings
from lightninglens.sim.sender_groups import SenderGroup, check_groups
from lightninglens.sim.state import MOST_PARTS
from lightninglens.sim.timeline import Change

SCENARIO_FORMAT = "lightninglens/scenario/1"

DEFAULT_MOST_PARTS = 16
"""LND's default (`lnrpc/routerrpc`, DefaultMaxParts)."""

WORLD_START_S = 1_767_571_200
"""Monday 2026-01-05 00:00 UTC: a fixed start, so that a run does not depend on the day it is made."""


ScenarioDemand = DemandModel | UniformDemand | PopulationDemand | PaymentListFile | PlugIn
"""A demand that a scenario holds, or the name of one that it does not."""


class GraphKind(StrEnum):
    """Where the network comes from."""

    LAB = "lab"
    LAB_DRAWN = "lab-drawn"
    SYNTHETIC = "synthetic"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSource:
    """The network of a scenario. A file is named by its content, so that it cannot change unnoticed."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: GraphKind
    nodes: int = 0
    """Of a synthetic graph."""
    name: str = ""
    """Of a file: its name, for people."""
    sha256: str = ""
    """Of a file: the hash of its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """How the simulated world behaves."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    commit_feerate_sat_per_kw: int = 2_500
    """LND's cap for channels with anchors: 10 sat per vbyte."""
    hop_delay_median_ms: float = 250.0
    """One way over one hop: the commitment dance and the network; log-normal."""
    hop_delay_sigma: float = 0.5
    payment_timeout_s: int = 60
    """After this no new attempt starts."""
    most_parts: int | None = None
    """How many parts a payment may have in flight at once; null: LND's 16, in the lab 1, where nobody splits."""
    mpp_timeout_s: int = 120
    """How long a receiver holds the parts of an incomplete payment."""
    gossip_delay_s: float = 0.0
    """How long a sender waits for news of a channel, in the median; 0: everybody hears at once."""
    gossip_delay_sigma: float = 0.5
    """How much this differs between senders and changes; log-normal, cut off at three sigmas."""
    node_offline_share: float = 0.0
    """How much of the time a node is offline."""
    node_offline_mean_s: float = 3_600.0
    """How long it is offline at a time; exponential, as are the times between."""
    channel_offline_share: float = 0.0
    """The same for each channel by itself, as when its two nodes lose each other."""
    channel_offline_mean_s: float = 300.0
    start_height: int = 800_000
    start_unix_s: int = WORLD_START_S
    """When the world begins: demand takes it for the start of a Monday."""

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that describe no world."""
        require_ranges(
            self,
            commit_feerate_sat_per_kw=(0, 1_000_000),
            hop_delay_median_ms=(0.001, 1e7),
            hop_delay_sigma=(0, 5),
            payment_timeout_s=(0, 1_000_000),
            mpp_timeout_s=(0, 1_000_000),
            gossip_delay_s=(0, 1_000_000),
            gossip_delay_sigma=(0, 3),
            node_offline_share=(0, 0.9),
            node_offline_mean_s=(1, 1e7),
            channel_offline_share=(0, 0.9),
            channel_offline_mean_s=(1, 1e7),
            start_height=(0, 16_000_000),
            start_unix_s=(0, 4_000_000_000),
        )
        if self.most_parts is not None:
            require_ranges(self, most_parts=(1, MOST_PARTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Network, balances, demand, world and seed of one run."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = SCENARIO_FORMAT
    name: str
    seed: int
    graph: GraphSource
    payments: int
    """How many intents are drawn, from the start of the world on."""
    balances: BalanceModel = BalanceModel.UNIFORM
    balances_file: BalancesFile | None = None
    """Balances that are known; `balances` has the other channels'."""
    demand: ScenarioDemand = field(default_factory=DemandModel)
    senders: tuple[SenderGroup, ...] = ()
    """Who does not look for routes as LND does by default."""
    receivers: ReceiverSettings = field(default_factory=ReceiverSettings)
    world: WorldSettings = field(default_factory=WorldSettings)
    observed_nodes: tuple[str, ...] = ()
    """Ids of the nodes whose HTLC events are kept."""
    snapshot_interval_s: int = 0
    """How often all channel states are kept, besides start and end; 0 for never."""
    changes: tuple[Change, ...] = ()
    """What changes in the network at set times."""

    def __post_init__(self) -> None:
        """Raise ValueError for a run that cannot be."""
        require_ranges(self, seed=(0, 2**63 - 1), payments=(1, 10_000_000), snapshot_interval_s=(0, 10**9))
        check_groups(self.senders)

    @property
    def most_parts(self) -> int:
        """How many parts a payment of this scenario may have in flight."""
        if self.world.most_parts is not None:
            return self.world.most_parts
        return 1 if self.graph.kind in (GraphKind.LAB, GraphKind.LAB_DRAWN) else DEFAULT_MOST_PARTS


def held_demand(scenario: Scenario) -> NamedDemand:
    """Return the demand of a scenario that holds it; raises ConfigError where it is only named."""
    demand = scenario.demand
    if isinstance(demand, PaymentListFile):
        raise ConfigError(f"the payments of this scenario are in the file {demand.file!r}: name it")
    if isinstance(demand, PlugIn):
        raise ConfigError(f"the demand of this scenario is the plug-in {demand.name!r}: its own program can run it")
    return demand
