"""The arrays that the routing kernels work on, and how they are made.

A sender's view of the network is one row per usable direction, grouped by the
node it ends at and within that by the node it starts at, because the search
runs backwards and treats parallel channels as one edge.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.units import MSAT_PER_SAT

NEVER_NS = np.int64(-(2**62))
"""The time of something that has not happened."""

MAX_HOPS = 27
"""More hops than fit an onion of 1,300 bytes, whatever the amounts."""

ANY_NODE = -1
"""In a pair to ignore: whatever node it leads to."""

APRIORI = 0
"""The estimator that a node of LND uses unless told otherwise (`routing/probability_apriori.go`)."""
BIMODAL = 1
"""The estimator that takes channels for mostly full or mostly empty (`routing/probability_bimodal.go`)."""

PATIENCE = 24
MANY_PAIRS = 32
"""When a search takes measures that cost time first; found by trial on the network of 2026. They change no answer."""

REPORT_PAIRS = 2 * MAX_HOPS + 4
"""The most pairs that one result can touch; this much room must be free before a report."""


def record_type(fields: list[tuple[str, type[np.generic]]]) -> np.dtype[Any]:
    """Return a row type whose fields are attributes, compiled or not, aligned as in C."""
    return np.dtype((np.record, np.dtype(fields, align=True)))


EDGE = record_type(
    [
        ("source", np.int32),
        ("target", np.int32),
        ("capacity_msat", np.int64),
        ("max_htlc_msat", np.int64),
        ("min_htlc_msat", np.int64),
        ("base_fee_msat", np.uint32),
        ("fee_rate_ppm", np.uint32),
        ("inbound_base_fee_msat", np.int32),
        ("inbound_fee_rate_ppm", np.int32),
        ("direction", np.int32),
        ("time_lock_delta_blocks", np.uint16),
        ("disabled", np.uint8),
    ]
)
"""One direction as senders see it; the inbound fee is what the node it ends at asks. Widths as in BOLT 7."""

PAIR = record_type([("peer", np.int32), ("first_row", np.int32), ("capacity_msat", np.int64)])
"""The parallel channels from one node to another: where their rows begin, and a bound of the capacity of any.

`peer` is the node at the other end than the one that the pair is listed under.
"""

REACH = record_type(
    [
        ("distance", np.int64),
        ("generation", np.int32),
        ("heap_slot", np.int32),
        ("own_row", np.int32),
        ("history_generation", np.int32),
        ("to_sender", np.int16),
        ("to_receiver", np.int16),
    ]
)
"""What the search asks of every node that it looks at; valid only where `generation` is the current one, and the
label's history only where `history_generation` is.

`own_row` is the first row of the sender's channels to the node, or -1;
`to_sender` and `to_receiver` are lower bounds of the hops to either.
"""

TRIED = record_type(
    [
        ("from_msat", np.int64),
        ("below_msat", np.int64),
        ("failures", np.float64),
        ("others", np.float64),
        ("best", np.float64),
        ("successes", np.int32),
        ("place", np.int32),
    ]
)
"""What the sender of a search remembers of a node's pairs for amounts of at least `from_msat` and less than
`below_msat`: how many succeed, and how much those that fail still count. Computed once for each such range."""

LABEL = record_type(
    [
        ("weight", np.int64),
        ("amount_msat", np.int64),
        ("outbound_fee_msat", np.int64),
        ("probability", np.float64),
        ("cltv_blocks", np.int32),
        ("edge", np.int32),
        ("hops", np.int32),
    ]
)
"""The rest of what the search knows of a node that it has reached."""


class View(NamedTuple):
    """What senders know of the network: edges in search order."""

    first_in: NDArray[np.int32]
    """nodes + 1: where the pairs that end at a node begin in `incoming`, by falling capacity."""
    first_in_leaf: NDArray[np.int32]
    """Per node: where those begin whose other node has no other peer; they come last."""
    incoming: NDArray[np.void]
    """One more than there are, so that each pair's rows end where the next one's begin."""
    first_out: NDArray[np.int32]
    """The same for the pairs that start at a node."""
    first_out_leaf: NDArray[np.int32]
    outgoing: NDArray[np.void]
    edges: NDArray[np.void]
    """In the order of `incoming`."""
    position: NDArray[np.int32]
    """Per direction: its row in `edges`, or -1 when nobody announced it."""


class OwnChannels(NamedTuple):
    """What nodes know of their own channels and nobody else's: what each can send now."""

    first_out: NDArray[np.int32]
    """nodes + 1: where the directions that start at a node begin in `out_direction`."""
    out_direction: NDArray[np.int32]
    spendable_msat: NDArray[np.int64]
    pending_htlcs: NDArray[np.int32]
    """Per direction: HTLCs offered and not yet resolved."""
    active: NDArray[np.bool_]
    """Per channel: both ends are up."""
    max_htlcs: int


