"""What people want to pay: the columns that every demand brings, and what a demand is."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.units import MAX_MONEY_MSAT, NS_PER_DAY, NS_PER_SECOND
from lightninglens.sim.answers import Answer
from lightninglens.sim.records import PaymentKind, PaymentRequests

CELL_NS = 600 * NS_PER_SECOND
"""Rates and preferences are constant within a cell of ten minutes; each cell is drawn by itself."""

SENDERS_FEE_LIMIT = -1
"""As a fee limit: what the sender's software takes by default."""

SENDERS_PARTS = 0
"""As a number of parts: what the sender's software takes by default."""

SCENARIOS_ANSWER = -1
"""As what the receiver does: what the scenario says of receivers."""

_UNSAID = np.zeros(0, np.int8)
_NOT_HELD = np.zeros(0, np.int64)

_LAST_ANSWER = Answer.HOLD_THEN_CANCEL
_ENOUGH = 100_000
_LONGEST_SILENCE_NS = 3_650 * NS_PER_DAY


class Intents(NamedTuple):
    """Payments that somebody wants to make, as columns of equal length, by time."""

    start_ns: NDArray[np.int64]
    sender: NDArray[np.int32]
    receiver: NDArray[np.int32]
    amount_msat: NDArray[np.int64]
    tag: NDArray[np.int32]
    """Indexes the demand's `descriptions`."""
    fee_limit_msat: NDArray[np.int64]
    """SENDERS_FEE_LIMIT where the payer says nothing."""
    most_parts: NDArray[np.int32]
    """SENDERS_PARTS where the payer says nothing."""
    answer: NDArray[np.int8] = _UNSAID
    """What the receiver does, an `Answer`; SCENARIOS_ANSWER, or an empty column, where that is left open."""
    hold_ns: NDArray[np.int64] = _NOT_HELD
    """How long it holds the complete set, if it does; may be empty."""

    def filled(self) -> "Intents":
        """Return the same with the columns that may be empty at full length."""
        count = len(self.start_ns)
        return self._replace(
            answer=self.answer if len(self.answer) else np.full(count, SCENARIOS_ANSWER, np.int8),
            hold_ns=self.hold_ns if len(self.hold_ns) else np.zeros(count, np.int64),
        )

    @classmethod
    def of(
        cls,
        start_ns: NDArray[np.integer],
        sender: NDArray[np.integer],
        receiver: NDArray[np.integer],
        amount_msat: NDArray[np.integer],
        tag: NDArray[np.integer],
    ) -> "Intents":
        """Return intents that leave fee limit and splitting to the sender's software."""
        count = len(start_ns)
        return cls(
            start_ns.astype(np.int64),
            sender.astype(np.int32),
            receiver.astype(np.int32),
            amount_msat.astype(np.int64),
            tag.astype(np.int32),
            np.full(count, SENDERS_FEE_LIMIT, np.int64),
            np.full(count, SENDERS_PARTS, np.int32),
            np.full(count, SCENARIOS_ANSWER, np.int8),
            np.zeros(count, np.int64),
        )


