"""The columns that the event engine works on, and how they are made.

A direction is 2 * channel + side, side 0 belonging to node1. `balance_msat` is
gross: the opener's includes the commitment fee and the anchors, so that per
channel balances and HTLCs in flight always add up to the capacity exactly.
"""

from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import MAX_HTLC_SLOTS
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_MS, NS_PER_SECOND
from lightninglens.routing.memory import MissionControl, make_mission_control
from lightninglens.routing.state import (
    MAX_HOPS,
    REPORT_PAIRS,
    Estimator,
    OwnChannels,
    RouteColumns,
    Scratch,
    View,
    build_own_channels,
    build_view,
    make_routes,
    make_scratch,
    record_type,
)
from lightninglens.sim.gossip import Enforced, News, make_enforced, make_news
from lightninglens.sim.life import Life, make_life

_Columns = TypeVar("_Columns", bound=tuple[Any, ...])

DUST_LIMIT_MSAT = 354_000
"""LND's dust limit for HTLC outputs (P2WSH); a smaller HTLC adds no weight."""


class EventKind(IntEnum):
    """What a scheduled event does; at the same instant the lower number goes first."""

    GOSSIP = 0
    SETTLE = 1
    FAIL = 2
    ARRIVE = 3
    TRY = 4
    START = 5
    RELEASE = 6
    """A receiver has held a part for too long."""
    SEND = 7
    """A part that a router has planned leaves the sender."""
    LIFE = 8
    """A node or a channel goes down or comes back, or a node says so: a `Moment`."""
    HOLD = 9
    """A receiver has held a complete set for as long as it will; the slot is the payment's."""


class SenderKind(IntEnum):
    """Who looks for a node's routes: `World.sender_kind`."""

    LND = 0
    """LND's search with the a-priori estimator."""
    LND_BIMODAL = 1
    """LND's search with the other estimator of the engine."""
    PLUGGED = 2
    """A `Router` outside the loop."""


class Count(IntEnum):
    """Places in `World.counters`."""

    HEAP = 0
    SEQUENCE = 1
    FREE_PAYMENTS = 2
    FREE_ATTEMPTS = 3
    FINISHED = 4
    ATTEMPT_LOG = 5
    ROUTE_LOG = 6
    HTLC_LOG = 7
    EVENTS = 8
    NOW_NS = 9
    IN_FLIGHT = 10
    ASKED = 11
    """Row of the payment for which the loop stopped with NEEDS_ROUTER."""
    PENDING = 12
    """Payments that were submitted and have not ended."""


class Network(NamedTuple):
    """Channels and who owns them."""

    capacity_msat: NDArray[np.int64]
    opener_side: NDArray[np.int8]
    htlcs_with_weight: NDArray[np.int32]
    balance_msat: NDArray[np.int64]
    pending_msat: NDArray[np.int64]
    node_msat: NDArray[np.int64]
    """Per node: the gross balance on its side of all its channels."""
    reserve_msat: NDArray[np.int64]
    next_htlc_id: NDArray[np.int64]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    observed: NDArray[np.bool_]
    """Per node: its HTLC events leave the loop."""


class Parameters(NamedTuple):
    """Scalars of a run; see `EngineConfig` for what they mean."""

    seed: np.uint64
    start_ns: int
    start_height: int
    commit_feerate_sat_per_kw: int
    hop_delay_median_ns: float
    hop_delay_sigma: float
    timeout_ns: int
    retry_delay_ns: int
    mpp_timeout_ns: int
    final_delta_blocks: int
    cltv_limit_blocks: int
    gossip_delay_median_ns: float
    gossip_delay_sigma: float
    gossip_spread_ns: int
    node_up_ns: float
    """Mean time between two outages of a node; 0: there are none."""
    node_down_ns: float
    channel_up_ns: float
    channel_down_ns: float
    hold_expiry_delta_blocks: int


PAYMENT = record_type(
    [
        ("payment_id", np.int64),
        ("amount_msat", np.int64),
        ("fee_limit_msat", np.int64),
        ("start_ns", np.int64),
        ("end_ns", np.int64),
        ("fee_msat", np.int64),
        ("sender_before_msat", np.int64),
        ("sender_after_msat", np.int64),
        ("receiver_before_msat", np.int64),
        ("receiver_after_msat", np.int64),
        ("first_before_msat", np.int64),
        ("first_after_msat", np.int64),
        ("sent_msat", np.int64),
        ("sent_fee_msat", np.int64),
        ("held_msat", np.int64),
        ("hold_ns", np.int64),
        ("sender", np.int32),
        ("receiver", np.int32),
        ("outgoing", np.int32),
        ("last_hop", np.int32),
        ("tag", np.int32),
        ("most_parts", np.int32),
        ("attempts", np.int32),
        ("parts", np.int32),
        ("parts_in_flight", np.int32),
        ("first_held", np.int32),
        ("last_held", np.int32),
        ("hops", np.int32),
        ("failure_direction", np.int32),
        ("first_direction", np.int32),
        ("failure_code", np.int16),
        ("failure_detail", np.int16),
        ("kind", np.int8),
        ("outcome", np.int8),
        ("failed", np.int8),
        ("trying", np.int8),
        ("answer", np.int8),
    ]
)
"""A payment that is not over.

`first_direction` is the sender's own channel that the last attempt left by, or
-1. `sent_msat` and `sent_fee_msat` count the parts in flight and settled,
`parts` the settled ones. The receiver holds the parts from `first_held` to
`last_held`, slots of attempts or -1, `held_msat` together. `failed` is the
`HtlcOutcome` of a payment that has given up and waits for what is still in
flight; `trying` says that its next try is scheduled. `answer` is the receiver's
`Answer`, `hold_ns` how long it holds the set; while it does, until when.
"""

