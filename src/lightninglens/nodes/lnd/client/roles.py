"""What each port may call, and the macaroon that allows that much and no more.

The lists are written once, as methods: the interceptor lets nothing else pass,
and the permissions of a role's macaroon are made from them. Which calls a role
needs is argued in `docs/explanation/threat-model.md`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from lightninglens.core.errors import NodeUnauthorised
from lightninglens.nodes.lnd.contract.services import METHODS
from lightninglens.nodes.lnd.permissions import ENTITIES, READONLY, REQUIRED, URI, Permission, allows


class Role(StrEnum):
    """One per port, and `bake` for the one call that makes the macaroons of the others."""

    MONITOR = "monitor"
    FEES = "fees"
    REBALANCE = "rebalance"
    PAYMENTS = "payments"
    CHANNELS = "channels"
    BAKE = "bake"


BAKEABLE = tuple(role for role in Role if role is not Role.BAKE)
"""The roles that `lens node bake` makes macaroons for."""


def _paths(text: str) -> frozenset[str]:
    found = frozenset(f"/{name}" for name in text.split())
    assert found <= METHODS.keys(), found - METHODS.keys()  # noqa: S101 - a slip of ours, seen at import
    return found


_FREE = _paths("lnrpc.State/GetState")
"""Needs no macaroon; tells a locked wallet from a dead node."""

_NEEDED = {
    Role.MONITOR: _paths(
        "lnrpc.Lightning/ChannelBalance lnrpc.Lightning/CheckMacaroonPermissions lnrpc.Lightning/ClosedChannels"
        " lnrpc.Lightning/DescribeGraph lnrpc.Lightning/FeeReport lnrpc.Lightning/ForwardingHistory"
        " lnrpc.Lightning/GetChanInfo lnrpc.Lightning/GetInfo lnrpc.Lightning/GetNetworkInfo"
        " lnrpc.Lightning/GetNodeInfo lnrpc.Lightning/GetTransactions lnrpc.Lightning/ListChannels"
        " lnrpc.Lightning/ListPayments lnrpc.Lightning/PendingChannels"
        " lnrpc.Lightning/SubscribeChannelEvents lnrpc.Lightning/SubscribeChannelGraph"
        " routerrpc.Router/SubscribeHtlcEvents verrpc.Versioner/GetVersion"
    ),
    Role.FEES: _paths(
        "lnrpc.Lightning/CheckMacaroonPermissions lnrpc.Lightning/FeeReport lnrpc.Lightning/GetChanInfo"
        " lnrpc.Lightning/GetInfo lnrpc.Lightning/ListChannels lnrpc.Lightning/UpdateChannelPolicy"
    ),
    Role.REBALANCE: _paths(
        "invoicesrpc.Invoices/CancelInvoice lnrpc.Lightning/AddInvoice lnrpc.Lightning/GetInfo"
        " lnrpc.Lightning/ListChannels lnrpc.Lightning/ListPayments lnrpc.Lightning/LookupInvoice"
        " lnrpc.Lightning/QueryRoutes routerrpc.Router/BuildRoute routerrpc.Router/EstimateRouteFee"
        " routerrpc.Router/QueryMissionControl routerrpc.Router/SendPaymentV2 routerrpc.Router/TrackPaymentV2"
    ),
    Role.PAYMENTS: _paths(
        "lnrpc.Lightning/AddInvoice lnrpc.Lightning/GetInfo lnrpc.Lightning/LookupInvoice lnrpc.Lightning/QueryRoutes"
        " routerrpc.Router/SendPaymentV2 routerrpc.Router/SendToRouteV2 routerrpc.Router/TrackPaymentV2"
    ),
    Role.CHANNELS: _paths(
        "lnrpc.Lightning/CloseChannel lnrpc.Lightning/ConnectPeer lnrpc.Lightning/DisconnectPeer"
        " lnrpc.Lightning/EstimateFee lnrpc.Lightning/ExportAllChannelBackups lnrpc.Lightning/GetInfo"
        " lnrpc.Lightning/NewAddress lnrpc.Lightning/OpenChannel lnrpc.Lightning/PendingChannels"
        " lnrpc.Lightning/WalletBalance wtclientrpc.WatchtowerClient/AddTower"
        " wtclientrpc.WatchtowerClient/ListTowers wtclientrpc.WatchtowerClient/RemoveTower"
    ),
    Role.BAKE: _paths("lnrpc.Lightning/BakeMacaroon lnrpc.Lightning/GetInfo"),
}

_OPTIONAL = {Role.FEES: _paths("routerrpc.Router/UpdateChanStatus")}
"""What a port can do with a macaroon that allows it, and does not ask for: `lens node bake --channel-status`."""

_SPARE = _paths("lnrpc.Lightning/CheckMacaroonPermissions")
"""Baked in, as it only tells what a macaroon allows, and not missed in one that LND or charge-lnd had made."""

_READ = frozenset(permission for permission in READONLY if permission.action == "read")
_CLASSIC = {
    Role.MONITOR: _READ,
    Role.FEES: frozenset(map(Permission.parse, ("info:read", "offchain:read", "offchain:write", "onchain:read"))),
}
"""Wider permissions that a role accepts all the same: LND's readonly.macaroon, and what charge-lnd is told to bake."""

