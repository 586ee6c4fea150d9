"""What a node asks for its channels: reading it, and setting it with LND's checks.

Source: LND `rpcserver.go` (UpdateChannelPolicy, FeeReport), `routing/localchans/manager.go`,
`netann/chan_status_manager.go`.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.units import MAX_UINT32, MSAT_PER_SAT, NS_PER_DAY, NS_PER_SECOND, PPM, Blocks, Msat, Ppm
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.channel_points import channel_point, internal, read_point
from lightninglens.nodes.lnd.server.refusals import Refusal, invalid
from lightninglens.sim.engine import Engine
from lightninglens.sim.life import Stage

TRICKLE_NS = 90 * NS_PER_SECOND
"""LND sends gossip out this often, so the network hears of a change up to so much later."""
MAX_TIME_LOCK_BLOCKS = 2_016

_LEAST_FEE_RATE = 1e-6
_LEAST_HTLC_MSAT = 1


class Policies(Area):
    """Fees and limits of the node's channels."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.FeeReport.path: self.fee_report,
            Lightning.UpdateChannelPolicy.path: self.update_channel_policy,
            Router.UpdateChanStatus.path: self.update_chan_status,
        }

    async def fee_report(self, _request: lnrpc.FeeReportRequest) -> lnrpc.FeeReportResponse:
        """FeeReport: what each channel asks, and what was earned in a day, a week and a month."""

        def answer(engine: Engine) -> lnrpc.FeeReportResponse:
            now_ns = self.network.now_ns(engine)

            def earned_sat(days: int) -> int:
                return self.node.forwards.fee_msat_since(now_ns - days * NS_PER_DAY) // MSAT_PER_SAT

            response = lnrpc.FeeReportResponse(
                day_fee_sum=earned_sat(1), week_fee_sum=earned_sat(7), month_fee_sum=earned_sat(30)
            )
            for direction in engine.directions_of(self.node.row):
                policy = engine.policy(direction)
                if policy is not None:
                    response.channel_fees.append(self._fee_report(engine, direction, policy))
            return response

        return await self.network.read(answer)

    def _fee_report(self, engine: Engine, direction: int, policy: ChannelPolicy) -> lnrpc.ChannelFeeReport:
        channel_id = engine.graph.channel_id(direction // 2)
        report = lnrpc.ChannelFeeReport(
            chan_id=channel_id,
            channel_point=channel_point(channel_id),
            base_fee_msat=policy.base_fee_msat,
            fee_per_mil=policy.fee_rate_ppm,
            fee_rate=policy.fee_rate_ppm / PPM,
        )
        if self.network.version.has_inbound_fees:
            report.inbound_base_fee_msat = policy.inbound_base_fee_msat
            report.inbound_fee_per_mil = policy.inbound_fee_rate_ppm
        return report

    async def update_channel_policy(self, request: lnrpc.PolicyUpdateRequest) -> lnrpc.PolicyUpdateResponse:
        """UpdateChannelPolicy of one channel or of all; what cannot be set is listed, the rest is set."""
        scope = request.WhichOneof("scope")
        if scope is None:
            raise Refusal("unknown scope: <nil>")
        point = read_point(request.chan_point) if scope == "chan_point" else None
        rate_ppm = _fee_rate_ppm(request)
        self._check(request)

        def act(engine: Engine) -> lnrpc.PolicyUpdateResponse:
            if point is None:
                failed = self._set(engine, engine.directions_of(self.node.row), request, rate_ppm)
            elif (direction := self._direction_at(engine, point)) is None:
                failed = [_failed(point, lnrpc.UPDATE_FAILURE_NOT_FOUND, "not found")]
            else:
                failed = self._set(engine, (direction,), request, rate_ppm)
            return lnrpc.PolicyUpdateResponse(failed_updates=failed)

        return await self.network.act(act)

    def _direction_at(self, engine: Engine, point: tuple[str, int]) -> int | None:
        """Return the node's direction of a channel by its point; None when it has no such channel any more."""
        row = self.network.channels.row_at(*point)
        if row is None or engine.is_closed(row):
            return None
        ends = (int(engine.graph.node1[row]), int(engine.graph.node2[row]))
        return 2 * row + ends.index(self.node.row) if self.node.row in ends else None

    def _check(self, request: lnrpc.PolicyUpdateRequest) -> None:
        """Refuse what LND refuses whatever the channel."""
        delta, least = request.time_lock_delta, self.network.version.least_time_lock_blocks
        if delta < least:
            raise Refusal(f"time lock delta of {delta} is too small, minimum supported is {least}")
        if delta > MAX_TIME_LOCK_BLOCKS:
            raise Refusal(f"time lock delta of {delta} is too big, maximum supported is {MAX_TIME_LOCK_BLOCKS}")
        if self.network.version.has_inbound_fees and request.HasField("inbound_fee"):
            fee = request.inbound_fee
            if fee.base_fee_msat > 0:
                raise Refusal(f"positive values for inbound base fee msat are not supported: {fee.base_fee_msat}")
            if fee.fee_rate_ppm > 0:
                raise Refusal(f"positive values for inbound fee rate ppm are not supported: {fee.fee_rate_ppm}")

    def _set(
        self, engine: Engine, directions: Iterable[int], request: lnrpc.PolicyUpdateRequest, rate_ppm: int
    ) -> list[lnrpc.FailedUpdate]:
        """Set each direction's policy; return those that could not be."""
        failed = []
        for direction in directions:
            channel_id = engine.graph.channel_id(direction // 2)
            point = (channel_point(channel_id).partition(":")[0], channel_id.output)
            old = engine.policy(direction)
            if old is None and not request.create_missing_edge:
                failed.append(_failed(point, lnrpc.UPDATE_FAILURE_NOT_FOUND, "edge policy not found"))
                continue
            policy = self._updated(old or _new_policy(engine, direction), request, rate_ppm)
            problem = _problem_of(engine, direction, policy)
            if problem:
                failed.append(_failed(point, lnrpc.UPDATE_FAILURE_INVALID_PARAMETER, problem))
                continue
            self._enforce(engine, direction, policy)
        return failed

    def _updated(self, old: ChannelPolicy, request: lnrpc.PolicyUpdateRequest, rate_ppm: int) -> ChannelPolicy:
        """Return a policy with what a request says; the fees and the time lock always, the rest where it says so."""
        policy = replace(
            old,
            base_fee_msat=Msat(request.base_fee_msat),
            fee_rate_ppm=Ppm(rate_ppm),
            time_lock_delta_blocks=Blocks(request.time_lock_delta),
        )
        if request.max_htlc_msat:
            policy = replace(policy, max_htlc_msat=Msat(request.max_htlc_msat))
        if request.min_htlc_msat_specified:
            policy = replace(policy, min_htlc_msat=Msat(request.min_htlc_msat))
        if self.network.version.has_inbound_fees and request.HasField("inbound_fee"):
            policy = replace(
                policy,
                inbound_base_fee_msat=Msat(request.inbound_fee.base_fee_msat),
                inbound_fee_rate_ppm=Ppm(request.inbound_fee.fee_rate_ppm),
            )
        return policy

    def _enforce(self, engine: Engine, direction: int, policy: ChannelPolicy) -> None:
        """Let a policy hold from now on, tell our own listeners at once and the network later."""
        engine.set_policy(direction, policy, spread_ns=TRICKLE_NS)
        self.network.topology.note(direction, self.network.now_ns(engine) // NS_PER_SECOND)
        if self.node.graph_hub.is_heard:
            update = self.network.topology.own_update(engine, direction, self.node.row)
            self.node.graph_hub.publish(update.SerializeToString())

    async def update_chan_status(
        self, request: routerrpc.UpdateChanStatusRequest
    ) -> routerrpc.UpdateChanStatusResponse:
        """UpdateChanStatus: announce a channel as enabled or disabled, or leave it to the node again."""
        if not request.HasField("chan_point"):
            raise invalid("a channel point must be specified")
        point = read_point(request.chan_point)
        enable = request.action != routerrpc.DISABLE

        def act(engine: Engine) -> None:
            direction = self._direction_at(engine, point)
            if direction is None:
                raise Refusal(f"unable to find channel {point[0]}:{point[1]}: edge not found")
            policy = engine.policy(direction)
            if request.action == routerrpc.ENABLE and not bool(engine.active()[direction // 2]):
                raise Refusal("unable to enable channel, peer is not online")
            if policy is not None and policy.disabled == enable and engine.stage(direction // 2) is Stage.OPEN:
                self._enforce(engine, direction, replace(policy, disabled=not enable))

        await self.network.act(act)
        return routerrpc.UpdateChanStatusResponse()


def _fee_rate_ppm(request: lnrpc.PolicyUpdateRequest) -> int:
    """Return the rate that a request means; raises Refusal when it says two, or one that cannot be."""
    if request.fee_rate and request.fee_rate_ppm:
        raise invalid("cannot set both FeeRate and FeeRatePpm at the same time")
    if not request.fee_rate:
        return request.fee_rate_ppm
    if not request.fee_rate >= _LEAST_FEE_RATE:
        raise Refusal(f"fee rate of {request.fee_rate:g} is too small, min fee rate is 1e-06")
    rate = request.fee_rate * PPM
    return min(math.floor(rate + 0.5), MAX_UINT32) if math.isfinite(rate) else MAX_UINT32


def _new_policy(engine: Engine, direction: int) -> ChannelPolicy:
    """Return where an edge that was lost begins again."""
    return ChannelPolicy(
        base_fee_msat=Msat(0),
        fee_rate_ppm=Ppm(0),
        time_lock_delta_blocks=Blocks(0),
        min_htlc_msat=Msat(_LEAST_HTLC_MSAT),
        max_htlc_msat=Msat(_most_pending_msat(engine, direction)),
    )


def _most_pending_msat(engine: Engine, direction: int) -> int:
    """Return what a side may have in flight: the capacity less the reserve."""
    return int(engine.graph.capacity_sat[direction // 2]) * MSAT_PER_SAT * 99 // 100


def _problem_of(engine: Engine, direction: int, policy: ChannelPolicy) -> str:
    """Return why a channel cannot have a policy, in LND's words, or nothing."""
    most = _most_pending_msat(engine, direction)
    if not 0 <= policy.base_fee_msat <= MAX_UINT32:
        return f"base fee of {policy.base_fee_msat} mSAT does not fit a channel update"
    if policy.min_htlc_msat < _LEAST_HTLC_MSAT:
        return f"min htlc amount of {policy.min_htlc_msat} mSAT is below min htlc parameter of {_LEAST_HTLC_MSAT} mSAT"
    if policy.max_htlc_msat > most:
        return f"max htlc size of {policy.max_htlc_msat} mSAT is above max pending amount of {most} mSAT"
    if policy.min_htlc_msat > policy.max_htlc_msat:
        return f"min_htlc {policy.min_htlc_msat} mSAT greater than max_htlc {policy.max_htlc_msat} mSAT"
    return ""


def _failed(point: tuple[str, int], reason: "lnrpc.UpdateFailure.ValueType", text: str) -> lnrpc.FailedUpdate:
    return lnrpc.FailedUpdate(
        outpoint=lnrpc.OutPoint(txid_bytes=internal(point[0]), txid_str=point[0], output_index=point[1]),
        reason=reason,
        update_error=text,
    )
