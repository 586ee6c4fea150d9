"""A node's channels as they were when an HTLC came: spendable amounts per peer, policies and when they were raised."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lightninglens.core.channels import ChannelPolicy, ChannelState
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Msat, UnixNs, to_msat

NOBODY = NodeId("")


@dataclass(frozen=True, slots=True)
class PolicyRaise:
    """That we ask for more in a channel than we did before."""

    at_ns: UnixNs
    before: ChannelPolicy


@dataclass(slots=True)
class _Link:
    state: ChannelState
    outbound_msat: int
    inbound_msat: int


@dataclass(slots=True)
class ChannelBook:
    """What was last seen of the channels, moved on by the HTLCs that were seen since.

    A snapshot (`see`) says what could be sent; between two of them the amounts in
    flight are taken off and given back as events tell.
    """

    _links: dict[ChannelId, _Link] = field(default_factory=dict)
    _of_peer: dict[NodeId, list[ChannelId]] = field(default_factory=dict)
    _raises: dict[ChannelId, PolicyRaise] = field(default_factory=dict)
    seen_ns: UnixNs = UnixNs(0)
    """When the channels were last looked at; 0: never."""
    block_height: int = 0
    """Of the chain at that moment; 0: not known."""

    def see(self, states: Iterable[ChannelState], now_ns: UnixNs, *, block_height: int = 0) -> None:
        """Take a snapshot of all open channels; by the height one sees how long HTLCs may still take (0: not known)."""
        links = {each.channel_id: _Link(each, each.outbound_msat, each.inbound_msat) for each in states}
        for channel_id, link in links.items():
            before = self._links.get(channel_id)
            if before is not None and _asks_more(before.state.local_policy, link.state.local_policy):
                assert before.state.local_policy is not None  # noqa: S101 - _asks_more says so
                self._raises[channel_id] = PolicyRaise(now_ns, before.state.local_policy)
        self._links, self._of_peer = links, {}
        for channel_id, link in links.items():
            self._of_peer.setdefault(link.state.peer_id, []).append(channel_id)
        self.seen_ns = now_ns
        self.block_height = block_height

    def states(self) -> Sequence[ChannelState]:
        """Return the channels as last seen."""
        return [link.state for link in self._links.values()]

    def get(self, channel_id: ChannelId) -> ChannelState | None:
        """Return a channel as last seen; None when it was not there."""
        link = self._links.get(channel_id)
        return None if link is None else link.state

    def peer(self, channel_id: ChannelId) -> NodeId:
        """Return who is at the other end; NOBODY for a channel that is not known."""
        link = self._links.get(channel_id)
        return NOBODY if link is None else link.state.peer_id

    def beside(self, channel_id: ChannelId) -> list[ChannelState]:
        """Return the channels with the same peer as this one, with it; none for a channel that is not known."""
        return [link.state for link in self._beside(channel_id)]

    def spendable_msat(self, channel_id: ChannelId) -> Msat | None:
        """Return the most that any channel with the same peer could send now: LND takes whichever can."""
        most_msat = max((link.outbound_msat for link in self._beside(channel_id)), default=None)
        return None if most_msat is None else Msat(most_msat)

    def receivable_msat(self, channel_id: ChannelId) -> Msat | None:
        """Return the most that could come from the same peer now over one channel."""
        most_msat = max((link.inbound_msat for link in self._beside(channel_id)), default=None)
        return None if most_msat is None else Msat(most_msat)

    def _beside(self, channel_id: ChannelId) -> list[_Link]:
        link = self._links.get(channel_id)
        return [] if link is None else [self._links[each] for each in self._of_peer[link.state.peer_id]]

    def raised(self, channel_id: ChannelId) -> PolicyRaise | None:
        """Return when we last began to ask for more in a channel, and what we asked for before."""
        return self._raises.get(channel_id)

    def remaining_blocks(self, event: HtlcEvent) -> int | None:
        """Return what is left of an HTLC's time lock behind us; None where it cannot be known."""
        if not self.block_height or not event.outgoing_timelock_blocks:
            return None
        return event.outgoing_timelock_blocks - self.block_height

    def move(self, event: HtlcEvent, incoming_msat: int, outgoing_msat: int) -> None:
        """Move on what can be sent by what an event of a forward tells; amounts are those of its circuit."""
        if event.event_type is not HtlcEventType.FORWARD or event.kind is HtlcEventKind.LINK_FAIL:
            return
        incoming, outgoing = (self._links.get(each) for each in (event.incoming_channel_id, event.outgoing_channel_id))
        if event.kind is HtlcEventKind.FORWARD:
            _add(outgoing, "outbound_msat", -outgoing_msat)
            _add(incoming, "inbound_msat", -incoming_msat)
        elif event.kind is HtlcEventKind.FORWARD_FAIL:
            _add(outgoing, "outbound_msat", outgoing_msat)
            _add(incoming, "inbound_msat", incoming_msat)
        else:
            _add(incoming, "outbound_msat", incoming_msat)
            _add(outgoing, "inbound_msat", outgoing_msat)


def _add(link: _Link | None, name: str, change_msat: int) -> None:
    if link is not None:
        most_msat = to_msat(link.state.capacity_sat)
        setattr(link, name, min(max(getattr(link, name) + change_msat, 0), most_msat))


def _asks_more(before: ChannelPolicy | None, now: ChannelPolicy | None) -> bool:
    """Tell whether any amount costs more than it did; a greater time lock delta counts as well."""
    if before is None or now is None:
        return False
    pairs = (
        (before.base_fee_msat, now.base_fee_msat),
        (before.fee_rate_ppm, now.fee_rate_ppm),
        (before.inbound_base_fee_msat, now.inbound_base_fee_msat),
        (before.inbound_fee_rate_ppm, now.inbound_fee_rate_ppm),
        (before.time_lock_delta_blocks, now.time_lock_delta_blocks),
    )
    return any(after > earlier for earlier, after in pairs)
