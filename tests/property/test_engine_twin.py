"""The compiled event engine agrees with the plain simulator in every row that it gives out."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from tests.reference import networks
from tests.reference.engine import AttemptRow, HtlcRow, Request, Simulator, World
from tests.support.routers import CheapestRouter

from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.sim.engine import Engine, EngineConfig, Harvest, PaymentRequests
from lightninglens.sim.state import SenderKind

START_NS = 1_700_000_000 * 10**9
SECOND_NS = 10**9


def columns(requests: Sequence[Request]) -> PaymentRequests:
    """Return what the engine takes for these requests."""

    def column(values: Sequence[int | None], dtype: type[np.generic]) -> np.ndarray:
        return np.array([-1 if value is None else value for value in values], dtype)

    return PaymentRequests(
        start_ns=column([request.start_ns for request in requests], np.int64),
        sender=column([request.sender for request in requests], np.int32),
        receiver=column([request.receiver for request in requests], np.int32),
        amount_msat=column([request.amount_msat for request in requests], np.int64),
        fee_limit_msat=column([request.fee_limit_msat for request in requests], np.int64),
        kind=np.zeros(len(requests), np.int8),
        tag=np.arange(len(requests), dtype=np.int32),
        outgoing=column([request.outgoing_direction for request in requests], np.int32),
        last_hop=column([request.last_hop for request in requests], np.int32),
        most_parts=column([request.max_parts for request in requests], np.int32),
    )


def draw_request(draw: random.Random, graph: NetworkGraph) -> Request:
    """Draw a payment, one in six to the payer himself."""
    nodes, sources = graph.node_count, graph.sources().tolist()
    sender = draw.randrange(nodes)
    others = [node for node in range(nodes) if node != sender]
    own = [direction for direction, node in enumerate(sources) if node == sender]
    small, large = [1, 353_999, 354_000, 1_000_000, 9_000_000], [60_000_000, 150_000_000, 300_000_000, 600_000_000]
    amount = draw.choice([*small, *large, *large])
    return Request(
        start_ns=START_NS + draw.choice([draw.randrange(1_800), 300 + draw.randrange(4)]) * SECOND_NS,
        sender=sender,
        receiver=sender if draw.random() < 1 / 6 else draw.choice(others),
        amount_msat=amount,
        fee_limit_msat=draw.choice([amount, amount // 20, amount // 100, 0]),
        outgoing_direction=draw.choice(own) if own and draw.random() < 0.1 else None,
        last_hop=draw.choice(others) if draw.random() < 0.1 else None,
        max_parts=draw.choice([1, 16, 16, 3, 2]),
    )


class Pair:
    """An engine and its twin, on one random network."""

    def __init__(self, seed: int, payments: int) -> None:
        self.draw = draw = random.Random(seed)
        self.graph = graph = networks.draw_graph(draw)
        feerate = draw.choice([0, 253, 2_500, 2_501, 12_345])
        openers = draw_openers(graph, seed=seed)
        balances = initial_balances(
            graph, openers, model=draw.choice(list(BalanceModel)), seed=seed, commit_feerate_sat_per_kw=feerate
        )
        world = World(
            seed=seed,
            start_ns=START_NS,
            feerate_per_kw=feerate,
            timeout_ns=draw.choice([60, 2]) * SECOND_NS,
            mpp_timeout_ns=draw.choice([120, 120, 30, 1]) * SECOND_NS,
            retry_delay_ns=draw.choice([5_000_000, 5_000_000, 800_000_000]),
            max_htlcs=draw.choice([483, 483, 2, 1]),
            observed=frozenset(draw.sample(range(graph.node_count), graph.node_count // 2)),
            bimodal=frozenset(draw.sample(range(graph.node_count), draw.choice([0, graph.node_count // 4]))),
            routers={node: CheapestRouter() for node in draw.sample(range(graph.node_count), draw.choice([0, 0, 3]))},
        )
        config = EngineConfig(
            seed=seed,
            start_ns=START_NS,
            commit_feerate_sat_per_kw=feerate,
            payment_timeout_ns=world.timeout_ns,
            mpp_timeout_ns=world.mpp_timeout_ns,
            retry_delay_ns=world.retry_delay_ns,
        )
        self.engine = Engine(graph, balance_msat=balances, opener_side=openers, config=config)
        own = self.engine._world.own._replace(max_htlcs=world.max_htlcs)
        self.engine._world = self.engine._world._replace(own=own)
        self.engine.observe(sorted(world.observed))
        self.engine.set_senders(sorted(world.bimodal), SenderKind.LND_BIMODAL)
        for node in world.routers:
            self.engine.plug([node], CheapestRouter())
        self.twin = Simulator(graph, balances.tolist(), openers.tolist(), world)
        requests = [draw_request(draw, graph) for _ in range(payments)]
        self.engine.submit(columns(requests))
        for request in requests:
            self.twin.submit(request)

    def disturb(self) -> None:
        """Change policies and take channels up or down, in both."""
        draw = self.draw
        for _ in range(draw.randrange(4)):
            direction = draw.randrange(2 * self.graph.channel_count)
            capacity_sat = int(self.graph.capacity_sat[direction // 2])
            policy = networks.draw_policy(draw, capacity_sat)
            if policy is not None and self.graph.policies.known[direction]:
                spread_ns = draw.choice([0, 90, 600]) * SECOND_NS
                self.engine.set_policy(direction, policy, spread_ns=spread_ns)
                self.twin.set_policy(direction, policy, spread_ns)
        channel = draw.randrange(self.graph.channel_count)
        active = draw.random() < 0.6
        self.engine.set_active(channel, active=active)
        self.twin.active[channel] = active

    def run(self) -> Harvest:
        """Run both to the end through the same disturbances, compare, and return what came out."""
        for minute in sorted(self.draw.sample(range(1, 30), 4)):
            time_ns = START_NS + minute * 60 * SECOND_NS
            self.engine.run_until(time_ns)
            self.twin.run_until(time_ns)
            self._compare_channels()
            self.disturb()
        self.engine.run_until(START_NS + 10**15)
        self.twin.run_until(START_NS + 10**15)
        self._compare_channels()
        assert self.engine.events == self.twin.events
        harvest = self.engine.harvest()
        self._compare_rows(harvest)
        return harvest

    def _compare_channels(self) -> None:
        twin = self.twin.channels
        assert self.engine.balances_msat().tolist() == [msat for channel in twin for msat in channel.balance_msat]
        for ours, theirs in (
            (self.engine.pending_msat(), [channel.pending_msat(side) for channel in twin for side in (0, 1)]),
            (self.engine.spendable_msat(), [channel.available(side) for channel in twin for side in (0, 1)]),
        ):
            assert ours.tolist() == theirs
        assert self.engine.conservation_drift_msat() == 0

    def _compare_rows(self, harvest: Harvest) -> None:
        fields = ["payment_id", "outcome", "end_ns", "attempts", "parts", "fee_msat", "hops"]
        fields += ["failure_code", "failure_detail", "failure_direction"]
        ours = zip(*(getattr(harvest.payments, name).tolist() for name in fields), strict=True)
        theirs = [
            (
                payment.payment_id,
                int(payment.outcome),
                payment.end_ns,
                payment.attempts,
                len(payment.settled),
                payment.fee_msat,
                payment.hops,
                payment.code,
                payment.detail,
                payment.failed_direction,
            )
            for payment in self.twin.finished
        ]
        assert list(ours) == theirs
        assert attempt_rows(harvest) == self.twin.attempts
        assert [HtlcRow(*row) for row in harvest.htlc_events.tolist()] == self.twin.htlc_events


def attempt_rows(harvest: Harvest) -> list[AttemptRow]:
    """Return the engine's attempts with their routes."""
    rows, first = [], 0
    for row in harvest.attempts.tolist():
        hops = row[6]
        rows.append(AttemptRow._make([*row, tuple(harvest.routes[first : first + hops].tolist())]))
        first += hops
    return rows


@pytest.mark.kernel
def test_a_few_worlds() -> None:
    """Small enough for the uncompiled kernels."""
    for seed in range(8):
        Pair(seed, payments=40).run()


@pytest.mark.nightly
def test_thousands_of_worlds() -> None:
    """Longer, with other seeds."""
    for seed in range(100_000, 105_000):
        Pair(seed, payments=200).run()


def test_engine_equals_the_twin() -> None:
    """Payments, attempts, routes, HTLC events, balances: the same on 250 random networks under disturbance."""
    codes: set[tuple[int, int]] = set()
    succeeded = split = 0
    for seed in range(1_000, 1_250):
        harvest = Pair(seed, payments=120).run()
        codes |= set(zip(harvest.attempts["code"].tolist(), harvest.attempts["detail"].tolist(), strict=True))
        succeeded += int((harvest.payments.outcome == 1).sum())
        split += int((harvest.payments.parts > 1).sum())
    assert succeeded > 5_000
    assert split > 150
    assert {(0, 0), (23, 14), (15, 6), (15, 5), (15, 8), (15, 22), (18, 3), (12, 1), (13, 1), (11, 1)} <= codes