class Demand(Protocol):
    """Who wants to pay whom, fixed before any policy acts: a plug-in point.

    The answer must depend on the arguments only, and not on how time is cut:
    the intents of two adjoining windows are those of the whole.
    """

    @property
    def descriptions(self) -> tuple[str, ...]:
        """What payments are for; an intent's `tag` indexes it."""
        ...

    @property
    def payments_in_all(self) -> int | None:
        """How many payments there will ever be; None for a demand without end."""
        ...

    def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:
        """Return the intents with start_ns <= time < end_ns, by time, of a world that begins at `origin_ns`."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """A demand that answers faster when it knows that it will be asked about one world again and again."""

    def prepared(self, graph: NetworkGraph, *, seed: int, origin_ns: int) -> Demand:
        """Return the same demand, ready for one world."""
        ...


def prepared(demand: Demand, graph: NetworkGraph, *, seed: int, origin_ns: int) -> Demand:
    """Return a demand ready to be asked about one world window by window: with the same answers."""
    return demand.prepared(graph, seed=seed, origin_ns=origin_ns) if isinstance(demand, Preparable) else demand


def draw_intents(
    demand: Demand, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int = 0
) -> Intents:
    """Return the intents with start_ns <= time < end_ns of a world that begins at `origin_ns`, checked.

    All times are absolute.

    Raises ConfigError when the demand, perhaps a plug-in, answers with what no engine can pay.
    """
    intents = demand.intents(graph, seed=seed, start_ns=start_ns, end_ns=end_ns, origin_ns=origin_ns).filled()
    problem = _problem(intents, graph.node_count, len(demand.descriptions), start_ns, end_ns)
    if problem:
        raise ConfigError(f"the demand {type(demand).__name__} {problem}")
    return intents


def _problem(intents: Intents, nodes: int, descriptions: int, start_ns: int, end_ns: int) -> str:
    count = len(intents.start_ns)
    if any(len(column) != count for column in intents):
        return "answers with columns of different lengths"
    if not count:
        return ""
    time_ns = intents.start_ns
    wrong_nodes = [(column < 0) | (column >= nodes) for column in (intents.sender, intents.receiver)]
    amount = intents.amount_msat
    checks = (
        (np.diff(time_ns, prepend=time_ns[0]) < 0, "goes back in time"),
        ((time_ns < start_ns) | (time_ns >= end_ns), "leaves the time it was asked for"),
        (wrong_nodes[0] | wrong_nodes[1], f"names a node that is not a row of the graph (0 to {nodes - 1})"),
        (intents.sender == intents.receiver, "lets a node pay itself"),
        ((amount < 1) | (amount > MAX_MONEY_MSAT), "asks for an amount below 1 msat or above all money"),
        ((intents.tag < 0) | (intents.tag >= descriptions), "has a tag without a description"),
        (intents.fee_limit_msat < SENDERS_FEE_LIMIT, "has a negative fee limit"),
        (intents.most_parts < SENDERS_PARTS, "has a negative number of parts"),
        ((intents.answer < SCENARIOS_ANSWER) | (intents.answer > _LAST_ANSWER), "has an answer that no receiver gives"),
        (intents.hold_ns < 0, "lets a receiver hold for less than no time"),
    )
    for wrong, words in checks:
        if wrong.any():
            return f"{words}, in row {int(np.argmax(wrong))} of the window from {start_ns} ns to {end_ns} ns"
    return ""


def payments_in(demand: Demand, graph: NetworkGraph, count: int) -> int:
    """Return how many of the first `count` payments of a demand there are.

    Raises ConfigError when it never brings one on this graph.
    """
    if not graph.usable().any():
        raise ConfigError("nobody can pay on this graph: no channel is announced and enabled in any direction")
    in_all = demand.payments_in_all
    if in_all == 0:
        raise ConfigError("this demand has no payments: ask for more than 0, in all and per hour")
    return count if in_all is None else min(count, in_all)


def next_window_ns(window_ns: int, found: int, enough: int) -> int:
    """Return how long the next window of a demand should be: windows grow until they bring enough.

    Raises ConfigError after ten years without a payment.
    """
    if found >= enough:
        return window_ns
    if not found and window_ns > _LONGEST_SILENCE_NS:
        raise ConfigError("this demand brings no payment in ten years, and more are asked for")
    return 2 * window_ns


def first_intents(demand: Demand, graph: NetworkGraph, *, seed: int, count: int, origin_ns: int = 0) -> Intents:
    """Return the first `count` intents of a world that begins at `origin_ns`; fewer when the demand ends before.

    Raises ConfigError when this demand on this graph never brings a payment.
    """
    left = payments_in(demand, graph, count)
    parts, start_ns, window_ns = [], origin_ns, CELL_NS
    while left > 0:
        end_ns = start_ns + window_ns
        drawn = draw_intents(demand, graph, seed=seed, start_ns=start_ns, end_ns=end_ns, origin_ns=origin_ns)
        parts.append(Intents._make(column[:left] for column in drawn))
        left -= len(parts[-1].start_ns)
        start_ns, window_ns = end_ns, next_window_ns(window_ns, len(drawn.start_ns), _ENOUGH)
    return joined(parts)


def to_requests(intents: Intents, *, senders_parts: int = 1) -> PaymentRequests:
    """Return what the engine is to do for these intents, with the senders' defaults where the payer says nothing.

    They split into at most `senders_parts`, and take LND's default fee limit.
    That is all of it up to 1,000 sat and 5 % above (`lnrpc.CalculateFeeLimit`).
    """
    count = len(intents.start_ns)
    intents = intents.filled()
    amount_msat = intents.amount_msat
    usual_msat = np.where(amount_msat <= 1_000_000, amount_msat, amount_msat // 20)
    said = intents.fee_limit_msat != SENDERS_FEE_LIMIT
    return PaymentRequests(
        start_ns=intents.start_ns,
        sender=intents.sender,
        receiver=intents.receiver,
        amount_msat=amount_msat,
        fee_limit_msat=np.where(said, intents.fee_limit_msat, usual_msat),
        kind=np.where(intents.answer == Answer.UNKNOWN_INVOICE, PaymentKind.PROBE, PaymentKind.PAYMENT).astype(np.int8),
        tag=intents.tag,
        outgoing=np.full(count, -1, np.int32),
        last_hop=np.full(count, -1, np.int32),
        most_parts=np.where(intents.most_parts == SENDERS_PARTS, senders_parts, intents.most_parts).astype(np.int32),
        answer=np.maximum(intents.answer, Answer.SETTLE).astype(np.int8),
        hold_ns=intents.hold_ns,
    )


def joined(parts: list[Intents]) -> Intents:
    """Return the intents of all parts, one after the other."""
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Intents.of(nothing, nothing, nothing, nothing, nothing)
    return Intents._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def by_time(intents: Intents) -> Intents:
    """Return the intents by time; those of one moment keep their order."""
    order = np.argsort(intents.start_ns, kind="stable")
    return Intents._make(column[order] for column in intents)


def between(intents: Intents, start_ns: int, end_ns: int) -> Intents:
    """Return those with start_ns <= time < end_ns."""
    kept = (intents.start_ns >= start_ns) & (intents.start_ns < end_ns)
    return Intents._make(column[kept] for column in intents)
