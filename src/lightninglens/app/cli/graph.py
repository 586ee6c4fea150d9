"""`lens graph`: import, describe and convert network graphs."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.core.errors import ConfigError

if TYPE_CHECKING:
    from lightninglens.analytics.graph_stats import Distribution, GraphStatistics
    from lightninglens.lab.worlds import World

app = new_app(
    help="Import, describe and convert network graphs.",
    epilog="Example: lens graph describe graph.json.gz",
)


class Target(StrEnum):
    """Forms that can be written."""

    LND = "lnd"
    PARQUET = "parquet"


Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Graph file (lncli describegraph, lightning-cli listchannels, gossip_store or our Parquet; plain, gz or "
        "zst), or lab, lab-drawn, synthetic, synthetic:NODES.",
    ),
]
Out = Annotated[Path, typer.Option(help="File to write; a name ending in .gz or .zst is compressed.")]
Seed = Annotated[int, typer.Option(min=0, help="For a generated network.")]
Aliases = Annotated[Path | None, typer.Option(help="JSON of `lightning-cli listnodes`, for the nodes' names.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


@app.command("import", epilog="Example: lens graph import graph.json.gz --out graph.parquet")
def import_graph(
    ctx: typer.Context,
    source: Source,
    *,
    out: Out,
    aliases: Aliases = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Check a graph and keep it as Parquet: small, checksummed, and it knows where it came from."""
    invocation(ctx).start()
    _write(source, out, Target.PARQUET, aliases, seed, as_json=as_json)


@app.command(epilog="Example: lens graph convert gossip_store --out graph.json --to lnd")
def convert(
    ctx: typer.Context,
    source: Source,
    *,
    out: Out,
    to: Annotated[Target, typer.Option(help="Form to write: JSON as of `lncli describegraph`, or our Parquet.")],
    aliases: Aliases = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Write a graph in another form, whole or not at all."""
    invocation(ctx).start()
    _write(source, out, to, aliases, seed, as_json=as_json)


@app.command(epilog="Example: lens graph describe synthetic:5000 --seed 7 --json")
def describe(
    ctx: typer.Context,
    source: Source,
    *,
    aliases: Aliases = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Show what a graph looks like: size, liquidity, connectivity, fees."""
    from lightninglens.analytics.graph_stats import describe as statistics_of
    from lightninglens.lab.worlds import open_world

    invocation(ctx).start()
    loaded = open_world(source, seed=seed, aliases=aliases)
    statistics = statistics_of(loaded.graph)
    if as_json:
        typer.echo(json.dumps({"source": _source(source, loaded), "statistics": asdict(statistics)}, indent=2))
        return
    typer.echo(f"{source}: {loaded.format}{_packed(loaded)}")
    _show_counts(loaded)
    _show_statistics(statistics)


def _write(source: str, out: Path, target: Target, aliases: Path | None, seed: int, *, as_json: bool) -> None:
    from lightninglens.lab.worlds import open_world
    from lightninglens.storage.files.graphs import GraphFormat, write_graph

    for read in (Path(source), *([aliases] if aliases else [])):
        if out.exists() and read.exists() and out.samefile(read):
            raise ConfigError(f"{out} is the file to be read; write to another one")
    loaded = open_world(source, seed=seed, aliases=aliases)
    write_graph(loaded.graph, out, GraphFormat(target.value), origin=loaded.origin)
    graph = loaded.graph
    if as_json:
        summary = {
            "out": str(out),
            "format": target.value,
            "nodes": graph.node_count,
            "channels": graph.channel_count,
            "capacity_sat": int(graph.capacity_sat.sum()),
            "source": _source(source, loaded),
        }
        typer.echo(json.dumps(summary, indent=2))
        return
    typer.echo(
        f"{out}: {graph.node_count:,} nodes, {graph.channel_count:,} channels, from {loaded.format}{_packed(loaded)}"
    )
    _show_counts(loaded)


def _source(source: str, loaded: "World") -> dict[str, Any]:
    return {
        "name": source,
        "format": loaded.format,
        "compression": loaded.compression,
        "sha256": loaded.sha256,
        "dropped": dict(loaded.dropped),
        "adjusted": dict(loaded.adjusted),
        "origin": asdict(loaded.origin),
    }


def _packed(loaded: "World") -> str:
    return "" if loaded.compression == "none" else f", {loaded.compression}"


def _show_counts(loaded: "World") -> None:
    counts: tuple[tuple[str, Mapping[str, int]], ...] = (("left out", loaded.dropped), ("changed", loaded.adjusted))
    for verb, reasons in counts:
        for reason, count in reasons.items():
            typer.echo(f"  {verb}: {count:,} {reason}")


def _show_statistics(found: "GraphStatistics") -> None:
    rows = (
        ("nodes", f"{found.nodes:,} ({found.nodes_with_usable_direction:,} with a usable channel)"),
        ("channels", f"{found.channels:,} between {found.connected_pairs:,} pairs of nodes"),
        ("capacity", f"{found.capacity_sat:,} sat ({found.capacity_usable_sat:,} sat usable)"),
        (
            "directions",
            (
                f"{found.directions:,}: {found.directions_usable:,} usable, {found.directions_disabled:,} disabled, "
                f"{found.directions_unknown:,} without an update ({found.unusable_share:.1%} not usable)"
            ),
        ),
        ("largest component", f"{found.largest_strong_component_nodes:,} nodes that can all reach one another"),
        ("single-peer nodes", f"{found.single_peer_nodes:,} ({found.single_peer_share:.1%})"),
        ("inbound fees", f"{found.inbound_fee_share:.1%} of usable directions"),
    )
    for name, text in rows:
        typer.echo(f"{name:<18} {text}")
    typer.echo(f"\n{'':<24}{'p10':>14}{'median':>14}{'p90':>14}{'p99':>14}{'mean':>16}{'zero':>8}")
    columns = (
        ("channels per node", found.channels_per_node),
        ("capacity, sat", found.channel_capacity_sat),
        ("fee rate, ppm", found.fee_rate_ppm),
        ("base fee, msat", found.base_fee_msat),
        ("time lock, blocks", found.time_lock_delta_blocks),
        ("least HTLC, msat", found.min_htlc_msat),
        ("most HTLC, ‰ of channel", found.max_htlc_capacity_per_mille),
    )
    for name, values in columns:
        typer.echo(_distribution(name, values))


def _distribution(name: str, values: "Distribution") -> str:
    cuts = "".join(f"{cut:>14,}" for cut in (values.p10, values.median, values.p90, values.p99))
    return f"{name:<24}{cuts}{values.mean:>16,.1f}{values.zero_share:>8.1%}"
