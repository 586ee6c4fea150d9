"""No millisatoshi appears or disappears: a million events on random networks, stopped anywhere."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.reference.networks import Channel, build_graph, plain_policy

from lightninglens.core.channels import ANCHORS_SAT, MAX_HTLC_SLOTS
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.routing.pathfinding import default_fee_limit_msat
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import EngineConfig, Harvest, PaymentRequests

FEERATE = 2_500
END_NS = 10**16
I64 = NDArray[np.int64]


def star(random: np.random.Generator) -> tuple[int, list[Channel]]:
    """A hub, with two channels to some of its peers."""
    return 7, [(0, node, 2_000_000) for node in (1, 2, 3, 4, 5, 6, 1, 2)]


def ring(random: np.random.Generator) -> tuple[int, list[Channel]]:
    """Nine nodes in a circle, each pair once: nobody has a choice of links."""
    return 9, [(node, node + 1, int(random.integers(1, 9)) * 500_000) for node in range(8)] + [(0, 8, 3_000_000)]


def mesh(random: np.random.Generator) -> tuple[int, list[Channel]]:
    """Twelve nodes, 40 random channels, some parallel."""
    pairs = [tuple(sorted(random.choice(12, 2, replace=False).tolist())) for _ in range(40)]
    return 12, [(low, high, int(random.integers(1, 6)) * 400_000) for low, high in pairs]


class World:
    """A random network, its nodes observed or not, and what it was before the first payment."""

    def __init__(self, shape: object, seed: int, *, observed: bool = True) -> None:
        self.random = random = np.random.default_rng(seed)
        nodes, channels = shape(random)  # type: ignore[operator]
        policies = [
            plain_policy(
                base_msat=int(random.choice([0, 1, 1_000])),
                rate_ppm=int(random.choice([0, 50, 500, 3_000])),
                inbound_base_msat=int(random.choice([0, 0, -300, 200])),
                inbound_rate_ppm=int(random.choice([0, 0, -400, 100])),
            )
            for _ in range(2 * len(channels))
        ]
        self.graph: NetworkGraph = build_graph(nodes, channels, policies)
        self.openers = draw_openers(self.graph, seed=seed)
        self.before = initial_balances(
            self.graph, self.openers, model=BalanceModel.UNIFORM, seed=seed, commit_feerate_sat_per_kw=FEERATE
        )
        self.engine = Engine(
            self.graph,
            balance_msat=self.before,
            opener_side=self.openers,
            config=EngineConfig(seed=seed, commit_feerate_sat_per_kw=FEERATE),
        )
        self.engine.observe(list(range(nodes)) if observed else [])
        margin = self.opener_margin()
        self.healthy = margin >= 0

    def pay_at_random(
        self, count: int, *, span_s: int, most_parts: int = 1, median_log_msat: float = 13.0, hold_s: int = 0
    ) -> PaymentRequests:
        """Submit payments between random nodes, most of them small, a tenth circular; many held if `hold_s` says so."""
        random, nodes = self.random, self.graph.node_count
        amount = np.exp(random.normal(median_log_msat, 2.5, count)).astype(np.int64) + 1
        sender = random.integers(0, nodes, count)
        receiver = np.where(random.random(count) < 0.1, sender, random.integers(0, nodes, count))
        requests = PaymentRequests(
            start_ns=np.sort(random.integers(0, span_s * 10**9, count)) + self.engine.now_ns,
            sender=sender.astype(np.int32),
            receiver=receiver.astype(np.int32),
            amount_msat=amount,
            fee_limit_msat=np.array([default_fee_limit_msat(msat) for msat in amount.tolist()], np.int64),
            kind=np.zeros(count, np.int8),
            tag=np.zeros(count, np.int32),
            outgoing=np.full(count, -1, np.int32),
            last_hop=np.full(count, -1, np.int32),
            most_parts=np.full(count, most_parts, np.int32),
            answer=random.integers(0, 5, count).astype(np.int8) if hold_s else np.zeros(count, np.int8),
            hold_ns=random.integers(0, hold_s * 10**9, count) if hold_s else np.zeros(count, np.int64),
        )
        self.engine.submit(requests)
        return requests

    def stops(self, most: int = 8_000) -> Iterator[int]:
        """Run to the end, stopping after random numbers of events."""
        while not self.engine.run_until(END_NS, most_events=int(self.random.integers(1, most))):
            yield self.engine.events

    def opener_margin(self) -> I64:
        """What each opener has above reserve, anchors and commitment fee."""
        rows = np.arange(self.graph.channel_count)
        balance = self.engine.balances_msat()[2 * rows + self.openers]
        reserve = np.maximum(self.graph.capacity_sat // 100, 354)
        return np.asarray(balance - (reserve + ANCHORS_SAT + self.engine.commit_fees_sat()) * 1_000, np.int64)

    def check_at_a_stop(self) -> None:
        """What holds at every moment."""
        engine = self.engine
        balances, pending = engine.balances_msat(), engine.pending_msat()
        assert engine.conservation_drift_msat() == 0
        assert balances.min() >= 0
        assert pending.min() >= 0
        per_channel = (balances + pending).reshape(-1, 2).sum(axis=1)
        assert per_channel.tolist() == (self.graph.capacity_sat * 1_000).tolist()
        assert int(engine._world.own.pending_htlcs.max()) <= MAX_HTLC_SLOTS
        assert int(engine._world.own.pending_htlcs.min()) >= 0
        assert self.opener_margin()[self.healthy].min(initial=0) >= 0
        per_node = np.zeros(self.graph.node_count, np.int64)
        np.add.at(per_node, self.graph.sources(), balances)
        assert engine._world.network.node_msat.tolist() == per_node.tolist()

    def check_at_the_end(self, requests: PaymentRequests, harvest: Harvest) -> None:
        """What holds when nothing is under way any more."""
        engine = self.engine
        assert engine.in_flight == 0
        assert engine.pending_msat().sum() == 0
        assert int(engine._world.own.pending_htlcs.sum()) == 0
        assert int(engine._world.network.htlcs_with_weight.sum()) == 0
        payments = harvest.payments
        assert sorted(payments.payment_id.tolist()) == list(range(len(requests.sender)))
        check_terminals(harvest)
        self.check_books(harvest)

    def check_books(self, harvest: Harvest) -> None:
        """Fees paid are fees earned, and each node has gained and lost just what its payments say."""
        payments, events = harvest.payments, harvest.htlc_events
        done = payments.outcome == HtlcOutcome.SUCCEEDED
        settled = (events["kind"] == HtlcEventKind.SETTLE) & (events["event_type"] == HtlcEventType.FORWARD)
        earned = events["incoming_amount_msat"][settled] - events["outgoing_amount_msat"][settled]
        assert int(payments.fee_msat[done].sum()) == int(earned.sum())
        assert int(payments.fee_msat[~done].sum()) == 0
        expected = np.zeros(self.graph.node_count, np.int64)
        np.add.at(expected, payments.sender[done], -(payments.amount_msat + payments.fee_msat)[done])
        np.add.at(expected, payments.receiver[done], payments.amount_msat[done])
        np.add.at(expected, events["node"][settled], earned)
        gained = np.zeros(self.graph.node_count, np.int64)
        np.add.at(gained, self.graph.sources(), self.engine.balances_msat() - self.before)
        assert gained.tolist() == expected.tolist()
        assert gained.sum() == 0


def keys(events: np.ndarray, side: str) -> list[tuple[int, int]]:
    """Return the HTLCs on one side of these events, sorted."""
    pairs = zip(events[f"{side}_direction"].tolist(), events[f"{side}_htlc_id"].tolist(), strict=True)
    return sorted(pairs)


def check_terminals(harvest: Harvest) -> None:
    """Every HTLC is added once and ends once, at the node that offered it and at the one that got it."""
    events = harvest.htlc_events
    kind, part = events["kind"], events["event_type"]
    added = kind == HtlcEventKind.FORWARD
    offered = keys(events[added], "outgoing")
    assert len(set(offered)) == len(offered)
    resolved = (kind == HtlcEventKind.SETTLE) | (kind == HtlcEventKind.FORWARD_FAIL)
    assert keys(events[resolved & (part != HtlcEventType.RECEIVE)], "outgoing") == offered
    received = part != HtlcEventType.SEND
    ended = resolved | (kind == HtlcEventKind.LINK_FAIL)
    assert keys(events[received & ended], "incoming") == offered


def check_exact_fees(world: World, harvest: Harvest) -> None:
    """Where no node has a choice of links, each keeps exactly outbound plus inbound fee, never less than 0."""
    events = harvest.htlc_events
    forwarded = (events["kind"] == HtlcEventKind.FORWARD) & (events["event_type"] == HtlcEventType.FORWARD)
    for row in events[forwarded][:20_000]:
        outgoing = world.graph.policies.get(int(row["outgoing_direction"]))
        incoming = world.graph.policies.get(int(row["incoming_direction"]) ^ 1)
        assert outgoing is not None
        assert incoming is not None
        amount = int(row["outgoing_amount_msat"])
        outbound = outgoing.outbound_fee_msat(amount)
        fee = max(outbound + incoming.inbound_fee_msat(amount + outbound), 0)
        assert int(row["incoming_amount_msat"]) - amount == fee


@pytest.mark.parametrize(
    ("shape", "payments"), [(star, 90_000), (ring, 65_000), (mesh, 75_000)], ids=["star", "ring", "mesh"]
)
def test_a_third_of_a_million_events(shape: object, payments: int) -> None:
    """Three shapes, over 10^6 events together: every invariant at every stop and at the end."""
    world = World(shape, seed=5)
    requests = world.pay_at_random(payments, span_s=payments)
    for _ in world.stops():
        world.check_at_a_stop()
    assert world.engine.events > 340_000
    harvest = world.engine.harvest()
    world.check_at_the_end(requests, harvest)
    if shape is ring:
        check_exact_fees(world, harvest)


@pytest.mark.nightly
def test_a_hundred_million_events() -> None:
    """The same at length, on as many random networks as it takes; HTLC events stay inside."""
    events, seed = 0, 1_000
    while events < 10**8:
        world = World((star, ring, mesh)[seed % 3], seed=seed, observed=False)
        world.pay_at_random(100_000, span_s=100_000)
        for _ in world.stops(most=200_000):
            world.check_at_a_stop()
        world.check_at_a_stop()
        assert world.engine.pending_msat().sum() == world.engine.in_flight == 0
        payments = world.engine.harvest().payments
        done = payments.outcome == HtlcOutcome.SUCCEEDED
        assert payments.fee_msat.min() >= 0
        assert done.sum() > 20_000
        events, seed = events + world.engine.events, seed + 1


def test_parts_that_are_held_and_settled_together() -> None:
    """Large payments in up to 16 parts, many of which the receiver sends back: the same at every stop."""
    world = World(mesh, seed=9)
    requests = world.pay_at_random(20_000, span_s=60_000, most_parts=16, median_log_msat=18.5)
    for _ in world.stops(most=2_000):
        world.check_at_a_stop()
    harvest = world.engine.harvest()
    assert int((harvest.payments.parts > 1).sum()) > 300
    assert int((harvest.attempts["code"] == FailureCode.MPP_TIMEOUT).sum()) > 300
    world.check_at_the_end(requests, harvest)
    check_terminals(harvest)


def test_sets_that_are_held_and_settled_or_cancelled() -> None:
    """Receivers of every kind, in parts, some told from outside what to do: the same at every stop."""
    world = World(mesh, seed=11)
    requests = world.pay_at_random(12_000, span_s=400_000, most_parts=16, median_log_msat=17.0, hold_s=90_000)
    decided = 0
    for _ in world.stops(most=2_000):
        world.check_at_a_stop()
        for payment_id in world.engine.held_payments().tolist()[:2]:
            (world.engine.settle_held if payment_id % 2 else world.engine.cancel_held)(payment_id)
            decided += 1
    harvest = world.engine.harvest()
    details = harvest.attempts["detail"]
    assert decided > 20
    assert int((details == FailureDetail.INVOICE_CANCELED).sum()) > 500
    assert int((details == FailureDetail.UNKNOWN_INVOICE).sum()) > 500
    world.check_at_the_end(requests, harvest)
    check_terminals(harvest)


def test_slots_and_dust_in_a_burst() -> None:
    """Thousands of tiny payments at the same moment: never more than 483 HTLCs a side, and nothing lost."""
    world = World(star, seed=6)
    requests = world.pay_at_random(20_000, span_s=2)
    most = 0
    for _ in world.stops(most=400):
        world.check_at_a_stop()
        most = max(most, int(world.engine._world.own.pending_htlcs.max()))
    assert most == MAX_HTLC_SLOTS
    world.check_at_the_end(requests, world.engine.harvest())


@pytest.mark.kernel
def test_a_small_world() -> None:
    """Small enough for the uncompiled kernels."""
    world = World(mesh, seed=7)
    requests = world.pay_at_random(60, span_s=60)
    for _ in world.stops():
        world.check_at_a_stop()
    world.check_at_the_end(requests, world.engine.harvest())
