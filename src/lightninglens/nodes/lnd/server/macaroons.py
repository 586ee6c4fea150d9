"""Macaroons of the node: baking, listing and deleting root keys, and asking what a macaroon allows.

Source: LND `rpcserver.go`.
"""

from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.macaroon import Macaroon
from lightninglens.nodes.lnd.permissions import ACTIONS, ENTITIES, REQUIRED, URI, Permission
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.gate import Gate, read_macaroon
from lightninglens.nodes.lnd.server.refusals import Refusal, invalid

_HELP = f"supported actions are [{' '.join(ACTIONS)}], supported entities are [{' '.join(ENTITIES)}]"


class Macaroons:
    """The node's bakery over its own interface."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.BakeMacaroon.path: self.bake,
            Lightning.ListMacaroonIDs.path: self.list_ids,
            Lightning.DeleteMacaroonID.path: self.delete_id,
            Lightning.ListPermissions.path: self.list_permissions,
            Lightning.CheckMacaroonPermissions.path: self.check,
        }

    async def bake(self, request: lnrpc.BakeMacaroonRequest) -> lnrpc.BakeMacaroonResponse:
        """BakeMacaroon."""
        if not request.permissions:
            raise Refusal(f"permission list cannot be empty. specify at least one action/entity pair. {_HELP}")
        permissions = [Permission(one.entity, one.action) for one in request.permissions]
        if not request.allow_external_permissions:
            for permission in permissions:
                _require_known(permission)
        macaroon = self._gate.bake(permissions, root_key_id=request.root_key_id)
        return lnrpc.BakeMacaroonResponse(macaroon=macaroon.to_hex())

    async def list_ids(self, _request: lnrpc.ListMacaroonIDsRequest) -> lnrpc.ListMacaroonIDsResponse:
        """ListMacaroonIDs."""
        return lnrpc.ListMacaroonIDsResponse(root_key_ids=self._gate.root_key_ids)

    async def delete_id(self, request: lnrpc.DeleteMacaroonIDRequest) -> lnrpc.DeleteMacaroonIDResponse:
        """DeleteMacaroonID."""
        return lnrpc.DeleteMacaroonIDResponse(deleted=self._gate.delete(request.root_key_id))

    async def list_permissions(self, _request: lnrpc.ListPermissionsRequest) -> lnrpc.ListPermissionsResponse:
        """ListPermissions."""
        return lnrpc.ListPermissionsResponse(
            method_permissions={path: _listed(permissions) for path, permissions in REQUIRED.items() if permissions}
        )

    async def check(self, request: lnrpc.CheckMacPermRequest) -> lnrpc.CheckMacPermResponse:
        """CheckMacaroonPermissions: whether a macaroon holds now and allows what is named."""
        if request.permissions and request.check_default_perms_from_full_method:
            raise Refusal(
                "cannot check default permissions from full method and from provided permission list at the same time"
            )
        if request.check_default_perms_from_full_method and not request.fullMethod:
            raise Refusal("cannot check default permissions from full method without providing the full method name")
        if request.check_default_perms_from_full_method and not REQUIRED.get(request.fullMethod):
            raise Refusal(f"no permissions found for full method {request.fullMethod}")
        try:
            self._check(read_macaroon(request.macaroon), request)
        except Refusal as refusal:
            raise invalid(refusal.text) from None
        return lnrpc.CheckMacPermResponse(valid=True)

    def _check(self, macaroon: Macaroon, request: lnrpc.CheckMacPermRequest) -> None:
        if request.check_default_perms_from_full_method:
            self._gate.judge(macaroon, request.fullMethod, "")
            return
        wanted = {Permission(one.entity, one.action) for one in request.permissions}
        self._gate.judge_permissions(macaroon, wanted, request.fullMethod)


def _require_known(permission: Permission) -> None:
    """Refuse an entity, an action or a method that LND does not have."""
    if permission.entity not in ENTITIES:
        raise Refusal(f"invalid permission entity. {_HELP}")
    if permission.entity == URI:
        if permission.action not in REQUIRED:
            raise Refusal(
                "invalid permission action, must be an existing URI in the format /package.Service/MethodName"
            )
    elif permission.action not in ACTIONS:
        raise Refusal(f"invalid permission action. {_HELP}")


def _listed(permissions: frozenset[Permission]) -> lnrpc.MacaroonPermissionList:
    return lnrpc.MacaroonPermissionList(
        permissions=[lnrpc.MacaroonPermission(entity=one.entity, action=one.action) for one in sorted(permissions)]
    )
