"""The public network as columns: nodes, channels, and one policy per direction.

Direction d = 2 * channel + side. Side 0 is node1 -> node2 and carries node1's
policy, side 1 is node2 -> node1 with node2's; node1 is the lesser public key,
as in LND's `describegraph`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Blocks, Msat, Ppm

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyColumns:
    """One row per direction (2 x channels); see `ChannelPolicy` for the fields.

    `known` is False where no channel_update was seen: such a direction cannot
    be used, and its other columns are 0.
    """

    known: Bool
    disabled: Bool
    base_fee_msat: I64
    fee_rate_ppm: I64
    time_lock_delta_blocks: I64
    min_htlc_msat: I64
    max_htlc_msat: I64
    inbound_base_fee_msat: I64
    inbound_fee_rate_ppm: I64
    last_update_s: I64

    @classmethod
    def unknown(cls, directions: int) -> "PolicyColumns":
        """Return columns for `directions` directions that nobody has announced."""
        return cls(
            known=np.zeros(directions, np.bool_),
            disabled=np.zeros(directions, np.bool_),
            **{
                name: np.zeros(directions, np.int64)
                for name in (
                    "base_fee_msat",
                    "fee_rate_ppm",
                    "time_lock_delta_blocks",
                    "min_htlc_msat",
                    "max_htlc_msat",
                    "inbound_base_fee_msat",
                    "inbound_fee_rate_ppm",
                    "last_update_s",
                )
            },
        )

    def get(self, direction: int) -> ChannelPolicy | None:
        """Return one direction's policy, or None where none was announced."""
        if not self.known[direction]:
            return None
        return ChannelPolicy(
            base_fee_msat=Msat(int(self.base_fee_msat[direction])),
            fee_rate_ppm=Ppm(int(self.fee_rate_ppm[direction])),
            time_lock_delta_blocks=Blocks(int(self.time_lock_delta_blocks[direction])),
            min_htlc_msat=Msat(int(self.min_htlc_msat[direction])),
            max_htlc_msat=Msat(int(self.max_htlc_msat[direction])),
            inbound_base_fee_msat=Msat(int(self.inbound_base_fee_msat[direction])),
            inbound_fee_rate_ppm=Ppm(int(self.inbound_fee_rate_ppm[direction])),
            disabled=bool(self.disabled[direction]),
        )

    def put(self, direction: int, policy: ChannelPolicy, *, last_update_s: int = 0) -> None:
        """Write one direction's policy."""
        self.known[direction] = True
        self.disabled[direction] = policy.disabled
        self.base_fee_msat[direction] = policy.base_fee_msat
        self.fee_rate_ppm[direction] = policy.fee_rate_ppm
        self.time_lock_delta_blocks[direction] = policy.time_lock_delta_blocks
        self.min_htlc_msat[direction] = policy.min_htlc_msat
        self.max_htlc_msat[direction] = policy.max_htlc_msat
        self.inbound_base_fee_msat[direction] = policy.inbound_base_fee_msat
        self.inbound_fee_rate_ppm[direction] = policy.inbound_fee_rate_ppm
        self.last_update_s[direction] = last_update_s

    def copy(self) -> "PolicyColumns":
        """Return an independent copy."""
        return PolicyColumns(**{name: getattr(self, name).copy() for name in self.__slots__})


def unique_names(node_ids: Sequence[NodeId], aliases: Sequence[str]) -> tuple[str, ...]:
    """Return what to call each node: its alias if it can be printed and no other has it, else its id."""
    counts = Counter(aliases)
    return tuple(
        alias if alias.strip() and alias.isprintable() and counts[alias] == 1 else str(node_id)
        for node_id, alias in zip(node_ids, aliases, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkGraph:
    """Nodes and channels; rows are addressed by index, ids are looked up at the edge."""

    node_ids: Sequence[NodeId]
    aliases: Sequence[str]
    channel_ids: NDArray[np.uint64]
    node1: I32
    node2: I32
    capacity_sat: I64
    policies: PolicyColumns
    _index: dict[NodeId, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {node: row for row, node in enumerate(self.node_ids)})

    @property
    def node_count(self) -> int:
        """Number of nodes."""
        return len(self.node_ids)

    @property
    def channel_count(self) -> int:
        """Number of channels."""
        return len(self.channel_ids)

    def node_index(self, node_id: NodeId) -> int:
        """Return the row of a node; raises KeyError when it is not in the graph."""
        return self._index[node_id]

    def channel_index(self, channel_id: int) -> int:
        """Return the row of a channel; raises KeyError when it is not in the graph. Where many are asked: `Lookup`."""
        rows = np.flatnonzero(self.channel_ids == np.uint64(channel_id))
        if not len(rows):
            raise KeyError(channel_id)
        return int(rows[0])

    def channel_id(self, channel: int) -> ChannelId:
        """Return the id of the channel in this row."""
        return ChannelId(int(self.channel_ids[channel]))

    def usable(self) -> Bool:
        """Return, per direction, whether a policy is known and not disabled."""
        return np.asarray(self.policies.known & ~self.policies.disabled, np.bool_)

    def sources(self) -> I32:
        """Return the node that each direction starts at."""
        return np.stack([self.node1, self.node2], axis=1).reshape(-1).astype(np.int32)

    def targets(self) -> I32:
        """Return the node that each direction ends at."""
        return np.stack([self.node2, self.node1], axis=1).reshape(-1).astype(np.int32)
