"""The macaroon for a role: found, read, judged. One that allows more than the role needs is refused.

The narrowest comes first: the role's own, LND's file for the purpose, any other
that fits. `admin.macaroon` is never fallen back on.
"""

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from lightninglens.core.errors import ConfigError, LensError, NodeUnauthorised
from lightninglens.nodes.lnd.caveats import expiry_ns
from lightninglens.nodes.lnd.client.place import LndOptions
from lightninglens.nodes.lnd.client.roles import (
    CLASSIC_FILES,
    Role,
    can_pay,
    described,
    excess,
    lacking,
    permissions,
    reach,
)
from lightninglens.nodes.lnd.macaroon import Macaroon, MacaroonError
from lightninglens.nodes.lnd.permissions import Permission

MAX_MACAROON_BYTES = 64 << 10
ADMIN_FILE = "admin.macaroon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A macaroon and where it came from. Its text shows neither secret nor identifier."""

    path: Path
    hex: str = field(repr=False)
    granted: tuple[Permission, ...]
    expires_ns: int | None
    warning: str = ""
    """What its owner should know; empty when it is as narrow as it can be."""


def role_file(role: Role) -> str:
    """Return the name of the file that `lens node bake` writes for a role."""
    return f"lens-{role}.macaroon"


def bake_command(role: Role, options: LndOptions) -> str:
    """Return the command that bakes the right macaroon for a role beside the node's own."""
    parts = ["lens node bake --role", str(role)]
    if options.lnd_dir is not None:
        parts += ["--lnd-dir", shlex.quote(str(options.lnd_dir))]
    if options.network is not None:
        parts += ["--network", options.network]
    if options.grpc_host != LndOptions.__dataclass_fields__["grpc_host"].default:
        parts += ["--grpc-host", shlex.quote(options.grpc_host)]
    if options.tls_cert is not None:
        parts += ["--tls-cert", shlex.quote(str(options.tls_cert))]
    return " ".join(parts)


def lncli_command(role: Role, save_to: Path, *, channel_status: bool = False) -> str:
    """Return the command of LND's own client that bakes the same."""
    baked = " ".join(map(str, permissions(role, channel_status=channel_status)))
    return f"lncli bakemacaroon --save_to {shlex.quote(str(save_to))} {baked}"


def find_credential(role: Role, options: LndOptions, now_ns: int) -> Credential:
    """Return the macaroon to use for a role.

    Raises:
        ConfigError: there is none, it cannot be read, or it is broader than the
            role and `allow_broad_macaroon` is not set.
        NodeUnauthorised: it allows less than the role needs, or its time is over.
    """
    if options.macaroon is not None:
        found = _read(options.macaroon.expanduser())
        return _judged(found, role, options, now_ns)
    folder = options.chain_folder()
    names = [role_file(role), *CLASSIC_FILES.get(role, ())] if role is not Role.BAKE else [ADMIN_FILE]
    for name in names:
        if (folder / name).is_file():
            return _judged(_read(folder / name), role, options, now_ns)
    return _searched(folder, role, options, now_ns)


def _searched(folder: Path, role: Role, options: LndOptions, now_ns: int) -> Credential:
    """Return the narrowest macaroon of a folder that serves a role; raises ConfigError."""
    fitting = []
    for path in sorted(folder.glob("*.macaroon")):
        try:
            found = _read(path)
            fitting.append((reach(found.granted), _judged(found, role, options, now_ns)))
        except LensError:
            continue  # a file that is none, or of another purpose: the message below says what would be right
    if fitting:
        return min(fitting, key=lambda pair: (pair[0], pair[1].path))[1]
    names = ", ".join(path.name for path in sorted(folder.glob("*.macaroon"))) if folder.is_dir() else ""
    there = f"it has {names}, and none of them is narrow enough and sufficient" if names else "it has none at all"
    raise ConfigError(
        f"no macaroon for the role {role} in {folder}: {there}. Make one: {bake_command(role, options)}"
        " (or name a file with --macaroon)"
    )


def _judged(found: Credential, role: Role, options: LndOptions, now_ns: int) -> Credential:
    if found.expires_ns is not None and found.expires_ns <= now_ns:
        raise NodeUnauthorised(f"{found.path}: its time is over. Make a new one: {bake_command(role, options)}")
    missing = lacking(role, found.granted)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise NodeUnauthorised(
            f"{found.path} does not allow {missing[0]}{more}, which the role {role} needs."
            f" Make the right one: {bake_command(role, options)}"
        )
    beyond = excess(role, found.granted)
    if beyond and not options.allow_broad_macaroon:
        raise ConfigError(
            f"{found.path} allows more than the role {role} needs ({described(beyond)}), so it is not used."
            f" Make the right one: {bake_command(role, options)} (or insist with --allow-broad-macaroon)"
        )
    return found if role is Role.BAKE else _with_warning(found, role, beyond)


def _with_warning(found: Credential, role: Role, beyond: tuple[Permission, ...]) -> Credential:
    warning = ""
    if beyond:
        warning = f"{found.path.name} allows more than the role {role} needs: {described(beyond)}"
    elif role is Role.FEES and can_pay(found.granted):
        warning = f"{found.path.name} can also send payments, which setting fees does not need"
    return Credential(
        path=found.path, hex=found.hex, granted=found.granted, expires_ns=found.expires_ns, warning=warning
    )


def _read(path: Path) -> Credential:
    """Read a macaroon file, binary as LND writes it or in hex; raises ConfigError, never showing what is in it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MACAROON_BYTES + 1)
    except OSError as problem:
        raise ConfigError(f"{path}: the macaroon cannot be read: {problem.strerror}") from None
    if len(data) > MAX_MACAROON_BYTES:
        raise ConfigError(f"{path}: over 64 KiB, so this is no macaroon")
    try:
        macaroon = Macaroon.from_hex(data.decode().strip()) if _is_hex(data) else Macaroon.from_bytes(data)
        identity = macaroon.identity()
    except MacaroonError as problem:
        raise ConfigError(f"{path}: this is no macaroon of LND: {problem}") from None
    return Credential(
        path=path,
        hex=macaroon.to_hex(),
        granted=identity.permissions,
        expires_ns=expiry_ns(caveat.text for caveat in macaroon.caveats),
    )


def _is_hex(data: bytes) -> bool:
    return bool(data.strip()) and all(byte in b"0123456789abcdefABCDEF" for byte in data.strip())
