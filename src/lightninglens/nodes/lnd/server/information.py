"""Who a node is, in which state, and where its chain stands.

Services State, Versioner, ChainNotifier and ChainKit, and the same of Lightning.
"""

import hashlib
from collections.abc import AsyncIterator

from lightninglens.core.units import NS_PER_SECOND
from lightninglens.nodes.lnd.contract import chainrpc, lnrpc, verrpc
from lightninglens.nodes.lnd.contract.services import ChainKit, ChainNotifier, Lightning, State, Versioner
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.features import NODE_FEATURES
from lightninglens.nodes.lnd.server.network import chain
from lightninglens.nodes.lnd.server.topology import COLOUR
from lightninglens.sim.engine import Engine

_BUILD_TAGS = ("autopilotrpc", "chainrpc", "invoicesrpc", "peersrpc", "routerrpc", "signrpc", "walletrpc")


def block_hash(height: int) -> bytes:
    """Return the hash of a simulated block, which has no contents, in internal byte order."""
    return hashlib.sha256(f"lightninglens/block/{height}".encode()).digest()


class Information(Area):
    """Facts about the node itself."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.GetInfo.path: self.get_info,
            Lightning.GetRecoveryInfo.path: self.get_recovery_info,
            Lightning.DebugLevel.path: self.debug_level,
            State.GetState.path: self.get_state,
            State.SubscribeState.path: self.subscribe_state,
            Versioner.GetVersion.path: self.get_version,
            ChainNotifier.RegisterBlockEpochNtfn.path: self.register_blocks,
            ChainKit.GetBestBlock.path: self.get_best_block,
            ChainKit.GetBlockHash.path: self.get_block_hash,
        }

    async def get_info(self, _request: lnrpc.GetInfoRequest) -> lnrpc.GetInfoResponse:
        """GetInfo."""

        def answer(engine: Engine) -> lnrpc.GetInfoResponse:
            states = engine.channel_states(self.node.row)
            active = sum(state.active for state in states)
            version = self.network.version
            return lnrpc.GetInfoResponse(
                identity_pubkey=self.node.node_id,
                alias=self.node.alias,
                num_pending_channels=len(self.network.closings.pending(engine, self.node)),
                num_active_channels=active,
                num_inactive_channels=len(states) - active,
                num_peers=len({state.peer_id for state in states}),
                block_height=engine.block_height,
                block_hash=block_hash(engine.block_height)[::-1].hex(),
                synced_to_chain=True,
                synced_to_graph=True,
                testnet=False,
                best_header_timestamp=self.network.now_ns(engine) // NS_PER_SECOND,
                version=f"{version.text} commit={version.commit}",
                commit_hash=hashlib.sha256(version.text.encode()).hexdigest()[:40],
                chains=[chain()],
                color=COLOUR,
                features=NODE_FEATURES,
                wallet_synced=version.minor >= 21,
            )

        return await self.network.read(answer)

    async def get_recovery_info(self, _request: lnrpc.GetRecoveryInfoRequest) -> lnrpc.GetRecoveryInfoResponse:
        """GetRecoveryInfo: nothing is ever recovered."""
        return lnrpc.GetRecoveryInfoResponse()

    async def debug_level(self, request: lnrpc.DebugLevelRequest) -> lnrpc.DebugLevelResponse:
        """DebugLevel: takes any level and logs as before."""
        return lnrpc.DebugLevelResponse(sub_systems="RPCS" if request.show else "")

    async def get_state(self, _request: lnrpc.GetStateRequest) -> lnrpc.GetStateResponse:
        """GetState."""
        return lnrpc.GetStateResponse(state=lnrpc.SERVER_ACTIVE)

    async def subscribe_state(
        self, _request: lnrpc.SubscribeStateRequest
    ) -> AsyncIterator[lnrpc.SubscribeStateResponse]:
        """SubscribeState: the state of now, and no other follows."""
        yield lnrpc.SubscribeStateResponse(state=lnrpc.SERVER_ACTIVE)
        async for _ in self.network.block_hub.listen():
            pass

    async def get_version(self, _request: verrpc.VersionRequest) -> verrpc.Version:
        """GetVersion."""
        version = self.network.version
        major, minor, patch = version.parts
        return verrpc.Version(
            commit=version.commit,
            commit_hash=hashlib.sha256(version.text.encode()).hexdigest()[:40],
            version=version.text,
            app_major=major,
            app_minor=minor,
            app_patch=patch,
            app_pre_release="beta",
            build_tags=_BUILD_TAGS,
            go_version="go1.23.6",
        )

    async def register_blocks(self, request: chainrpc.BlockEpoch) -> AsyncIterator[chainrpc.BlockEpoch]:
        """RegisterBlockEpochNtfn: the tip at once, and every further block; those missed first, if a block is named."""
        coming = self.network.block_hub.listen()
        height = await self.network.read(lambda engine: engine.block_height)
        first = request.height + 1 if 0 < request.height < height else height
        for missed in range(first, height + 1):
            yield _epoch(missed)
        async for new, _ in coming:
            yield _epoch(new)

    async def get_best_block(self, _request: chainrpc.GetBestBlockRequest) -> chainrpc.GetBestBlockResponse:
        """GetBestBlock."""
        height = await self.network.read(lambda engine: engine.block_height)
        return chainrpc.GetBestBlockResponse(block_hash=block_hash(height), block_height=height)

    async def get_block_hash(self, request: chainrpc.GetBlockHashRequest) -> chainrpc.GetBlockHashResponse:
        """GetBlockHash."""
        return chainrpc.GetBlockHashResponse(block_hash=block_hash(request.block_height))


def _epoch(height: int) -> chainrpc.BlockEpoch:
    return chainrpc.BlockEpoch(hash=block_hash(height), height=height)