ATTEMPT = record_type(
    [
        ("start_ns", np.int64),
        ("amount_msat", np.int64),
        ("release_ns", np.int64),
        ("payment", np.int32),
        ("number", np.int32),
        ("next_held", np.int32),
        ("failed_index", np.int32),
        ("failed_direction", np.int32),
        ("code", np.int16),
        ("detail", np.int16),
        ("skips_temporary", np.int8),
    ]
)
"""An attempt in flight; its route and the ids of its HTLCs stand in the same row of `routes` and `htlc_id`.

`amount_msat` is what it brings to the receiver. While the receiver holds it,
`release_ns` says until when, else it is NOT_HELD; `next_held` is the slot of
the part that came after it, or -1. `skips_temporary`: of a given route whose
failure on the way does not end the payment.
"""

NOT_HELD = -1

ROUTES_GIVEN = 0
"""As a payment's `most_parts`: nothing is searched for it, its parts go along routes that are given."""

EVENT = record_type([("time_ns", np.int64), ("order", np.int64), ("task", np.int64)])
"""A scheduled event: order is priority << 56 | sequence, task is kind << 48 | slot << 8 | hop."""

ATTEMPT_ROW = record_type(
    [
        ("payment_id", np.int64),
        ("number", np.int32),
        ("start_ns", np.int64),
        ("end_ns", np.int64),
        ("amount_msat", np.int64),
        ("fee_msat", np.int64),
        ("hops", np.int32),
        ("code", np.int16),
        ("detail", np.int16),
        ("failed_index", np.int32),
        ("failed_direction", np.int32),
        ("sender", np.int32),
    ]
)

HTLC_ROW = record_type(
    [
        ("timestamp_ns", np.int64),
        ("node", np.int32),
        ("kind", np.int8),
        ("event_type", np.int8),
        ("code", np.int16),
        ("detail", np.int16),
        ("incoming_direction", np.int32),
        ("outgoing_direction", np.int32),
        ("incoming_htlc_id", np.int64),
        ("outgoing_htlc_id", np.int64),
        ("incoming_amount_msat", np.int64),
        ("outgoing_amount_msat", np.int64),
        ("incoming_timelock_blocks", np.int32),
        ("outgoing_timelock_blocks", np.int32),
    ]
)


class World(NamedTuple):
    """Everything that the event loop works on."""

    network: Network
    own: OwnChannels
    enforced: Enforced
    """By direction; senders may still know older policies."""
    gossip: View
    """The network as everybody knows it."""
    news: News
    life: Life
    memory: MissionControl
    scratch: Scratch
    estimator: Estimator
    bimodal: Estimator
    sender_kind: NDArray[np.int8]
    """Per node: its `SenderKind`."""
    parameters: Parameters
    payments: NDArray[np.void]
    """Rows of PAYMENT."""
    attempts: NDArray[np.void]
    """Rows of ATTEMPT."""
    routes: RouteColumns
    htlc_id: NDArray[np.int64]
    heap: NDArray[np.void]
    """Rows of EVENT."""
    free_payments: NDArray[np.int32]
    free_attempts: NDArray[np.int32]
    finished: NDArray[np.int32]
    attempt_log: NDArray[np.void]
    route_log: NDArray[np.int32]
    route_amount_log: NDArray[np.int64]
    htlc_log: NDArray[np.void]
    counters: NDArray[np.int64]
    """By `Count`."""
    nodes: NDArray[np.int64]
    """Working memory for the nodes of one route."""
    pairs: NDArray[np.int64]
    """Working memory for what one result says of pairs."""


def copied(columns: _Columns) -> _Columns:
    """Return a tuple of arrays, scalars and further such tuples with every array copied."""
    return type(columns)(*(_copied_member(member) for member in columns))


def _copied_member(member: Any) -> Any:
    if isinstance(member, np.ndarray):
        return member.copy()
    return copied(member) if isinstance(member, tuple) else member


