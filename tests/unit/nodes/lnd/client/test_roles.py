"""What each role may call, and the macaroon for it."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.lnd_stand_in import stand_in

from lightninglens.core.errors import NodeUnauthorised
from lightninglens.nodes.lnd.client.roles import (
    BAKEABLE,
    Role,
    allow_list,
    can_pay,
    excess,
    lacking,
    needed,
    permissions,
    reach,
)
from lightninglens.nodes.lnd.client.session import connected
from lightninglens.nodes.lnd.contract.methods import Streaming
from lightninglens.nodes.lnd.contract.services import METHODS
from lightninglens.nodes.lnd.permissions import ADMIN, READONLY, REQUIRED, Permission, allows

LIGHTNING, ROUTER = "/lnrpc.Lightning/", "/routerrpc.Router/"
LISTED = {
    Role.MONITOR: """
        lnrpc.Lightning/GetInfo lnrpc.Lightning/ListChannels lnrpc.Lightning/PendingChannels
        lnrpc.Lightning/ClosedChannels lnrpc.Lightning/ChannelBalance lnrpc.Lightning/FeeReport
        lnrpc.Lightning/ForwardingHistory lnrpc.Lightning/DescribeGraph lnrpc.Lightning/GetChanInfo
        lnrpc.Lightning/GetNodeInfo lnrpc.Lightning/GetNetworkInfo lnrpc.Lightning/SubscribeChannelEvents
        lnrpc.Lightning/SubscribeChannelGraph routerrpc.Router/SubscribeHtlcEvents
        verrpc.Versioner/GetVersion lnrpc.Lightning/CheckMacaroonPermissions
        lnrpc.Lightning/GetTransactions lnrpc.Lightning/ListPayments
    """,
    Role.FEES: """
        lnrpc.Lightning/GetInfo lnrpc.Lightning/ListChannels lnrpc.Lightning/GetChanInfo lnrpc.Lightning/FeeReport
        lnrpc.Lightning/UpdateChannelPolicy lnrpc.Lightning/CheckMacaroonPermissions
    """,
    Role.REBALANCE: """
        lnrpc.Lightning/GetInfo lnrpc.Lightning/ListChannels lnrpc.Lightning/QueryRoutes lnrpc.Lightning/AddInvoice
        lnrpc.Lightning/LookupInvoice lnrpc.Lightning/ListPayments routerrpc.Router/SendPaymentV2
        routerrpc.Router/TrackPaymentV2 routerrpc.Router/BuildRoute routerrpc.Router/EstimateRouteFee
        routerrpc.Router/QueryMissionControl invoicesrpc.Invoices/CancelInvoice
    """,
}
"""The lists that were argued for before there was a client; see the threat model."""

MOVES_MONEY = {
    path
    for path, required in REQUIRED.items()
    if any(str(each) in {"offchain:write", "onchain:write", "macaroon:generate"} for each in required)
}
CLASSIC_CHARGE_LND = [
    Permission.parse(each) for each in ["offchain:read", "offchain:write", "onchain:read", "info:read"]
]


@pytest.mark.parametrize("role", LISTED)
def test_the_permissions_of_a_role_are_those_that_were_argued_for(role: Role) -> None:
    assert {each.action[1:] for each in permissions(role)} == set(LISTED[role].split())
    assert {each.entity for each in permissions(role)} == {"uri"}


@pytest.mark.promise("A2.8")
def test_reading_calls_nothing_that_moves_or_changes_anything() -> None:
    assert not allow_list(Role.MONITOR).paths & MOVES_MONEY


def test_setting_fees_changes_policies_and_nothing_else() -> None:
    may = allow_list(Role.FEES).paths & MOVES_MONEY
    assert may == {LIGHTNING + "UpdateChannelPolicy", ROUTER + "UpdateChanStatus"}
    assert Permission("uri", ROUTER + "UpdateChanStatus") not in permissions(Role.FEES)
    assert Permission("uri", ROUTER + "UpdateChanStatus") in permissions(Role.FEES, channel_status=True)


def test_no_role_sends_coins_or_unlocks_or_bakes_but_the_one_for_baking() -> None:
    for role in BAKEABLE:
        names = {path.rpartition("/")[2] for path in allow_list(role).paths}
        assert not names & {"SendCoins", "SendMany", "UnlockWallet", "BakeMacaroon", "StopDaemon", "SignMessage"}


@pytest.mark.promise("A2.25")
@pytest.mark.parametrize("role", Role)
def test_every_other_method_of_the_contract_is_refused_before_it_is_sent(role: Role) -> None:
    allowed = allow_list(role)
    assert len(METHODS) > 150
    for path in METHODS:
        if path in allowed.paths:
            allowed.require(path)
        else:
            with pytest.raises(NodeUnauthorised, match="nothing was sent"):
                allowed.require(path)


async def called(method: Any, channel: Any) -> None:
    """Call a method of any kind."""
    call, request = method.on(channel), method.request()
    match method.streaming:
        case Streaming.NEITHER:
            await call(request, timeout=2)
        case Streaming.SERVER:
            await anext(aiter(call(request, timeout=2)))
        case Streaming.CLIENT:
            await call(iter([request]), timeout=2)
        case Streaming.BOTH:
            await anext(aiter(call(iter([request]), timeout=2)))


@pytest.mark.asyncio
async def test_the_channel_itself_refuses_every_method_that_is_not_the_roles(
    tmp_path: Path,
) -> None:
    async with stand_in(tmp_path / "lnd") as node, connected(Role.MONITOR, node.options()) as session:
        node.asked.clear()
        channel = session.transport.channel  # type: ignore[attr-defined]
        for path, method in METHODS.items():
            if path in allow_list(Role.MONITOR).paths:
                continue
            with pytest.raises(NodeUnauthorised):
                await called(method, channel)
        assert node.asked == []


@pytest.mark.parametrize("role", BAKEABLE)
def test_what_is_baked_for_a_role_serves_it_and_no_more(role: Role) -> None:
    granted = permissions(role)
    assert lacking(role, granted) == ()
    assert excess(role, granted) == ()
    assert {path for path in METHODS if REQUIRED.get(path) and allows(granted, path)} == needed(role)
    for other in BAKEABLE:
        if other is not role:
            assert excess(other, granted) or needed(role) <= needed(other)


def test_an_administrators_macaroon_is_beyond_every_role() -> None:
    for role in BAKEABLE:
        assert excess(role, ADMIN)


def test_lnds_own_read_only_macaroon_serves_reading_only() -> None:
    assert excess(Role.MONITOR, READONLY) == ()
    assert lacking(Role.MONITOR, READONLY) == ()
    assert excess(Role.FEES, READONLY)


def test_what_charge_lnd_is_told_to_bake_serves_setting_fees_and_can_pay() -> None:
    assert excess(Role.FEES, CLASSIC_CHARGE_LND) == ()
    assert can_pay(CLASSIC_CHARGE_LND)
    assert not can_pay(permissions(Role.FEES))
    assert excess(Role.REBALANCE, CLASSIC_CHARGE_LND)


def test_a_method_that_a_later_lnd_brings_is_beyond_every_role() -> None:
    for role in BAKEABLE:
        granted = (*permissions(role), Permission("uri", "/lnrpc.Lightning/GiveAwayEverything"))
        assert [str(each) for each in excess(role, granted)] == ["uri:/lnrpc.Lightning/GiveAwayEverything"]


def test_narrower_macaroons_reach_fewer_methods() -> None:
    assert reach(permissions(Role.FEES)) < reach(permissions(Role.MONITOR)) < reach(READONLY) < reach(ADMIN)
