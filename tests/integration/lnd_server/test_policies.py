"""Fees set over LND's interface: what is taken, what is refused, and in which words."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.lnd import ALICE, BOB, Served, serving_lab

from lightninglens.core.channels import ChannelPolicy
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router

pytestmark = pytest.mark.asyncio


async def policy_of(lab: Served) -> ChannelPolicy:
    policy = await lab.network.read(lambda engine: engine.policy(engine.directions_of(0)[0]))
    assert policy is not None
    return policy


async def point(lab: Served) -> lnrpc.ChannelPoint:
    edge = await lab.edge(ALICE, BOB)
    txid, _, output = edge.channel_point.partition(":")
    return lnrpc.ChannelPoint(funding_txid_str=txid, output_index=int(output))


async def update(lab: Served, **fields: Any) -> lnrpc.PolicyUpdateResponse:
    request = lnrpc.PolicyUpdateRequest(**{"time_lock_delta": 80, **fields})
    response: lnrpc.PolicyUpdateResponse = await lab.on(ALICE, Lightning.UpdateChannelPolicy, request)
    return response


async def test_a_policy_is_set_and_shown_in_the_fee_report(lab: Served) -> None:
    done = await update(
        lab,
        chan_point=await point(lab),
        base_fee_msat=5,
        fee_rate_ppm=250,
        time_lock_delta=60,
        max_htlc_msat=500_000_000,
        min_htlc_msat=2_000,
        min_htlc_msat_specified=True,
        inbound_fee=lnrpc.InboundFee(base_fee_msat=-3, fee_rate_ppm=-40),
    )
    assert not done.failed_updates
    policy = await policy_of(lab)
    assert (policy.base_fee_msat, policy.fee_rate_ppm, policy.time_lock_delta_blocks) == (5, 250, 60)
    assert (policy.min_htlc_msat, policy.max_htlc_msat) == (2_000, 500_000_000)
    assert (policy.inbound_base_fee_msat, policy.inbound_fee_rate_ppm) == (-3, -40)
    edge = await lab.edge(ALICE, BOB)
    report = await lab.on(ALICE, Lightning.FeeReport)
    mine = next(fees for fees in report.channel_fees if fees.chan_id == edge.chan_id)
    assert (mine.fee_per_mil, mine.inbound_fee_per_mil, mine.fee_rate) == (250, -40, 0.00025)


async def test_what_is_not_said_stays_and_fees_are_always_said(lab: Served) -> None:
    before = await policy_of(lab)
    await update(lab, chan_point=await point(lab), fee_rate=0.0001)
    policy = await policy_of(lab)
    assert (policy.base_fee_msat, policy.fee_rate_ppm) == (0, 100)
    assert (policy.min_htlc_msat, policy.max_htlc_msat) == (before.min_htlc_msat, before.max_htlc_msat)


async def test_all_channels_are_set_at_once(lab: Served) -> None:
    await update(lab, **{"global": True}, fee_rate_ppm=33)
    report = await lab.on(ALICE, Lightning.FeeReport)
    assert {fees.fee_per_mil for fees in report.channel_fees} == {33}


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        (
            {"fee_rate": 0.1, "fee_rate_ppm": 1},
            ("INVALID_ARGUMENT", "cannot set both FeeRate and FeeRatePpm at the same time"),
        ),
        ({"fee_rate": 1e-9}, ("UNKNOWN", "fee rate of 1e-09 is too small, min fee rate is 1e-06")),
        ({"time_lock_delta": 17}, ("UNKNOWN", "time lock delta of 17 is too small, minimum supported is 18")),
        ({"time_lock_delta": 2_017}, ("UNKNOWN", "time lock delta of 2017 is too big, maximum supported is 2016")),
        (
            {"inbound_fee": lnrpc.InboundFee(fee_rate_ppm=1)},
            ("UNKNOWN", "positive values for inbound fee rate ppm are not supported: 1"),
        ),
        (
            {"inbound_fee": lnrpc.InboundFee(base_fee_msat=1)},
            ("UNKNOWN", "positive values for inbound base fee msat are not supported: 1"),
        ),
    ],
)
async def test_what_lnd_refuses_is_refused_and_changes_nothing(
    lab: Served, fields: dict[str, Any], answer: tuple[str, str]
) -> None:
    before = await policy_of(lab)
    request = lnrpc.PolicyUpdateRequest(**{"time_lock_delta": 80, "chan_point": await point(lab), **fields})
    assert await lab.refused(lab.on(ALICE, Lightning.UpdateChannelPolicy, request)) == answer
    assert await policy_of(lab) == before


async def test_a_request_for_no_channel_is_refused(lab: Served) -> None:
    request = lnrpc.PolicyUpdateRequest(time_lock_delta=80)
    assert await lab.refused(lab.on(ALICE, Lightning.UpdateChannelPolicy, request)) == (
        "UNKNOWN",
        "unknown scope: <nil>",
    )
    request = lnrpc.PolicyUpdateRequest(chan_point=lnrpc.ChannelPoint(funding_txid_str="xx"), time_lock_delta=80)
    code, text = await lab.refused(lab.on(ALICE, Lightning.UpdateChannelPolicy, request))
    assert (code, text) == ("UNKNOWN", "encoding/hex: invalid byte: U+0078 'x'")


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ({"max_htlc_msat": 2**40}, lnrpc.UPDATE_FAILURE_INVALID_PARAMETER, "is above max pending amount of"),
        (
            {"min_htlc_msat": 0, "min_htlc_msat_specified": True},
            lnrpc.UPDATE_FAILURE_INVALID_PARAMETER,
            "is below min htlc parameter of",
        ),
        ({"base_fee_msat": 2**40}, lnrpc.UPDATE_FAILURE_INVALID_PARAMETER, "does not fit"),
    ],
)
async def test_what_a_channel_cannot_have_is_a_failed_update(
    lab: Served, fields: dict[str, Any], reason: int, text: str
) -> None:
    before = await policy_of(lab)
    (failed,) = (await update(lab, chan_point=await point(lab), **fields)).failed_updates
    assert failed.reason == reason
    assert text in failed.update_error
    assert await policy_of(lab) == before


async def test_a_channel_that_is_not_the_nodes_is_a_failed_update_and_no_error(lab: Served) -> None:
    unknown = lnrpc.ChannelPoint(funding_txid_bytes=bytes(31) + b"\x01", output_index=3)
    (failed,) = (await update(lab, chan_point=unknown)).failed_updates
    assert (failed.reason, failed.update_error) == (lnrpc.UPDATE_FAILURE_NOT_FOUND, "not found")
    assert failed.outpoint.txid_str == "01" + "00" * 31
    assert failed.outpoint.output_index == 3


async def test_a_newer_version_asks_for_a_longer_time_lock(tmp_path: Path) -> None:
    async with serving_lab(tmp_path, version="0.21") as lab:
        request = lnrpc.PolicyUpdateRequest(chan_point=await point(lab), time_lock_delta=18)
        assert await lab.refused(lab.on(ALICE, Lightning.UpdateChannelPolicy, request)) == (
            "UNKNOWN",
            "time lock delta of 18 is too small, minimum supported is 24",
        )


async def test_an_old_version_knows_no_inbound_fees(tmp_path: Path) -> None:
    async with serving_lab(tmp_path, version="0.17") as lab:
        await update(lab, chan_point=await point(lab), inbound_fee=lnrpc.InboundFee(fee_rate_ppm=-5))
        assert (await policy_of(lab)).inbound_fee_rate_ppm == 0


async def test_a_channel_is_disabled_and_enabled(lab: Served) -> None:
    for action, disabled in ((routerrpc.DISABLE, True), (routerrpc.ENABLE, False)):
        request = routerrpc.UpdateChanStatusRequest(chan_point=await point(lab), action=action)
        await lab.on(ALICE, Router.UpdateChanStatus, request)
        assert (await policy_of(lab)).disabled == disabled
    unknown = routerrpc.UpdateChanStatusRequest(chan_point=lnrpc.ChannelPoint(funding_txid_str="00"))
    code, text = await lab.refused(lab.on(ALICE, Router.UpdateChanStatus, unknown))
    assert code == "UNKNOWN"
    assert text.startswith("unable to find channel")


async def test_the_nodes_own_change_is_news_at_once(lab: Served) -> None:
    updates = lab.on(ALICE, Lightning.SubscribeChannelGraph)
    heard = lab.on(BOB, Lightning.SubscribeChannelGraph)
    await lab.on(ALICE, Lightning.GetInfo)
    await lab.on(BOB, Lightning.GetInfo)
    await update(lab, chan_point=await point(lab), fee_rate_ppm=99)
    for stream in (updates, heard):
        async for news in stream:
            (one,) = news.channel_updates
            assert one.advertising_node == lab.node(ALICE).node_id
            assert one.connecting_node == lab.node(BOB).node_id
            assert one.routing_policy.fee_rate_milli_msat == 99
            break
