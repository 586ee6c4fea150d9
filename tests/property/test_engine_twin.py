"""The compiled event engine agrees with the plain simulator in every row that it gives out."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.reference import networks
from tests.reference.channels import Channel
from tests.reference.engine import Simulator
from tests.reference.engine_network import BLOCK_NS
from tests.reference.engine_records import AttemptRow, HtlcRow, Payment, Request, RouteHtlc, World
from tests.support.routers import CheapestRouter

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.ids import ChannelId
from lightninglens.sim.answers import Answer
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.sim.engine import Engine
from lightninglens.sim.given import GivenRoute
from lightninglens.sim.opening import NewChannel
from lightninglens.sim.records import EngineConfig, Harvest, PaymentRequests
from lightninglens.sim.state import SenderKind

START_NS = 1_700_000_000 * 10**9
SECOND_NS = 10**9
ANSWERS = {
    "settle": Answer.SETTLE,
    "unknown": Answer.UNKNOWN_INVOICE,
    "hold-settle": Answer.HOLD_THEN_SETTLE,
    "hold-cancel": Answer.HOLD_THEN_CANCEL,
    "hold": Answer.HOLD,
}


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
        answer=column([ANSWERS[request.answer] for request in requests], np.int8),
        hold_ns=column([request.hold_ns for request in requests], np.int64),
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
        answer=draw.choice([*["settle"] * 20, *ANSWERS]),
        hold_ns=draw.choice([0, 1, 10, 100, 900, 40_000, 60_000]) * SECOND_NS,
    )


def given(hops: Sequence[RouteHtlc]) -> GivenRoute:
    """Return the route that the engine takes for these hops."""
    return GivenRoute(
        directions=tuple(hop.direction for hop in hops),
        amounts_msat=tuple(hop.amount_msat for hop in hops),
        expiry_heights=tuple(hop.expiry for hop in hops),
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
            gossip_median_ns=draw.choice([0.0, 20e9, 120e9]),
            node_offline=draw.choice([None, None, (0.1, 300e9), (0.3, 1_500e9)]),
            link_offline=draw.choice([None, None, (0.2, 100e9), (0.1, 1_300e9)]),
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
            gossip_delay_median_ms=world.gossip_median_ns / 1e6,
            node_offline_share=world.node_offline[0] if world.node_offline else 0.0,
            node_offline_mean_s=world.node_offline[1] / 1e9 if world.node_offline else 1.0,
            channel_offline_share=world.link_offline[0] if world.link_offline else 0.0,
            channel_offline_mean_s=world.link_offline[1] / 1e9 if world.link_offline else 1.0,
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
        for _ in range(draw.choice([0, 1, 2, 3, 9])):
            direction = draw.randrange(2 * self.graph.channel_count)
            capacity_sat = int(self.graph.capacity_sat[direction // 2])
            policy = networks.draw_policy(draw, capacity_sat)
            known = self.graph.policies.known[direction] and not self.engine.is_closed(direction // 2)
            if policy is not None and known:
                spread_ns = draw.choice([0, 90, 600]) * SECOND_NS
                self.engine.set_policy(direction, policy, spread_ns=spread_ns)
                self.twin.set_policy(direction, policy, spread_ns)
        for _ in range(draw.choice([0, 0, 1, 3])):
            self._open()
        for _ in range(draw.choice([0, 0, 1])):
            self._close(draw.randrange(self.engine.graph.channel_count))
        for _ in range(draw.choice([0, 0, 1, 2])):
            self._take_offline()
        for payment in self.twin.payments:
            if payment.answer_is_open and draw.random() < 0.3:
                self._decide(payment)
        for _ in range(draw.choice([0, 2, 6])):
            self._send_route()
        channel = draw.randrange(self.graph.channel_count)
        active = draw.random() < 0.6
        self.engine.set_active(channel, active=active)
        self.twin.active[channel] = active

    def _draw_route(self) -> list[RouteHtlc]:
        """Draw a walk over announced directions, priced as its nodes ask, or not quite."""
        draw, twin = self.draw, self.twin
        position = self.engine._world.gossip.position
        usable = [direction for direction in range(len(twin.source)) if position[direction] >= 0]
        walk = [draw.choice(usable)]
        for _ in range(draw.choice([0, 1, 1, 2, 3])):
            further = [direction for direction in usable if twin.source[direction] == twin.target[walk[-1]]]
            walk += [draw.choice(further)] if further else []
        off = draw.choice([0, 0, 0, 1, -1, 5_000])
        amount = draw.choice([1, 354_000, 5_000_000, 60_000_000])
        expiry = twin._height + draw.choice([83, 83, 83, 80, 79, 3, 2_000])
        hops = []
        for direction in reversed(walk):
            hops.append(RouteHtlc(direction, amount, expiry))
            policy = twin.enforced[direction]
            amount = max(amount + policy.base_fee_msat + amount * policy.fee_rate_ppm // 10**6 + off, 1)
            expiry += policy.time_lock_delta_blocks + draw.choice([0, 0, 0, 1, -1])
        return hops[::-1]

    def _send_route(self) -> None:
        """Send along a route that is drawn, perhaps as a part of a payment, in both."""
        draw, hops = self.draw, self._draw_route()
        ends = (self.twin.source[hops[0].direction], self.twin.target[hops[-1].direction])
        joins = [
            payment
            for payment in self.twin.payments
            if payment.request.routes_given
            and payment.outcome == HtlcOutcome.IN_FLIGHT
            and payment.failure_reason is None
            and (payment.request.sender, payment.request.receiver) == ends
            and payment.remaining >= hops[-1].amount_msat
        ]
        answer, hold_ns = draw.choice([*["settle"] * 4, *ANSWERS]), draw.choice([0, 100]) * SECOND_NS
        total = hops[-1].amount_msat * draw.choice([1, 1, 2])
        request = Request(self.twin.now, *ends, total, 0, answer=answer, hold_ns=hold_ns, routes_given=True)
        payment = joins[0] if joins else Payment(len(self.twin.payments), request)
        skips = draw.random() < 0.5
        sent = self.engine.submit_route(
            given(hops),
            payment_id=payment.payment_id,
            total_msat=payment.request.amount_msat,
            answer=ANSWERS[answer],
            hold_ns=hold_ns,
            skips_temporary_errors=skips,
        )
        self.twin.send_to_route(payment, hops, skip_temp_err=skips)
        assert sent == (payment.payment_id, payment.attempts)
        if not joins and total > hops[-1].amount_msat:
            self._send_part(payment, hops)

    def _send_part(self, payment: Payment, hops: list[RouteHtlc]) -> None:
        """Send the other half of a payment by the same route."""
        again = [replace(hop, htlc=None) for hop in hops]
        self.engine.submit_route(
            given(hops),
            payment_id=payment.payment_id,
        )
        self.twin.send_to_route(payment, again, skip_temp_err=False)

    def _decide(self, payment: Payment) -> None:
        """Let a receiver settle or cancel what it holds, in both."""
        complete = payment.invoice is not None and payment.invoice.state == "accepted"
        assert (payment.payment_id in self.engine.held_payments()) is complete
        settles = complete and self.draw.random() < 0.5
        (self.engine.settle_held if settles else self.engine.cancel_held)(payment.payment_id)
        self.twin.tell(payment, settles=settles)

    def _open(self) -> None:
        """Open a channel between any two nodes, in both."""
        draw = self.draw
        opener, peer = draw.sample(range(self.graph.node_count), 2)
        capacity_sat, first = draw.choice([50_000, 1_000_000, 5_000_000]), self.engine.graph.channel_count
        push_sat = draw.choice([0, capacity_sat // 2])
        policies = [networks.draw_policy(draw, capacity_sat) or networks.plain_policy() for _ in range(2)]
        after_blocks = draw.choice([0, 1, 1, 6])
        row = self.engine.open_channel(
            NewChannel(
                channel_id=ChannelId.of(900_000, first, 0),
                opener=opener,
                peer=peer,
                capacity_sat=capacity_sat,
                push_sat=push_sat,
                opener_policy=policies[0],
                peer_policy=policies[1],
            ),
            announced_after_blocks=after_blocks,
        )
        assert row == first
        sides = [opener, peer] if opener < peer else [peer, opener]
        balance = {opener: (capacity_sat - push_sat) * 1_000, peer: push_sat * 1_000}
        channel = Channel(
            capacity_msat=capacity_sat * 1_000,
            opener=sides.index(opener),
            balance_msat=[balance[node] for node in sides],
            feerate_per_kw=self.twin.world.feerate_per_kw,
        )
        ours = {opener: policies[0], peer: policies[1]}
        self.twin.open_channel((sides[0], sides[1]), channel, [ours[node] for node in sides], after_blocks * BLOCK_NS)
        self.twin.graph = self.engine.graph

    def _take_offline(self) -> None:
        """Take a node or a channel off the network for a while, in both."""
        draw, now_ns = self.draw, self.twin.now
        until_ns = now_ns + draw.choice([1, 30, 700, 1_400, 5_000]) * SECOND_NS
        if draw.random() < 0.5:
            node = draw.randrange(self.graph.node_count)
            self.engine.take_offline(node, until_ns)
            self.twin.outages.drop_node(node, until_ns, now_ns)
        else:
            channel = draw.randrange(self.engine.graph.channel_count)
            self.engine.disconnect(channel, until_ns)
            self.twin.outages.drop_link(channel, until_ns, now_ns)

    def _close(self, channel: int) -> None:
        """Close a channel that is open, in both."""
        if self.twin.stage[channel] != "open":
            return
        force, blocks = self.draw.random() < 0.5, self.draw.choice([1, 144])
        self.engine.close_channel(channel, force=force, on_chain_blocks=blocks)
        self.twin.close_channel(channel, force=force, on_chain_ns=blocks * BLOCK_NS)

    def run(self) -> Harvest:
        """Run both to the end through the same disturbances, compare, and return what came out."""
        seconds = [60 * minute for minute in self.draw.sample(range(1, 30), 4)]
        for second in sorted([*seconds, 302]):  # once amid the payments that start together
            time_ns = START_NS + second * SECOND_NS
            self.engine.run_until(time_ns)
            self.twin.run_until(time_ns)
            self._compare_channels()
            self.disturb()
        end_ns = START_NS + (9_000 if self.twin.world.node_offline or self.twin.world.link_offline else 10**6) * 10**9
        self.engine.run_until(end_ns)
        self.twin.run_until(end_ns)
        self._compare_channels()
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
        closed = [self.engine.is_closed(row) for row in range(len(twin))]
        assert closed == [stage == "closed" for stage in self.twin.stage]

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
    """Payments, attempts, routes, HTLC events, balances: the same on 160 random networks under disturbance."""
    codes: set[tuple[int, int]] = set()
    succeeded = split = 0
    for seed in range(1_000, 1_160):
        harvest = Pair(seed, payments=120).run()
        codes |= set(zip(harvest.attempts["code"].tolist(), harvest.attempts["detail"].tolist(), strict=True))
        succeeded += int((harvest.payments.outcome == 1).sum())
        split += int((harvest.payments.parts > 1).sum())
    assert succeeded > 2_800
    assert split > 90
    assert {(1, 10), (1, 12), (1, 13), (1, 19), (7, 1), (22, 1)} <= codes
    assert {(0, 0), (23, 14), (15, 6), (15, 5), (15, 8), (15, 22), (18, 3), (12, 1), (13, 1), (11, 1)} <= codes