CLASSIC_FILES = MappingProxyType({Role.MONITOR: ("readonly.macaroon",), Role.FEES: ("charge-lnd.macaroon",)})


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """The methods that a role may call; everything else is refused before it is sent."""

    role: Role
    paths: frozenset[str]

    def require(self, path: str) -> None:
        """Raise NodeUnauthorised unless the method at `path` is in the list."""
        if path not in self.paths:
            raise NodeUnauthorised(f"the role {self.role} does not call {path}; nothing was sent")


def allow_list(role: Role) -> AllowList:
    """Return the methods that a role may call."""
    return AllowList(role=role, paths=_NEEDED[role] | _OPTIONAL.get(role, frozenset()) | _FREE)


def needed(role: Role) -> frozenset[str]:
    """Return the methods that a role's macaroon must allow."""
    return _NEEDED[role]


def permissions(role: Role, *, channel_status: bool = False) -> tuple[Permission, ...]:
    """Return what a role's macaroon is baked with, in order; `channel_status` adds what only some want."""
    paths = _NEEDED[role] | (_OPTIONAL.get(role, frozenset()) if channel_status else frozenset())
    return tuple(Permission(URI, path) for path in sorted(paths) if REQUIRED.get(path))


def excess(role: Role, granted: Iterable[Permission]) -> tuple[Permission, ...]:
    """Return the permissions that are beyond a role, in order; none for a macaroon that is narrow enough."""
    if role is Role.BAKE:
        return ()  # whoever may bake a macaroon may do anything, by baking one for it
    own = set(permissions(role, channel_status=True)) | _CLASSIC.get(role, frozenset())
    return tuple(sorted(set(granted) - own))


def lacking(role: Role, granted: Iterable[Permission]) -> tuple[str, ...]:
    """Return the methods that a role needs and these permissions do not allow, in order."""
    held = tuple(granted)
    return tuple(path for path in sorted(_NEEDED[role] - _SPARE) if not allows(held, path))


def reach(granted: Iterable[Permission]) -> int:
    """Return how many methods these permissions allow: the fewer, the narrower a macaroon."""
    held = tuple(granted)
    return sum(allows(held, path) for path in METHODS)


def can_pay(granted: Iterable[Permission]) -> bool:
    """Tell whether a macaroon with these permissions can send money away."""
    held = tuple(granted)
    return any(allows(held, f"/routerrpc.Router/{name}") for name in ("SendPaymentV2", "SendToRouteV2"))


def described(found: Iterable[Permission], most: int = 6) -> str:
    """Return permissions for people, the widest first."""
    rank = {entity: place for place, entity in enumerate(ENTITIES)}
    names = [str(each) for each in sorted(found, key=lambda each: (rank.get(each.entity, -1), each))]
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
