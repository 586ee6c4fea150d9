"""The baseline rebalancer: fixed targets per channel, reached by circular self-payments.

It is the strategy of the source documents' `rebalance-channels.sh`, with its
targets, cap and threshold, done as what it claims: that script paid the peer,
which moves a balance by giving the money away. Here whoever holds too much of a
channel sends the excess out over it and takes it back in over another of their
own channels that wants it, so that their total falls by the fee and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lightninglens.control.rebalance.view import DEFAULT_FEE_LIMIT, FeeLimit, LiquidityView, NodeView
from lightninglens.core.channels import ChannelState
from lightninglens.core.records import Plan, RebalanceChange
from lightninglens.core.units import MSAT_PER_SAT, Msat, Sat, UnixNs, to_msat, to_sat

AUTHOR = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What share of a channel's capacity its first-named node is to hold; the second is to hold the rest."""

    first: str
    second: str
    first_share_percent: int


LAB_TARGETS = (
    Target(first="lnd-alice", second="lnd-bob", first_share_percent=60),
    Target(first="lnd-bob", second="lnd-carol", first_share_percent=45),
    Target(first="lnd-carol", second="lnd-dave", first_share_percent=70),
    Target(first="lnd-dave", second="lnd-eve", first_share_percent=40),
    Target(first="lnd-eve", second="lnd-alice", first_share_percent=55),
    Target(first="lnd-alice", second="lnd-carol", first_share_percent=65),
    Target(first="lnd-bob", second="lnd-eve", first_share_percent=50),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRules:
    """The baseline's parameters."""

    targets: tuple[Target, ...] = LAB_TARGETS
    most_sat: Sat = Sat(300_000)
    """Cap of one change."""
    least_sat: Sat = Sat(10_000)
    """Smaller changes are skipped."""
    fee_limit: FeeLimit = DEFAULT_FEE_LIMIT

    def share_percent(self, node: str, peer: str) -> int | None:
        """Return the share that `node` is to hold of a channel with `peer`, or None where no target is set."""
        for target in self.targets:
            if (node, peer) == (target.first, target.second):
                return target.first_share_percent
            if (node, peer) == (target.second, target.first):
                return 100 - target.first_share_percent
        return None


DEFAULT_RULES = BaselineRules()


def decide(view: LiquidityView, now: UnixNs, *, rules: BaselineRules = DEFAULT_RULES) -> Plan:
    """Return the circular self-payments that bring channels nearer to their targets; none may be needed.

    Every channel that a change names has a target, and no change takes one past
    it. Of each node the fullest channel goes first, and it fills the channel of
    the same node that its target wants filled most.
    """
    changes = tuple(change for node in view.nodes for change in _Book(node, rules).changes())
    return Plan(
        plan_id=f"{AUTHOR}-{now}",
        created_ns=now,
        author=AUTHOR,
        changes=changes,
        risk="A route may lack liquidity; then the change fails and costs nothing." if changes else "",
    )


def explain_rest(view: LiquidityView, *, rules: BaselineRules = DEFAULT_RULES) -> str:
    """Return in words why `decide` changes nothing, or nothing more."""
    books = [_Book(node, rules) for node in view.nodes]
    if not any(book.positions for book in books):
        return "no channel of this network has a target"
    for book in books:
        list(book.changes())
    left = [position for book in books for position in book.positions if position.excess_msat >= book.least_msat]
    if not left:
        return f"every channel is within {rules.least_sat:,} sat of its target, or below it"
    words = (
        f"{position.node} holds {to_sat(position.excess_msat):,} sat more than its target on the channel with"
        f" {position.state.peer_alias}, and has no other channel with need and room for it"
        for position in left
    )
    return "; ".join(words)


class _Position:
    """A channel with a target, and what it will hold once the changes so far are done."""

    def __init__(self, node: str, state: ChannelState, share_percent: int) -> None:
        self.node = node
        self.state = state
        self.share_percent = share_percent
        self.target_msat = state.capacity_sat * share_percent * MSAT_PER_SAT // 100
        self.local_msat: int = state.local_msat
        self.outbound_msat: int = state.outbound_msat
        self.inbound_msat: int = state.inbound_msat

    @property
    def excess_msat(self) -> int:
        return self.local_msat - self.target_msat

    def describe(self) -> str:
        return (
            f"{to_sat(self.local_msat):,} of {self.state.capacity_sat:,} sat on the channel with"
            f" {self.state.peer_alias} (target {self.share_percent} %)"
        )


class _Book:
    """One node's channels with targets."""

    def __init__(self, node: NodeView, rules: BaselineRules) -> None:
        self.node = node
        self.rules = rules
        self.least_msat = to_msat(rules.least_sat)
        self.positions = [
            _Position(node.name, state, share)
            for state in sorted(node.channels, key=lambda state: state.channel_id)
            if state.active and (share := rules.share_percent(node.name, state.peer_alias)) is not None
        ]

    def changes(self) -> Iterator[RebalanceChange]:
        """Yield the node's changes, each aware of those before it."""
        for outgoing in sorted(self.positions, key=lambda position: -position.excess_msat):
            candidates = [
                (amount_msat, incoming)
                for incoming in sorted(self.positions, key=lambda position: position.excess_msat)
                if incoming.state.peer_id != outgoing.state.peer_id
                and (amount_msat := self._amount_msat(outgoing, incoming)) >= self.least_msat
            ]
            if candidates:
                yield self._move(outgoing, candidates[0][1], candidates[0][0])

    def _amount_msat(self, outgoing: _Position, incoming: _Position) -> int:
        amount_msat = min(
            outgoing.excess_msat,
            -incoming.excess_msat,
            to_msat(self.rules.most_sat),
            self.rules.fee_limit.most_within(outgoing.outbound_msat),
            incoming.inbound_msat,
        )
        return amount_msat // MSAT_PER_SAT * MSAT_PER_SAT

    def _move(self, outgoing: _Position, incoming: _Position, amount_msat: int) -> RebalanceChange:
        reason = (
            f"{self.node.name} holds {outgoing.describe()} and {incoming.describe()}:"
            f" move {to_sat(amount_msat):,} sat from the first to the second in a circle"
        )
        change = RebalanceChange(
            node_id=self.node.node_id,
            outgoing_channel_id=outgoing.state.channel_id,
            incoming_channel_id=incoming.state.channel_id,
            amount_msat=Msat(amount_msat),
            max_fee_msat=self.rules.fee_limit.of(amount_msat),
            previous_local_msat=Msat(outgoing.local_msat),
            reason=reason,
        )
        outgoing.local_msat -= amount_msat
        outgoing.outbound_msat -= amount_msat + change.max_fee_msat
        incoming.local_msat += amount_msat
        incoming.inbound_msat -= amount_msat
        return change
