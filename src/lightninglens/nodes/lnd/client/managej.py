"""lnd-manageJ as a source of what it alone keeps: flows, fee reports, ratings and warnings of channels.

Only the paths below are ever asked for: some of lnd-manageJ's others send money
on a GET. It has no authentication and no TLS, so it should listen on loopback.
Source: lnd-manageJ `web/` at bd87dcf5; https://github.com/C-Otto/lnd-manageJ.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.errors import ConfigError, DataError, NodeRefused, NodeUnavailable
from lightninglens.core.ids import ChannelId, NodeId, parse_node_id
from lightninglens.core.units import Blocks, Msat, Ppm, Sat, to_msat
from lightninglens.nodes.lnd.client.faults import clean
from lightninglens.nodes.lnd.client.http import HttpProblem, asked
from lightninglens.nodes.lnd.client.place import Target

DOCUMENTED_URL = "http://localhost:18081"
OWN_DEFAULT_URL = "http://localhost:8081"
TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 16 << 20

_PATHS = re.compile(
    r"/api/(?:status/(?:synced-to-chain|block-height|open-channels|all-channels)"
    r"|channel/\d+x\d+x\d+/(?:details|balance|policies|fee-report|flow-report(?:/last-days/\d+)?|rating|warnings)"
    r"|node/[0-9a-f]{66}/(?:alias|details|rating|warnings))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedBalance:
    """A channel's balance as lnd-manageJ reports it: available is after reserve and fees."""

    local_msat: Msat
    local_available_msat: Msat
    remote_msat: Msat
    remote_available_msat: Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedFees:
    """What a channel earned, and what others earned from what came in by it; never add the two over channels."""

    earned_msat: Msat
    sourced_msat: Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedChannel:
    """A channel with what lnd-manageJ knows of it."""

    channel_id: ChannelId
    peer_id: NodeId
    peer_alias: str
    capacity_sat: Sat
    balance: ManagedBalance
    local_policy: ChannelPolicy
    remote_policy: ChannelPolicy
    fees: ManagedFees
    rating: int | None
    """None where it cannot be computed, as in a channel's first month."""
    warnings: tuple[str, ...]


class LndManageClient:
    """Reads from lnd-manageJ at `url`; without one, at the documented port and then at its own default."""

    def __init__(self, url: str | None = None) -> None:
        """Take the address; raises ConfigError for what is none."""
        self._targets = [_target(each) for each in ([url] if url else [DOCUMENTED_URL, OWN_DEFAULT_URL])]

    async def __aenter__(self) -> Self:
        """Find out where it answers; raises NodeUnavailable when nowhere."""
        problems = []
        for target in self._targets:
            try:
                await self._get(target, "/api/status/synced-to-chain")
            except NodeUnavailable as problem:
                problems.append(str(problem))
            else:
                self._targets = [target]
                return self
        raise NodeUnavailable("; ".join(problems))

    async def __aexit__(self, *_exception: object) -> None:
        """Do nothing: each request has a connection of its own."""

    async def synced_to_chain(self) -> bool:
        """Tell whether the node is up to date; False also while lnd-manageJ cannot reach it."""
        return await self._json("/api/status/synced-to-chain") is True

    async def block_height(self) -> int:
        """Return the height of the chain."""
        return _integer(await self._json("/api/status/block-height"), "block-height")

    async def open_channels(self) -> tuple[ChannelId, ...]:
        """Return the ids of the open channels."""
        said = _object(await self._json("/api/status/open-channels"), "open-channels")
        try:
            return tuple(ChannelId.parse(str(each)) for each in said.get("channels", ()))
        except (ValueError, TypeError) as problem:
            raise DataError(str(problem), where="lnd-manageJ open-channels") from None

    async def channel(self, channel_id: ChannelId) -> ManagedChannel:
        """Return one channel; raises NodeRefused when it is not known there, DataError for nonsense."""
        said = _object(await self._json(f"/api/channel/{channel_id}/details"), "details")
        try:
            return _channel(channel_id, said)
        except (KeyError, ValueError, TypeError, AttributeError) as problem:
            raise DataError(f"it has no {problem}", where=f"lnd-manageJ details of {channel_id}") from None

    async def flow(self, channel_id: ChannelId, *, days: int | None = None) -> dict[str, Msat]:
        """Return what went through a channel, by lnd-manageJ's own names without their unit."""
        last = f"/last-days/{days}" if days is not None else ""
        said = _object(await self._json(f"/api/channel/{channel_id}/flow-report{last}"), "flow-report")
        return {
            str(name).removesuffix("MilliSat"): Msat(_integer(value, str(name)))
            for name, value in said.items()
            if str(name).endswith("MilliSat")
        }

    async def alias(self, node_id: NodeId) -> str:
        """Return a node's name."""
        return clean((await self._get(self._targets[0], f"/api/node/{node_id}/alias")).decode("utf-8", "replace"))

    async def _json(self, path: str) -> Any:
        data = await self._get(self._targets[0], path)
        try:
            return json.loads(data)
        except ValueError:
            raise DataError("the answer is not JSON", where=f"lnd-manageJ {path}") from None

    async def _get(self, target: Target, path: str) -> bytes:
        if not _PATHS.fullmatch(path):
            raise NodeRefused(f"{path} is not among what is read from lnd-manageJ; nothing was sent")
        try:
            async with asyncio.timeout(TIMEOUT_S), asked(target, None, "GET", path, {}) as response:
                data = await response.body(MAX_ANSWER_BYTES)
                status = response.status
        except TimeoutError:
            raise NodeUnavailable(f"lnd-manageJ at {target} does not answer") from None
        except (OSError, HttpProblem) as problem:
            raise NodeUnavailable(f"lnd-manageJ at {target} cannot be reached: {problem}") from None
        if status == 404:
            raise NodeRefused(f"lnd-manageJ does not know {path.rpartition('/')[0]}")
        if status != 200:
            raise NodeRefused(f"lnd-manageJ: HTTP status {status}: {clean(data.decode('utf-8', 'replace'))}")
        return data


