"""Making the macaroon of a role: as much as the port calls, and no more.

This is the one act for which an administrator's macaroon is used, for one call.
"""

from dataclasses import dataclass
from pathlib import Path

from lightninglens.core.clock import Clock
from lightninglens.core.errors import ConfigError, NodeRefused
from lightninglens.core.units import NS_PER_DAY, UnixNs
from lightninglens.nodes.lnd.caveats import ip_address, time_before
from lightninglens.nodes.lnd.client.credentials import role_file
from lightninglens.nodes.lnd.client.place import LndOptions
from lightninglens.nodes.lnd.client.roles import Role, permissions
from lightninglens.nodes.lnd.client.session import connected
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.macaroon import Macaroon, MacaroonError
from lightninglens.storage.files.atomic import atomic_writer

ROOT_KEY_IDS = {Role.MONITOR: 101, Role.FEES: 102, Role.REBALANCE: 103, Role.PAYMENTS: 104, Role.CHANNELS: 105}
"""A root key for each role, so that one can be revoked alone: `lncli deletemacaroonid 102`."""
MAX_VALID_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class BakeOrder:
    """The macaroon that is wanted."""

    role: Role
    save_to: Path | None = None
    """None: beside the node's own, under the role's name."""
    channel_status: bool = False
    """Whether the fees role may also enable and disable channels."""
    valid_days: int | None = None
    """None: for ever, until its root key is deleted."""
    only_from: str | None = None
    """The one address that may use it; None: any."""
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Baked:
    """A macaroon that was made and written."""

    role: Role
    path: Path
    permissions: tuple[str, ...]
    root_key_id: int
    expires_ns: UnixNs | None


async def bake(order: BakeOrder, options: LndOptions, clock: Clock) -> Baked:
    """Bake a role's macaroon at the node and write it, readable by its owner only.

    Raises:
        ConfigError: the file is there already, or an option cannot be.
        NodeError: as `session.connected` does; NodeRefused when LND knows one of
            the methods not yet.
    """
    path = (order.save_to or options.chain_folder() / role_file(order.role)).expanduser()
    if path.exists() and not order.replace:
        raise ConfigError(f"{path} is there already: use it, or make it anew with --replace")
    conditions, expires_ns = _conditions(order, clock.now_ns())
    wanted = permissions(order.role, channel_status=order.channel_status)
    key_id = ROOT_KEY_IDS[order.role]
    async with connected(Role.BAKE, options, clock) as session:
        said = await session.call(
            Lightning.BakeMacaroon,
            lnrpc.BakeMacaroonRequest(
                permissions=[lnrpc.MacaroonPermission(entity=each.entity, action=each.action) for each in wanted],
                root_key_id=key_id,
            ),
        )
    try:
        macaroon = Macaroon.from_hex(said.macaroon)
    except MacaroonError as problem:
        raise NodeRefused(f"the node baked what cannot be read: {problem}") from None
    for condition in conditions:
        macaroon = macaroon.with_caveat(condition)
    with atomic_writer(path, mode=0o600) as file:
        file.write(macaroon.to_bytes())
    return Baked(
        role=order.role,
        path=path,
        permissions=tuple(map(str, wanted)),
        root_key_id=key_id,
        expires_ns=expires_ns,
    )


def _conditions(order: BakeOrder, now_ns: int) -> tuple[list[str], UnixNs | None]:
    found, expires_ns = [], None
    if order.valid_days is not None:
        if not 0 < order.valid_days <= MAX_VALID_DAYS:
            raise ConfigError(f"--valid-days: {order.valid_days} is not from 1 to {MAX_VALID_DAYS}")
        expires_ns = UnixNs(now_ns + order.valid_days * NS_PER_DAY)
        found.append(time_before(expires_ns))
    if order.only_from is not None:
        try:
            found.append(ip_address(order.only_from))
        except ValueError:
            raise ConfigError(f"--only-from: {order.only_from[:60]!r} is no IP address") from None
    return found, expires_ns