class Scratch(NamedTuple):
    """Working memory of a search, reused from one to the next.

    `reach` and `labels` have one row more than there are nodes: nobody's, for
    a search without a sender.
    """

    reach: NDArray[np.void]
    labels: NDArray[np.void]
    bounds: NDArray[np.int64]
    """4 x 3: by hops to the sender and to the receiver, what the way to the sender adds to a distance."""
    heap_keys: NDArray[np.int64]
    heap_nodes: NDArray[np.int32]
    counters: NDArray[np.int64]
    """0: generation; 1: nodes settled; 2: when so many are settled, at least two, the network is looked at from the
    sender's side; 3: a node with more pairs labels those near the sender and the tried ones first."""
    tried: NDArray[np.void]
    """Rows of TRIED, per node; valid where the label's history is."""
    later: NDArray[np.int64]
    """Per node whose stand-in is in the heap: the least distance of what is still to be labelled from it."""
    to_go: NDArray[np.int64]
    """Per node that is NEAR: what the way to the sender adds at least to its distance."""
    near: NDArray[np.int32]
    """Those nodes."""
    waiting: NDArray[np.int32]
    """Queue of a walk from the sender; a node may stand in it twice."""
    walk: NDArray[np.int64]
    """Counters and least bounds of that walk (`_nearness`)."""
    ignored: NDArray[np.int64]
    """Pairs that no route may use, as sorted keys; see `ignored_pairs`."""


class RouteColumns(NamedTuple):
    """Where routes are written, one row per route, MAX_HOPS wide."""

    direction: NDArray[np.int32]
    amount_msat: NDArray[np.int64]
    cltv_blocks: NDArray[np.int32]
    hops: NDArray[np.int32]


class Estimator(NamedTuple):
    """How a sender judges hops and weighs success against fees, at LND's defaults.

    One type for both of LND's estimators, so that a kernel can choose at run
    time: `kind` is APRIORI or BIMODAL, and the parameters of the other one are
    not looked at.
    Source: LND `routing/probability_apriori.go`, `routing/probability_bimodal.go`,
    `routing/pathfind.go`, `lncfg`.
    """

    attempt_cost_msat: float = 100_000.0
    attempt_cost_ppm: int = 1_000
    min_probability: float = 0.01
    risk_factor_billionths: int = 15
    hop_probability: float = 0.6
    apriori_weight: float = 0.5
    half_life_ns: float = 3_600e9
    capacity_fraction: float = 0.9999
    success_probability: float = 0.95
    min_failure_relax_ns: int = 60_000_000_000
    second_chance_ns: int = 60_000_000_000
    kind: int = APRIORI
    time_preference: float = 0.0
    """From -1 (cheap before fast) to 1 (fast before cheap); LND takes it with each payment."""
    bimodal_scale_msat: float = 300_000_000.0
    bimodal_node_weight: float = 0.2
    bimodal_decay_ns: float = 7 * 24 * 3_600e9


_LEAST_CAPACITY_FRACTION = 0.75
_GREATEST_SCALE_MSAT = 250_000_000_000.0
"""A quarter of the 10 BTC that LND takes for the capacity of a channel in an invoice's hint."""