def _target(url: str) -> Target:
    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or parts.path.strip("/"):
        raise ConfigError(f"{url[:80]!r} is no address of lnd-manageJ, for example {DOCUMENTED_URL}")
    return Target(parts.hostname, port)


def _channel(channel_id: ChannelId, said: dict[str, Any]) -> ManagedChannel:
    balance, fees, rating = said["balance"], said["feeReport"], int(said["rating"]["rating"])
    return ManagedChannel(
        channel_id=channel_id,
        peer_id=parse_node_id(said["remotePubkey"]),
        peer_alias=clean(said["remoteAlias"]),
        capacity_sat=Sat(int(said["capacitySat"])),
        balance=ManagedBalance(
            local_msat=to_msat(int(balance["localBalanceSat"])),
            local_available_msat=to_msat(int(balance["localAvailableSat"])),
            remote_msat=to_msat(int(balance["remoteBalanceSat"])),
            remote_available_msat=to_msat(int(balance["remoteAvailableSat"])),
        ),
        local_policy=_policy(said["policies"]["local"]),
        remote_policy=_policy(said["policies"]["remote"]),
        fees=ManagedFees(
            earned_msat=Msat(int(fees["earnedMilliSat"])), sourced_msat=Msat(int(fees["sourcedMilliSat"]))
        ),
        rating=rating if rating >= 0 else None,
        warnings=tuple(map(str, said["warnings"])),
    )


def _policy(said: dict[str, Any]) -> ChannelPolicy:
    return ChannelPolicy(
        base_fee_msat=Msat(int(said["baseFeeMilliSat"])),
        fee_rate_ppm=Ppm(int(said["feeRatePpm"])),
        time_lock_delta_blocks=Blocks(int(said["timeLockDelta"])),
        min_htlc_msat=Msat(int(said["minHtlcMilliSat"])),
        max_htlc_msat=Msat(int(said["maxHtlcMilliSat"])),
        inbound_base_fee_msat=Msat(int(said["inboundBaseFeeMilliSat"])),
        inbound_fee_rate_ppm=Ppm(int(said["inboundFeeRatePpm"])),
        disabled=not said["enabled"],
    )


def _object(said: Any, what: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise DataError("the answer is no JSON object", where=f"lnd-manageJ {what}")
    return said


def _integer(said: Any, what: str) -> int:
    try:
        return int(said)
    except (TypeError, ValueError):
        raise DataError("the answer is no number", where=f"lnd-manageJ {what}") from None
