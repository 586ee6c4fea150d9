"""What a macaroon must allow before each method."""

import pytest

from lightninglens.nodes.lnd.contract.services import METHODS
from lightninglens.nodes.lnd.permissions import (
    ACTIONS,
    ADMIN,
    ENTITIES,
    INVOICE,
    MACAROON_FILES,
    READONLY,
    REQUIRED,
    Permission,
    allows,
)

UNGUARDED = "/routerrpc.Router/XFindBaseLocalChanAlias"


def test_every_method_but_one_has_its_permissions() -> None:
    assert set(REQUIRED) == set(METHODS) - {UNGUARDED}


def test_only_state_and_unlocking_need_no_macaroon() -> None:
    free = {METHODS[path].service for path, required in REQUIRED.items() if not required}
    assert free == {"lnrpc.State", "lnrpc.WalletUnlocker"}
    assert all(not REQUIRED[path] for path in METHODS if METHODS[path].service in free)


def test_permissions_are_of_entities_and_actions_that_lnd_bakes() -> None:
    for permission in {*ADMIN, *(one for required in REQUIRED.values() for one in required)}:
        assert permission.entity in ENTITIES
        assert permission.action in ACTIONS


def test_admin_may_everything_that_has_permissions() -> None:
    assert all(allows(ADMIN, path) for path in REQUIRED)
    assert READONLY < ADMIN
    assert INVOICE < ADMIN
    assert all(permissions <= ADMIN for permissions in MACAROON_FILES.values())


def test_readonly_may_not_move_a_satoshi() -> None:
    for path in ("SendPaymentV2", "SendToRouteV2"):
        assert not allows(READONLY, f"/routerrpc.Router/{path}")
    assert allows(READONLY, "/lnrpc.Lightning/ForwardingHistory")


def test_a_method_with_two_permissions_needs_both() -> None:
    path = "/lnrpc.Lightning/OpenChannel"
    assert not allows([Permission("onchain", "write")], path)
    assert allows([Permission("onchain", "write"), Permission("offchain", "write")], path)


def test_a_uri_allows_its_method_alone() -> None:
    granted = [Permission("uri", "/lnrpc.Lightning/GetInfo")]
    assert allows(granted, "/lnrpc.Lightning/GetInfo")
    assert not allows(granted, "/lnrpc.Lightning/ListChannels")


def test_a_method_without_permissions_of_its_own_is_refused_to_all() -> None:
    assert not allows([*ADMIN, Permission("uri", UNGUARDED)], UNGUARDED)


@pytest.mark.parametrize("text", ["offchain:read", "uri:/lnrpc.Lightning/GetInfo"])
def test_a_permission_is_read_as_it_is_printed(text: str) -> None:
    assert str(Permission.parse(text)) == text


@pytest.mark.parametrize("text", ["", "offchain", ":read", "offchain:"])
def test_anything_else_is_no_permission(text: str) -> None:
    with pytest.raises(ValueError, match="is not a permission"):
        Permission.parse(text)
