"""Kinds of senders, and the nodes of a scenario that are of a kind."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import ClassVar

from lightninglens.core.checks import require_ranges
from lightninglens.core.errors import ConfigError
from lightninglens.core.records import STRICT


class SenderName(StrEnum):
    """A kind of sender by name."""

    LND = "lnd"
    """LND's search, its a-priori estimator: the default."""
    LND_BIMODAL = "lnd-bimodal"
    """LND's search, its bimodal estimator."""
    FLOW = "flow"
    """Min-cost flow (extra `flow`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderGroup:
    """Nodes whose routes are looked for in one way.

    They are a share of all nodes, drawn node by node, or are listed. A listed
    node is no part of any share; all others are `lnd`.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: SenderName
    """`lnd` (a-priori estimator), `lnd-bimodal`, or `flow`, which needs the extra of that name."""
    share: float = 0.0
    """Of all nodes; the shares of all groups together are at most 1."""
    nodes: tuple[str, ...] = ()
    """Ids or aliases."""

    def __post_init__(self) -> None:
        """Raise ValueError for a group that is none."""
        require_ranges(self, share=(0, 1))
        if bool(self.share) == bool(self.nodes):
            raise ValueError("either share or nodes says whose routes these are")


def check_groups(groups: Sequence[SenderGroup]) -> None:
    """Raise ValueError for groups that do not fit beside one another."""
    total = sum(group.share for group in groups)
    if total > 1 + 1e-9:
        raise ValueError(f"the shares of senders are {total:g} together, and 1 is all of them")
    twice = [node for node, count in Counter(node for group in groups for node in group.nodes).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is listed as a sender twice")


def require_extra(groups: Sequence[SenderGroup]) -> None:
    """Raise ConfigError when a group needs an extra that is not installed."""
    if any(group.kind is SenderName.FLOW for group in groups) and find_spec("ortools") is None:
        raise ConfigError("the sender 'flow' needs OR-tools: pip install 'lightninglens[flow]'")