LOG_ROWS = 8192
FIRST_PAYMENTS = 256
FIRST_ATTEMPTS = 64
FIRST_EVENTS = 1024
FIRST_PAIRS = 4096

MOST_PARTS = 256
"""The most parts that a payment may ask for: so many HTLCs settle at once when the last one arrives."""

LEAST_PART_MSAT = 10_000_000
"""LND does not halve below this (`routing/payment_session.go`, DefaultShardMinAmt)."""


def make_network(
    graph: NetworkGraph, balance_msat: NDArray[np.int64], opener_side: NDArray[np.int8]
) -> tuple[Network, OwnChannels]:
    """Return the channel columns; `balance_msat` is gross and per direction."""
    directions = 2 * graph.channel_count
    capacity_msat = graph.capacity_sat * MSAT_PER_SAT
    reserve_msat = np.repeat(np.maximum(graph.capacity_sat // 100, DUST_LIMIT_MSAT // 1000) * MSAT_PER_SAT, 2)
    network = Network(
        capacity_msat=capacity_msat,
        opener_side=opener_side.astype(np.int8),
        htlcs_with_weight=np.zeros(graph.channel_count, np.int32),
        balance_msat=balance_msat.astype(np.int64).copy(),
        pending_msat=np.zeros(directions, np.int64),
        node_msat=np.zeros(graph.node_count, np.int64),
        reserve_msat=reserve_msat,
        next_htlc_id=np.zeros(directions, np.int64),
        source=graph.sources(),
        target=graph.targets(),
        observed=np.zeros(graph.node_count, np.bool_),
    )
    np.add.at(network.node_msat, network.source, network.balance_msat)
    return network, build_own_channels(graph, MAX_HTLC_SLOTS)


def make_world(
    graph: NetworkGraph,
    balance_msat: NDArray[np.int64],
    opener_side: NDArray[np.int8],
    estimator: Estimator,
    bimodal: Estimator,
    parameters: Parameters,
) -> World:
    """Return a network at rest, with few slots of everything; what is too small grows."""
    network, own = make_network(graph, balance_msat, opener_side)
    counters = np.zeros(len(Count), np.int64)
    counters[Count.FREE_PAYMENTS] = FIRST_PAYMENTS
    counters[Count.FREE_ATTEMPTS] = FIRST_ATTEMPTS
    counters[Count.NOW_NS] = parameters.start_ns
    return World(
        network=network,
        own=own,
        enforced=make_enforced(graph.policies),
        gossip=build_view(graph, graph.policies),
        news=make_news(2 * graph.channel_count),
        life=make_life(network.capacity_msat, graph.policies.disabled, graph.node_count),
        memory=make_mission_control(graph.node_count, FIRST_PAIRS),
        scratch=make_scratch(graph.node_count),
        estimator=_typed(estimator),
        bimodal=_typed(bimodal),
        sender_kind=np.zeros(graph.node_count, np.int8),
        parameters=parameters,
        payments=np.zeros(FIRST_PAYMENTS, PAYMENT),
        attempts=np.zeros(FIRST_ATTEMPTS, ATTEMPT),
        routes=make_routes(FIRST_ATTEMPTS),
        htlc_id=np.zeros((FIRST_ATTEMPTS, MAX_HOPS), np.int64),
        heap=np.zeros(FIRST_EVENTS, EVENT),
        free_payments=np.arange(FIRST_PAYMENTS, dtype=np.int32)[::-1].copy(),
        free_attempts=np.arange(FIRST_ATTEMPTS, dtype=np.int32)[::-1].copy(),
        finished=np.zeros(LOG_ROWS, np.int32),
        attempt_log=np.zeros(LOG_ROWS, ATTEMPT_ROW),
        route_log=np.zeros(LOG_ROWS * 8, np.int32),
        route_amount_log=np.zeros(LOG_ROWS * 8, np.int64),
        htlc_log=np.zeros(LOG_ROWS, HTLC_ROW),
        counters=counters,
        nodes=np.zeros(MAX_HOPS + 1, np.int64),
        pairs=np.zeros((REPORT_PAIRS, 4), np.int64),
    )


def _typed(estimator: Estimator) -> Estimator:
    """Return the same numbers in the types of the defaults: a kernel picks one of two, so they must be of one type."""
    defaults = Estimator()
    return Estimator._make(type(default)(value) for default, value in zip(defaults, estimator, strict=True))


DEFAULT_TIMEOUT_NS = 60 * NS_PER_SECOND
DEFAULT_RETRY_DELAY_NS = 5 * NS_PER_MS
DEFAULT_MPP_TIMEOUT_NS = 120 * NS_PER_SECOND
"""How long a receiver holds an incomplete set (LND `invoices/invoiceregistry.go`, DefaultHtlcHoldDuration)."""