def check_estimator(estimator: Estimator) -> None:
    """Refuse parameters that LND refuses, and a half-life of 0; raises ValueError."""
    if estimator.kind not in (APRIORI, BIMODAL):
        raise ValueError(f"estimator kind {estimator.kind} is none: {APRIORI} is apriori, {BIMODAL} is bimodal")
    ranges = (
        ("min_probability", 0.0, 1.0),
        ("hop_probability", 0.0, 1.0),
        ("apriori_weight", 0.0, 1.0),
        ("capacity_fraction", _LEAST_CAPACITY_FRACTION, 1.0),
        ("time_preference", -1.0, 1.0),
        ("bimodal_node_weight", 0.0, 1.0),
        ("bimodal_scale_msat", 1.0, _GREATEST_SCALE_MSAT),
        ("half_life_ns", 1.0, np.inf),
        ("bimodal_decay_ns", 1.0, np.inf),
        ("attempt_cost_msat", 0.0, np.inf),
        ("attempt_cost_ppm", 0.0, np.inf),
    )
    for name, least, greatest in ranges:
        value = getattr(estimator, name)
        if not least <= value <= greatest:
            raise ValueError(f"{name} is {value}: it must be from {least:g} to {greatest:g}")


def build_view(graph: NetworkGraph, policies: PolicyColumns) -> View:
    """Lay out the directions with a known policy in the order in which the search reads them."""
    known = np.flatnonzero(policies.known)
    sources, targets = graph.sources()[known].astype(np.int64), graph.targets()[known].astype(np.int64)
    capacity = graph.capacity_sat[known // 2].astype(np.int64) * MSAT_PER_SAT
    numbers, pair_of = np.unique(targets * graph.node_count + sources, return_inverse=True)
    largest = np.zeros(len(numbers), np.int64)
    np.maximum.at(largest, pair_of, capacity)
    leaf = _count_peers(graph, known) < 2
    order = np.lexsort((known, sources, -largest[pair_of], leaf[sources], targets))
    edges = np.zeros(len(order), EDGE)
    edges["source"], edges["target"] = sources[order], targets[order]
    edges["direction"], edges["capacity_msat"] = known[order], capacity[order]
    position = np.full(2 * graph.channel_count, -1, np.int32)
    position[known[order]] = np.arange(len(order), dtype=np.int32)
    starts = np.flatnonzero(np.diff(pair_of[order], prepend=-1))
    pairs = np.zeros(len(starts) + 1, PAIR)
    pairs["first_row"] = np.append(starts, len(order))
    pairs["capacity_msat"][:-1] = largest[pair_of[order][starts]]
    ends = edges["target"][starts], edges["source"][starts]
    view = View(*_list_pairs(pairs, *ends, leaf), *_list_pairs(pairs, *ends[::-1], leaf), edges, position)
    write_policies(view, policies, known)
    return view


def _list_pairs(
    pairs: NDArray[np.void], owners: NDArray[np.int32], peers: NDArray[np.int32], leaf: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.void]]:
    """Return (first, first leaf, pairs) by owner, peers that are leaves last, else by falling capacity."""
    listed = pairs.copy()
    order = np.lexsort((peers, -pairs["capacity_msat"][:-1], leaf[peers], owners))
    listed[:-1] = pairs[:-1][order]
    listed["peer"][:-1] = peers[order]
    first = np.searchsorted(owners[order], np.arange(len(leaf) + 1)).astype(np.int32)
    leaves = np.bincount(owners[leaf[peers]], minlength=len(leaf))
    return first, (first[1:] - leaves).astype(np.int32), listed


def write_capacity(view: View, channel: int, capacity_msat: int) -> None:
    """Change what senders take a channel's capacity to be.

    The pairs keep their order. Those before a pair that grows are taken to be
    as large: the search only asks when to stop, and looks at each channel's own
    capacity afterwards.
    """
    for row in view.position[2 * channel : 2 * channel + 2]:
        if row < 0:
            continue
        edge = view.edges[row]
        edge["capacity_msat"] = capacity_msat
        for first, pairs, owner, peer in (
            (view.first_in, view.incoming, edge["target"], edge["source"]),
            (view.first_out, view.outgoing, edge["source"], edge["target"]),
        ):
            listed = pairs[first[owner] : first[owner + 1]]
            place = int(np.flatnonzero(listed["peer"] == peer)[0])
            listed["capacity_msat"][: place + 1] = np.maximum(listed["capacity_msat"][: place + 1], capacity_msat)


