"""`lens node`: a Lightning node of one's own, through LND."""

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.lnd_options import GRPC_HOST, AsJson, GrpcHost, LndDir, Network, Timeout, TlsCert, on_lnd

if TYPE_CHECKING:
    from lightninglens.core.channels import ChannelState
    from lightninglens.core.node import NodeInfo
    from lightninglens.nodes.lnd.client import LndOptions

app = new_app(
    help="Read a Lightning node (LND), and make it a macaroon that allows no more than is needed.",
    epilog="Example: lens node info --lnd-dir ~/.lnd --network mainnet",
)


class RoleOption(StrEnum):
    """What a macaroon is for."""

    MONITOR = "monitor"
    FEES = "fees"
    REBALANCE = "rebalance"
    PAYMENTS = "payments"
    CHANNELS = "channels"


@app.command(epilog="Example: lens node info --lnd-dir ~/.lnd --network mainnet --json")
@on_lnd
def info(
    ctx: typer.Context,
    *,
    lnd: "LndOptions",
    as_json: AsJson = False,
) -> None:
    """Show who the node is, whether it is up to date, and what its version lacks."""
    from lightninglens.nodes.lnd.client.reader import LndReader

    invocation(ctx).start()

    async def ask() -> "NodeInfo":
        async with LndReader.at(lnd) as reader:
            return await reader.info()

    found = asyncio.run(ask())
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), indent=2))
        return
    synced = "synced" if found.synced_to_chain else "NOT synced to the chain"
    if found.synced_to_chain and not found.synced_to_graph:
        synced = "synced to the chain, not to the graph yet"
    _rows(
        ("node", found.node_id),
        ("alias", found.alias),
        ("network", found.network),
        ("version", found.version),
        ("block", f"{found.block_height:,} ({synced})"),
        ("channels", f"{found.channel_count:,}"),
        ("reached over", found.transport),
        *(("lacks", each) for each in found.lacks),
    )


@app.command(epilog="Example: lens node channels --network mainnet --json")
@on_lnd
def channels(
    ctx: typer.Context,
    *,
    lnd: "LndOptions",
    as_json: AsJson = False,
) -> None:
    """Show the open channels with balances in sat and both sides' fees."""
    from lightninglens.nodes.lnd.client.reader import LndReader

    invocation(ctx).start()

    async def ask() -> "Sequence[ChannelState]":
        async with LndReader.at(lnd) as reader:
            return await reader.channels()

    found = asyncio.run(ask())
    if as_json:
        typer.echo(json.dumps([_channel_json(each) for each in found], indent=2))
    else:
        _show_channels(found)


@app.command(epilog="Example: lens node bake --role monitor --lnd-dir ~/.lnd --network mainnet")
def bake(
    ctx: typer.Context,
    *,
    role: Annotated[RoleOption, typer.Option(help="What the macaroon is for.")],
    lnd_dir: LndDir = None,
    network: Network = None,
    grpc_host: GrpcHost = GRPC_HOST,
    tls_cert: TlsCert = None,
    macaroon: Annotated[
        Path | None, typer.Option("--macaroon", help="One that may bake; otherwise admin.macaroon in --lnd-dir.")
    ] = None,
    save_to: Annotated[Path | None, typer.Option(help="Otherwise lens-ROLE.macaroon beside LND's own.")] = None,
    channel_status: Annotated[
        bool, typer.Option("--channel-status", help="The fees role may also enable and disable channels.")
    ] = False,
    valid_days: Annotated[int | None, typer.Option(help="End its validity after so many days.")] = None,
    only_from: Annotated[str | None, typer.Option(help="The one IP address that may use it.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over the file that is there.")] = False,
    show_command: Annotated[
        bool, typer.Option("--print", help="Only print the lncli command that bakes the same.")
    ] = False,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Make the macaroon that a role needs, and that allows no more."""
    from lightninglens.core.clock import SystemClock
    from lightninglens.nodes.lnd.client.baking import BakeOrder
    from lightninglens.nodes.lnd.client.baking import bake as bake_at
    from lightninglens.nodes.lnd.client.credentials import lncli_command, role_file
    from lightninglens.nodes.lnd.client.place import LndOptions
    from lightninglens.nodes.lnd.client.roles import Role

    invocation(ctx).start()
    options = LndOptions(
        lnd_dir=lnd_dir,
        network=network,
        grpc_host=grpc_host,
        tls_cert=tls_cert,
        macaroon=macaroon,
        timeout_s=timeout,
    )
    wanted = Role(role)
    if show_command:
        path = save_to or options.chain_folder() / role_file(wanted)
        typer.echo(lncli_command(wanted, path, channel_status=channel_status))
        return
    order = BakeOrder(
        role=wanted,
        save_to=save_to,
        channel_status=channel_status,
        valid_days=valid_days,
        only_from=only_from,
        replace=replace,
    )
    made = asyncio.run(bake_at(order, options, SystemClock()))
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(made) | {"path": str(made.path)}, indent=2))
        return
    typer.echo(f"{made.path} allows the role {made.role} {len(made.permissions)} calls and nothing else:")
    for each in made.permissions:
        typer.echo(f"  {each}")
    typer.echo(f"To revoke it: lncli deletemacaroonid {made.root_key_id}")


def _rows(*rows: tuple[str, str]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        typer.echo(f"{name:<{width}}  {text}")


def _channel_json(channel: "ChannelState") -> dict[str, Any]:
    return dataclasses.asdict(channel) | {"channel_id": str(channel.channel_id)}


def _show_channels(found: "Sequence[ChannelState]") -> None:
    if not found:
        typer.echo("no open channels")
        return
    head = ("channel", "peer", "capacity", "local", "remote", "ppm", "base", "inbound", "their ppm", "")
    rows = [head, *map(_channel_row, sorted(found, key=lambda each: each.channel_id))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    for row in rows:
        cells = [
            f"{cell:<{width}}" if place in {0, 1, 9} else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())


def _channel_row(channel: "ChannelState") -> tuple[str, ...]:
    ours, theirs = channel.local_policy, channel.remote_policy
    notes = ["" if channel.active else "inactive", "private" if channel.private else ""]
    notes.append("disabled by us" if ours and ours.disabled else "")
    notes.append("disabled by peer" if theirs and theirs.disabled else "")
    return (
        str(channel.channel_id),
        channel.peer_alias or channel.peer_id[:12],
        f"{channel.capacity_sat:,}",
        f"{channel.local_msat // 1000:,}",
        f"{channel.remote_msat // 1000:,}",
        f"{ours.fee_rate_ppm:,}" if ours else "-",
        f"{ours.base_fee_msat:,}" if ours else "-",
        f"{ours.inbound_fee_rate_ppm:,}" if ours else "-",
        f"{theirs.fee_rate_ppm:,}" if theirs else "-",
        ", ".join(filter(None, notes)),
    )
