"""What a scenario changes in its network at set times: records, and their rows in the graph.

Times count from the beginning of the world. Nodes are named by id or alias,
channels by id.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.checks import require_ranges
from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import ChannelId
from lightninglens.core.lookup import Lookup
from lightninglens.core.records import STRICT
from lightninglens.core.units import MAX_MONEY_MSAT, MAX_UINT32, MSAT_PER_SAT, NS_PER_SECOND, Blocks, Msat, Ppm

LEAST_CAPACITY_SAT = 20_000
"""LND's `MinChanFundingSize`."""

LONGEST_S = 4e9


def _check_time(change: Any) -> None:
    require_ranges(change, at_s=(0, LONGEST_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFields:
    """A policy, or those parts of it that change; None keeps what is."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    base_fee_msat: int | None = None
    fee_rate_ppm: int | None = None
    time_lock_delta_blocks: int | None = None
    min_htlc_msat: int | None = None
    max_htlc_msat: int | None = None
    inbound_base_fee_msat: int | None = None
    inbound_fee_rate_ppm: int | None = None
    disabled: bool | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that no channel_update can carry."""
        bounds = {
            "base_fee_msat": (0, MAX_UINT32),
            "fee_rate_ppm": (0, MAX_UINT32),
            "time_lock_delta_blocks": (1, 2**16 - 1),
            "min_htlc_msat": (0, MAX_MONEY_MSAT),
            "max_htlc_msat": (1, MAX_MONEY_MSAT),
            "inbound_base_fee_msat": (-(2**31), 2**31 - 1),
            "inbound_fee_rate_ppm": (-(2**31), 2**31 - 1),
        }
        require_ranges(self, **{name: bound for name, bound in bounds.items() if getattr(self, name) is not None})

    def applied_to(self, policy: ChannelPolicy) -> ChannelPolicy:
        """Return the policy with these parts changed."""
        said = {part.name: getattr(self, part.name) for part in fields(self)}
        kept = {part.name: getattr(policy, part.name) for part in fields(policy)}
        return ChannelPolicy(**(kept | {name: value for name, value in said.items() if value is not None}))


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseChannel:
    """A channel is closed: it carries no new HTLC, and its money is gone from Lightning."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["close-channel"] = "close-channel"
    at_s: float
    channel: str

    def __post_init__(self) -> None:
        """Raise ValueError for a time before the world."""
        _check_time(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChannel:
    """A channel is opened, with all its money at the opener but what is pushed; policies are LND's where not said."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["open-channel"] = "open-channel"
    at_s: float
    channel: str
    """Its id, which no other channel has."""
    opener: str
    peer: str
    capacity_sat: int
    push_sat: int = 0
    opener_policy: PolicyFields = field(default_factory=PolicyFields)
    peer_policy: PolicyFields = field(default_factory=PolicyFields)

    def __post_init__(self) -> None:
        """Raise ValueError for a channel that cannot be."""
        _check_time(self)
        require_ranges(self, capacity_sat=(LEAST_CAPACITY_SAT, 2**40), push_sat=(0, self.capacity_sat * 99 // 100))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy:
    """A node changes its policy in a channel."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["set-policy"] = "set-policy"
    at_s: float
    channel: str
    node: str
    """Whose policy it is."""
    policy: PolicyFields

    def __post_init__(self) -> None:
        """Raise ValueError for a time before the world."""
        _check_time(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOffline:
    """A node is offline for a while."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["node-offline"] = "node-offline"
    at_s: float
    for_s: float
    node: str

    def __post_init__(self) -> None:
        """Raise ValueError for a time before the world, or none at all."""
        _check_time(self)
        require_ranges(self, for_s=(0.001, LONGEST_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOffline:
    """A channel is offline for a while, as when its two nodes have lost each other."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["channel-offline"] = "channel-offline"
    at_s: float
    for_s: float
    channel: str

    def __post_init__(self) -> None:
        """Raise ValueError for a time before the world, or none at all."""
        _check_time(self)
        require_ranges(self, for_s=(0.001, LONGEST_S))


Change = CloseChannel | OpenChannel | SetPolicy | NodeOffline | ChannelOffline
CHANGE_KINDS: Mapping[str, type[Change]] = {
    "close-channel": CloseChannel,
    "open-channel": OpenChannel,
    "set-policy": SetPolicy,
    "node-offline": NodeOffline,
    "channel-offline": ChannelOffline,
}
"""The records by what a scenario file calls them."""


class ScheduledChange(NamedTuple):
    """A change with its rows; -1 where it has none."""

    at_ns: int
    """From the beginning of the world."""
    until_ns: int
    """When what is offline comes back; `at_ns` for the others."""
    change: Change
    channel: int
    """Row of the channel: an opened one's comes after those of the graph, in the order of opening."""
    node: int
    """Row of the node that is offline, whose policy it is, or that opens the channel."""
    peer: int
    """Row of the node to which a channel is opened."""


def schedule(changes: Sequence[Change], graph: NetworkGraph) -> tuple[ScheduledChange, ...]:
    """Return the changes by time, those of one time in the given order.

    Raises ConfigError that begins with the place, like `changes[2].channel`, when
    a node or a channel is not there at that time.
    """
    lookup = Lookup(graph)
    order = sorted(range(len(changes)), key=lambda index: changes[index].at_s)
    network = _Network(lookup)
    return tuple(network.apply(changes[index], f"changes[{index}]") for index in order)


class _Network:
    """Which channels there are as the changes go on."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.opened: dict[int, tuple[int, int, OpenChannel]] = {}
        self.closed: dict[int, float] = {}

    def apply(self, change: Change, place: str) -> ScheduledChange:
        at_ns = round(change.at_s * NS_PER_SECOND)
        until_ns, channel, node, peer = at_ns, -1, -1, -1
        if isinstance(change, NodeOffline | ChannelOffline):
            until_ns += round(change.for_s * NS_PER_SECOND)
        if isinstance(change, NodeOffline | SetPolicy):
            node = _at(place, "node", self.lookup.node, change.node)
        if isinstance(change, OpenChannel):
            channel, node, peer = self._open(change, place)
        elif not isinstance(change, NodeOffline):
            channel = self._existing(change.channel, f"{place}.channel")
        if isinstance(change, CloseChannel):
            self.closed[channel] = change.at_s
        if isinstance(change, SetPolicy):
            self._check_policy(change, channel, node, place)
        return ScheduledChange(at_ns, until_ns, change, channel, node, peer)

    def _open(self, change: OpenChannel, place: str) -> tuple[int, int, int]:
        opener = _at(place, "opener", self.lookup.node, change.opener)
        peer = _at(place, "peer", self.lookup.node, change.peer)
        if opener == peer:
            raise ConfigError(f"{place}.peer: {change.peer} cannot open a channel to itself")
        packed = int(_at(place, "channel", _channel_id, change.channel))
        taken = packed in {int(channel) for channel in self.lookup.graph.channel_ids}
        if taken or packed in self.opened:
            raise ConfigError(f"{place}.channel: there is a channel {change.channel} already; give another id")
        for name in ("opener_policy", "peer_policy"):
            _check_largest(getattr(change, name), change.capacity_sat, f"{place}.{name}")
        self.opened[packed] = (opener, peer, change)
        return self.lookup.graph.channel_count + len(self.opened) - 1, opener, peer

    def _existing(self, text: str, place: str) -> int:
        packed = int(_at(place, "", _channel_id, text))
        if packed in self.opened:
            row = self.lookup.graph.channel_count + list(self.opened).index(packed)
        else:
            row = _at(place, "", self.lookup.channel, text)
        if row in self.closed:
            raise ConfigError(f"{place}: {text} is closed since {self.closed[row]:g} s")
        return row

    def _check_policy(self, change: SetPolicy, channel: int, node: int, place: str) -> None:
        of_graph = self.lookup.graph.channel_count
        if channel < of_graph:
            _at(place, "node", lambda _text: self.lookup.side(channel, node), change.node)
            capacity_sat = int(self.lookup.graph.capacity_sat[channel])
        else:
            opener, peer, opened = list(self.opened.values())[channel - of_graph]
            if node not in {opener, peer}:
                raise ConfigError(f"{place}.node: {change.channel} is a channel of {opened.opener} and {opened.peer}")
            capacity_sat = opened.capacity_sat
        _check_largest(change.policy, capacity_sat, f"{place}.policy")


def _channel_id(text: str) -> ChannelId:
    try:
        return ChannelId.parse(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_largest(policy: PolicyFields, capacity_sat: int, place: str) -> None:
    if policy.max_htlc_msat is not None and policy.max_htlc_msat > capacity_sat * MSAT_PER_SAT:
        raise ConfigError(
            f"{place}.max_htlc_msat: {policy.max_htlc_msat:,} msat are above the channel's capacity of"
            f" {capacity_sat:,} sat"
        )


def _at(place: str, key: str, find: Callable[[str], int], text: str) -> int:
    try:
        return find(text)
    except ConfigError as error:
        raise ConfigError(f"{place}{'.' if key else ''}{key}: {error}") from None


def lnd_default_policy(capacity_sat: int) -> ChannelPolicy:
    """Return what LND announces for a new channel; the largest HTLC is the capacity less 1 % reserve."""
    return ChannelPolicy(
        base_fee_msat=Msat(1_000),
        fee_rate_ppm=Ppm(1),
        time_lock_delta_blocks=Blocks(80),
        min_htlc_msat=Msat(1_000),
        max_htlc_msat=Msat(capacity_sat * MSAT_PER_SAT * 99 // 100),
    )
