"""Recordings of LND (tests/fixtures/lnd/README.md), as this project's types."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lightninglens.core.graph import NetworkGraph
from lightninglens.routing._memory import claim_entry
from lightninglens.routing.memory import MissionControl, remembered_pairs
from lightninglens.routing.state import BIMODAL, NEVER_NS, Estimator
from tests.reference.bimodal import BimodalConfig
from tests.reference.mission_control import AprioriConfig, State
from tests.reference.networks import build_graph, plain_policy
from tests.reference.pair_results import TimedPairResult

FOLDER = Path(__file__).parents[1] / "fixtures" / "lnd"


@cache
def recording(name: str) -> Any:
    """Return one file of recordings."""
    return json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))


def estimator_of(config: dict[str, Any]) -> Estimator:
    """Return the kernels' estimator of a recorded configuration."""
    if "scale_msat" in config:
        return Estimator(
            kind=BIMODAL,
            bimodal_scale_msat=float(config["scale_msat"]),
            bimodal_node_weight=float(config["node_weight"]),
            bimodal_decay_ns=float(config["decay_ns"]),
        )
    return Estimator(
        half_life_ns=float(config["half_life_ns"]),
        hop_probability=float(config["hop_probability"]),
        apriori_weight=float(config["apriori_weight"]),
        capacity_fraction=float(config["capacity_fraction"]),
    )


def twin_config(config: dict[str, Any]) -> AprioriConfig | BimodalConfig:
    """Return the twin's estimator of a recorded configuration."""
    if "scale_msat" in config:
        return BimodalConfig(config["node_weight"], config["scale_msat"], config["decay_ns"])
    return AprioriConfig(
        penalty_half_life_ns=config["half_life_ns"],
        apriori_hop_probability=config["hop_probability"],
        apriori_weight=config["apriori_weight"],
        capacity_fraction=config["capacity_fraction"],
    )


def timed(row: list[Any]) -> TimedPairResult:
    """Return (fail time, fail amount, success time, success amount) as the twin's record."""
    return TimedPairResult(*row)


def remember(memory: MissionControl, sender: int, from_node: int, to_node: int, row: list[Any]) -> None:
    """Write one recorded pair result into the kernels' memory."""
    entry = claim_entry(memory, sender, from_node, to_node)
    memory.has_succeeded[sender] |= row[2] is not None
    memory.results["fail_time_ns"][entry] = NEVER_NS if row[0] is None else row[0]
    memory.results["fail_msat"][entry] = row[1]
    memory.results["success_time_ns"][entry] = NEVER_NS if row[2] is None else row[2]
    memory.results["success_msat"][entry] = row[3]


def pairs_in(memory: MissionControl) -> int:
    """Return how many pairs are remembered."""
    return sum(1 for _ in remembered_pairs(memory))


def twin_state(history: list[list[Any]]) -> State:
    """Return recorded pair results as the twin's state."""
    state = State()
    for from_node, to_node, *row in history:
        state.last_pair_result.setdefault(from_node, {})[to_node] = timed(row)
    return state


def graph_of(recorded: dict[str, Any]) -> NetworkGraph:
    """Return a recorded network."""
    policies = [
        None
        if policy is None
        else plain_policy(
            base_msat=policy[0],
            rate_ppm=policy[1],
            delta_blocks=policy[2],
            min_msat=policy[3],
            max_msat=policy[4],
            inbound_base_msat=policy[5],
            inbound_rate_ppm=policy[6],
            disabled=bool(policy[7]),
        )
        for policy in recorded["policies"]
    ]
    return build_graph(recorded["nodes"], [(low, high, sat) for low, high, sat in recorded["channels"]], policies)


def spendable_of(recorded: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return what each direction's owner can send."""
    return np.array(recorded["spendable_msat"], np.int64)