def incoming_edges(view: View, node: int) -> NDArray[np.void]:
    """Return the edges that end at a node."""
    first, end = view.incoming["first_row"][view.first_in[node : node + 2]]
    return view.edges[first:end]


def _count_peers(graph: NetworkGraph, known: NDArray[np.int64]) -> NDArray[np.int32]:
    low, high = graph.node1[known // 2].astype(np.int64), graph.node2[known // 2].astype(np.int64)
    pairs = np.unique(low * graph.node_count + high)
    ends = np.concatenate([pairs // graph.node_count, pairs % graph.node_count])
    return np.bincount(ends, minlength=graph.node_count).astype(np.int32)


def write_policies(view: View, policies: PolicyColumns, directions: NDArray[np.int64]) -> None:
    """Copy these directions' policies into the view: their own rows, and the inbound part into the reverse."""
    reverse = view.position[directions ^ 1]
    has_reverse = reverse >= 0
    rows, owners = reverse[has_reverse], directions[has_reverse]
    view.edges["inbound_base_fee_msat"][rows] = policies.inbound_base_fee_msat[owners]
    view.edges["inbound_fee_rate_ppm"][rows] = policies.inbound_fee_rate_ppm[owners]
    rows = view.position[directions]
    directions, rows = directions[rows >= 0], rows[rows >= 0]
    for name in ("base_fee_msat", "fee_rate_ppm", "min_htlc_msat", "max_htlc_msat", "time_lock_delta_blocks"):
        view.edges[name][rows] = getattr(policies, name)[directions]
    view.edges["disabled"][rows] = policies.disabled[directions]


def build_own_channels(graph: NetworkGraph, max_htlcs: int) -> OwnChannels:
    """List every node's directions; nothing is spendable yet."""
    sources = graph.sources()
    order = np.argsort(sources, kind="stable").astype(np.int32)
    first_out = np.searchsorted(sources[order], np.arange(graph.node_count + 1)).astype(np.int32)
    return OwnChannels(
        first_out=first_out,
        out_direction=order,
        spendable_msat=np.zeros(2 * graph.channel_count, np.int64),
        pending_htlcs=np.zeros(2 * graph.channel_count, np.int32),
        active=np.ones(graph.channel_count, np.bool_),
        max_htlcs=max_htlcs,
    )


def make_routes(count: int) -> RouteColumns:
    """Return room for `count` routes."""
    return RouteColumns(
        direction=np.zeros((count, MAX_HOPS), np.int32),
        amount_msat=np.zeros((count, MAX_HOPS), np.int64),
        cltv_blocks=np.zeros((count, MAX_HOPS), np.int32),
        hops=np.zeros(count, np.int32),
    )


def make_scratch(node_count: int) -> Scratch:
    """Return working memory for a graph of `node_count` nodes."""
    return Scratch(
        reach=np.zeros(2 * node_count + 2, REACH),
        labels=np.zeros(node_count + 1, LABEL),
        bounds=np.zeros((4, 3), np.int64),
        heap_keys=np.zeros(2 * node_count + 2, np.int64),
        heap_nodes=np.zeros(2 * node_count + 2, np.int32),
        counters=np.array([0, 0, PATIENCE, MANY_PAIRS], np.int64),
        tried=np.zeros(node_count + 1, TRIED),
        later=np.zeros(node_count + 1, np.int64),
        to_go=np.zeros(node_count + 1, np.int64),
        near=np.zeros(node_count + 1, np.int32),
        waiting=np.zeros(2 * node_count + 2, np.int32),
        walk=np.zeros(5, np.int64),
        ignored=np.zeros(0, np.int64),
    )


def ignored_pairs(pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Return pairs (from, to) as `Scratch.ignored` wants them; ANY_NODE as `to` means all pairs of the node."""
    return np.array(sorted({(first << 32) | (second + 1) for first, second in pairs}), np.int64)
