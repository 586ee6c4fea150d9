"""Static channel backups: bytes that stand for one. Nothing can be restored from them, and nothing is lost here."""

import hashlib
import hmac
from collections.abc import AsyncIterator

from lightninglens.core.ids import ChannelId
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.channel_points import channel_point, point_message, read_point
from lightninglens.nodes.lnd.server.refusals import Refusal
from lightninglens.sim.engine import Engine

_BACKUP_BYTES = 32


class Backups(Area):
    """Backups of the node's channels."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.ExportAllChannelBackups.path: self.export_all,
            Lightning.ExportChannelBackup.path: self.export_one,
            Lightning.VerifyChanBackup.path: self.verify,
            Lightning.SubscribeChannelBackups.path: self.subscribe,
        }

    def _snapshot(self, engine: Engine) -> lnrpc.ChanBackupSnapshot:
        ids = [engine.graph.channel_id(direction // 2) for direction in engine.directions_of(self.node.row)]
        points = [point_message(channel_id) for channel_id in ids]
        singles = [
            lnrpc.ChannelBackup(chan_point=point_message(channel_id), chan_backup=self._backup([channel_id]))
            for channel_id in ids
        ]
        return lnrpc.ChanBackupSnapshot(
            single_chan_backups=lnrpc.ChannelBackups(chan_backups=singles),
            multi_chan_backup=lnrpc.MultiChanBackup(chan_points=points, multi_chan_backup=self._backup(ids)),
        )

    def _backup(self, ids: list[ChannelId]) -> bytes:
        named = ",".join(str(int(one)) for one in ids).encode()
        return named + hmac.digest(self.node.secret, b"backup" + named, hashlib.sha256)

    def _channels_in(self, backup: bytes, what: str) -> list[ChannelId]:
        """Return the channels that a backup is of; raises Refusal when it was not made here."""
        named, seal = backup[:-_BACKUP_BYTES], backup[-_BACKUP_BYTES:]
        if not hmac.compare_digest(seal, hmac.digest(self.node.secret, b"backup" + named, hashlib.sha256)):
            raise Refusal(f"invalid {what} channel backup: chacha20poly1305: message authentication failed")
        return [ChannelId(int(one)) for one in named.decode().split(",") if one]

    async def export_all(self, _request: lnrpc.ChanBackupExportRequest) -> lnrpc.ChanBackupSnapshot:
        """ExportAllChannelBackups."""
        return await self.network.read(self._snapshot)

    async def export_one(self, request: lnrpc.ExportChannelBackupRequest) -> lnrpc.ChannelBackup:
        """ExportChannelBackup."""
        point = read_point(request.chan_point)
        row = self.network.channels.row_at(*point)
        if row is None or row not in self.node.initial_peer_sat:
            raise Refusal("unable to find channel")
        channel_id = self.network.graph.channel_id(row)
        return lnrpc.ChannelBackup(chan_point=point_message(channel_id), chan_backup=self._backup([channel_id]))

    async def verify(self, request: lnrpc.ChanBackupSnapshot) -> lnrpc.VerifyChanBackupResponse:
        """VerifyChanBackup of one channel or of several."""
        multi = request.multi_chan_backup.multi_chan_backup
        singles = request.single_chan_backups.chan_backups
        if bool(multi) == bool(singles):
            raise Refusal("either a Single or Multi channel backup must be specified, but not both")
        if len(singles) > 1:
            raise Refusal("only one Single is accepted at a time")
        ids = self._channels_in(multi, "multi") if multi else self._channels_in(singles[0].chan_backup, "single")
        return lnrpc.VerifyChanBackupResponse(chan_points=[channel_point(one) for one in ids])

    async def subscribe(self, _request: lnrpc.ChannelBackupSubscription) -> AsyncIterator[lnrpc.ChanBackupSnapshot]:
        """SubscribeChannelBackups: a new one whenever a channel is opened or closed."""
        async for data in self.node.channel_hub.listen():
            event = lnrpc.ChannelEventUpdate.FromString(data)
            if event.type in (event.OPEN_CHANNEL, event.CLOSED_CHANNEL):
                yield await self.network.read(self._snapshot)
