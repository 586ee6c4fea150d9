"""Setting fees on an LND node: `core.ports.FeeSetter`.

LND takes a policy whole: a base fee or a rate that is left out becomes 0, so
everything is read first and every field is sent. Source: LND `rpcserver.go`,
`UpdateChannelPolicy`; `routing/localchans/manager.go`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.clock import Clock
from lightninglens.core.errors import NodeRefused
from lightninglens.core.ids import ChannelId
from lightninglens.core.ports import ChannelStatus
from lightninglens.core.units import MAX_UINT32, PPM
from lightninglens.nodes.lnd.client.faults import clean
from lightninglens.nodes.lnd.client.place import LndOptions
from lightninglens.nodes.lnd.client.reader import edge_of
from lightninglens.nodes.lnd.client.records import channel_point, policies_of
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import Session, connected
from lightninglens.nodes.lnd.client.versions import FEE_RATE_PPM, INBOUND_FEES
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router

_ACTIONS = {
    ChannelStatus.ENABLED: routerrpc.ENABLE,
    ChannelStatus.DISABLED: routerrpc.DISABLE,
    ChannelStatus.AUTO: routerrpc.AUTO,
}
_UINT32_FIELDS = ("base_fee_msat", "fee_rate_ppm", "time_lock_delta_blocks")
_MAX_INT32 = 2**31 - 1


class LndFeeSetter:
    """Sets the policies of one LND node's channels."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def at(cls, options: LndOptions, clock: Clock | None = None) -> AsyncIterator["LndFeeSetter"]:
        """Connect for setting fees; raises as `session.connected` does."""
        async with connected(Role.FEES, options, clock) as session:
            yield cls(session)

    async def policy(self, channel_id: ChannelId) -> ChannelPolicy:
        """Return what is asked for in our direction; raises NodeRefused when that is not known."""
        return (await self._own(channel_id))[1]

    async def set_policy(self, channel_id: ChannelId, policy: ChannelPolicy) -> ChannelPolicy:
        """Ask for this, every field of it, and return what the node then says it asks.

        Raises NodeRefused when a field is out of range, beyond what the node's
        version can do, or refused by it; NodeUnavailable when it did not answer,
        and then it is unknown whether it was done.
        """
        edge, _ = await self._own(channel_id)
        request = self._request(channel_id, policy)
        request.chan_point.CopyFrom(channel_point(edge.chan_point))
        said = await self._session.call(Lightning.UpdateChannelPolicy, request)
        for failed in said.failed_updates:
            reason = lnrpc.UpdateFailure.Name(failed.reason).removeprefix("UPDATE_FAILURE_").lower().replace("_", " ")
            raise NodeRefused(f"{channel_id}: the policy was not set: {reason}: {clean(failed.update_error)}")
        return await self.policy(channel_id)

    async def set_status(self, channel_id: ChannelId, status: ChannelStatus) -> None:
        """Announce our direction as usable or not; needs a macaroon baked with `--channel-status`."""
        edge, _ = await self._own(channel_id)
        request = routerrpc.UpdateChanStatusRequest(chan_point=channel_point(edge.chan_point), action=_ACTIONS[status])
        await self._session.call(Router.UpdateChanStatus, request)

    async def _own(self, channel_id: ChannelId) -> tuple[lnrpc.ChannelEdge, ChannelPolicy]:
        """Return a channel of ours and our side's policy; raises NodeRefused."""
        edge = await edge_of(self._session, channel_id)
        if edge is None or self._session.node_id not in {edge.node1_pub, edge.node2_pub}:
            raise NodeRefused(f"the node has no channel {channel_id}")
        ours, _ = policies_of(edge, self._session.node_id)
        if ours is None:
            raise NodeRefused(f"{channel_id}: nothing was ever announced for our direction, so there is none to change")
        return edge, ours

    def _request(self, channel_id: ChannelId, policy: ChannelPolicy) -> lnrpc.PolicyUpdateRequest:
        version = self._session.version
        _require_ranges(channel_id, policy)
        request = lnrpc.PolicyUpdateRequest(
            base_fee_msat=policy.base_fee_msat,
            time_lock_delta=policy.time_lock_delta_blocks,
            max_htlc_msat=policy.max_htlc_msat,
            min_htlc_msat=policy.min_htlc_msat,
            min_htlc_msat_specified=True,
        )
        if version.has(FEE_RATE_PPM):
            request.fee_rate_ppm = policy.fee_rate_ppm
        else:
            request.fee_rate = policy.fee_rate_ppm / PPM
        if version.has(INBOUND_FEES):
            request.inbound_fee.base_fee_msat = policy.inbound_base_fee_msat
            request.inbound_fee.fee_rate_ppm = policy.inbound_fee_rate_ppm
        elif policy.inbound_base_fee_msat or policy.inbound_fee_rate_ppm:
            raise NodeRefused(
                f"{channel_id}: LND {version.shown} has no inbound fees (they come with 0.18), so nothing was sent"
            )
        return request


def _require_ranges(channel_id: ChannelId, policy: ChannelPolicy) -> None:
    """Raise NodeRefused for what LND's fields cannot hold, or would take for "keep as it is"."""
    problems = [
        f"{name} is {getattr(policy, name)}, and must be from 0 to {MAX_UINT32}"
        for name in _UINT32_FIELDS
        if not 0 <= getattr(policy, name) <= MAX_UINT32
    ]
    problems += [
        f"{name} is {getattr(policy, name)}, and LND keeps 32 bits of it"
        for name in ("inbound_base_fee_msat", "inbound_fee_rate_ppm")
        if abs(getattr(policy, name)) > _MAX_INT32
    ]
    if not 0 <= policy.min_htlc_msat <= policy.max_htlc_msat or not 0 < policy.max_htlc_msat < 2**63:
        problems.append(
            f"HTLCs from {policy.min_htlc_msat} to {policy.max_htlc_msat} msat are no range above 0: LND would keep"
            " its own limit"
        )
    if problems:
        raise NodeRefused(f"{channel_id}: {'; '.join(problems)}; nothing was sent")
