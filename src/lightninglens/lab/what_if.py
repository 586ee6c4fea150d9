"""What a fork of a run changes: liquidity as people write it, and what nodes forwarded in a run on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

import lightninglens
from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode
from lightninglens.core.lookup import Lookup
from lightninglens.core.units import Sat, UnixNs
from lightninglens.sim.counterfactual import AddedLiquidity
from lightninglens.storage.files import runs
from lightninglens.storage.files.checkpoints import CHECKPOINT, read_checkpoint
from lightninglens.storage.files.tables import ATTEMPTS

MOST_SAT = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeForwards:
    """What a node sent on for others in a run."""

    node_id: str
    alias: str
    forwards: int
    volume_msat: int
    fees_msat: int


def checkpoint_time_ns(directory: Path) -> UnixNs:
    """Return when a run was stopped; raises DataError when there is no checkpoint, or a damaged one."""
    arrays = read_checkpoint(directory / CHECKPOINT, version=lightninglens.__version__)
    return UnixNs(int(arrays["numbers"][0]))


def parse_added_liquidity(text: str, graph: NetworkGraph, *, time_ns: UnixNs) -> AddedLiquidity:
    """Read CHANNEL:NODE:SAT; raises ConfigError that says which part is wrong and what was perhaps meant."""
    channel_text, _, rest = text.partition(":")
    node_text, _, amount_text = rest.rpartition(":")
    if not node_text:
        raise ConfigError(
            f"{text!r} is not CHANNEL:NODE:SAT, like 800000x1x0:lnd-alice:2000000 (a channel is written with x)"
        )
    lookup = Lookup(graph)
    try:
        channel, node = lookup.channel(channel_text), lookup.node(node_text)
        lookup.side(channel, node)
    except ConfigError as error:
        raise ConfigError(f"in {text!r}: {error}") from None
    try:
        amount_sat = int(amount_text)
    except ValueError:
        raise ConfigError(f"in {text!r}: {amount_text!r} is no whole number of sat") from None
    if not amount_sat or abs(amount_sat) > MOST_SAT:
        raise ConfigError(f"in {text!r}: {amount_sat:,} sat change nothing, or are more than there is")
    return AddedLiquidity(
        time_ns=time_ns,
        channel_id=graph.channel_id(channel),
        node_id=graph.node_ids[node],
        amount_sat=Sat(amount_sat),
    )


def forwards_of_run(directory: Path, graph: NetworkGraph, nodes: Sequence[int]) -> tuple[NodeForwards, ...]:
    """Return what these nodes forwarded in a run; raises DataError when it is damaged."""
    manifest = runs.read_manifest(directory)
    columns = ("code", "route_nodes", "route_amounts_msat")
    attempts = runs.read_run_table(directory, manifest, "attempts", ATTEMPTS, columns=columns)
    settled = attempts.filter(pl.col("code") == FailureCode.NONE.name)
    # Between the first and the last node of a route stands who forwarded: amounts[i - 1] came in, amounts[i] went on.
    length = pl.col("route_amounts_msat").list.len()
    hops = settled.select(
        node=pl.col("route_nodes").list.slice(1, length - 1),
        came_msat=pl.col("route_amounts_msat").list.slice(0, length - 1),
        went_msat=pl.col("route_amounts_msat").list.slice(1),
    ).explode("node", "came_msat", "went_msat")
    found = []
    for row in nodes:
        own = hops.filter(pl.col("node") == row)
        found.append(
            NodeForwards(
                node_id=str(graph.node_ids[row]),
                alias=graph.aliases[row],
                forwards=own.height,
                volume_msat=int(own["went_msat"].sum()),
                fees_msat=int((own["came_msat"] - own["went_msat"]).sum()),
            )
        )
    return tuple(found)
