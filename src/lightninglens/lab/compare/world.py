"""One simulated world under one strategy: the same intents, the same guard, the same accounting for all."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lightninglens.analytics.payments import depletion
from lightninglens.control.guard import RefusalCode, check_change
from lightninglens.control.rebalance import LiquidityView, NodeView
from lightninglens.core.errors import ConfigError, InvariantError, LensError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.ids import NodeId
from lightninglens.core.observations import ChannelSeen, Observation, PaymentSeen
from lightninglens.core.records import STRICT, JournalRecord, JournalState, Plan, RebalanceChange
from lightninglens.core.units import NS_PER_SECOND, Msat, UnixNs
from lightninglens.lab.compare.ceiling import Ceiling, is_hopeless
from lightninglens.lab.compare.options import ActingNodes, CompareOptions
from lightninglens.lab.compare.strategies import Strategy
from lightninglens.lab.learning.observing import HarvestReader
from lightninglens.lab.worlds import open_world
from lightninglens.sim.balances import BalanceModel, initial_balances
from lightninglens.sim.demand import draw_intents, to_requests
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.rebalances import circular_payment
from lightninglens.sim.records import EngineConfig, Harvest, PaymentKind
from lightninglens.sim.scenario import WORLD_START_S

START_NS = WORLD_START_S * NS_PER_SECOND
SNAPSHOT_NS = 300 * NS_PER_SECOND
"""How often a strategy that observes is shown all channels."""

_WAIT_NS = NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldResult:
    """What happened in one world. Payments are the network's; what is earned, paid and sent is the acting nodes'."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    seed: int
    strategy: str
    node: str | None
    """The node that acts; None: all."""
    payments: int
    succeeded: int
    attempts: int
    amount_msat: int
    delivered_msat: int
    own_delivered_msat: int
    """Of the payments that the acting nodes sent."""
    earned_msat: int
    """Fees for forwarding payments; those for forwarding somebody's rebalance are left out."""
    cost_msat: int
    """Fees that the acting nodes paid for their rebalances."""
    depleted_share: float
    """Share of the network's channels with less than a tenth on one side, mean over the decisions' moments."""
    rebalances_tried: int
    rebalances_succeeded: int
    rebalanced_msat: int
    refused: Mapping[str, int]
    """Changes that the guard turned down, by reason."""
    predicted_gain_msat: int | None
    """Sum over the rebalances that succeeded; None where the strategy predicts nothing."""


def run_world(options: CompareOptions, seed: int, name: str, make: Callable[[], Strategy]) -> WorldResult:
    """Return what happens in the world of this seed under a strategy.

    Raises LensError when somebody's own strategy fails, InvariantError when the
    simulation loses money.
    """
    return _World(options, seed, name, make()).run()


def measure_ceiling(options: CompareOptions, seed: int) -> Ceiling:
    """Return, of the world of this seed in which nobody rebalances, how many failures no circle could have helped."""
    engine, graph = new_engine(options, seed)
    engine.run_until(FOREVER_NS)
    payments = engine.harvest().payments
    failed = np.flatnonzero(payments.outcome != HtlcOutcome.SUCCEEDED)
    failed = failed[np.argsort(payments.end_ns[failed], kind="stable")]
    # The same world a second time, halted at each failure: the balances of that moment.
    again, _ = new_engine(options, seed)
    hopeless = []
    for row in failed.tolist():
        again.run_until(int(payments.end_ns[row]))
        ends = int(payments.sender[row]), int(payments.receiver[row])
        if is_hopeless(graph, again.balances_msat(), *ends, int(payments.amount_msat[row])):
            hopeless.append(row)
    return Ceiling(
        payments=len(payments.payment_id),
        failed=len(failed),
        hopeless=len(hopeless),
        failed_msat=int(payments.amount_msat[failed].sum()),
        hopeless_msat=int(payments.amount_msat[hopeless].sum()),
    )


def new_engine(options: CompareOptions, seed: int) -> tuple[Engine, NetworkGraph]:
    """Return the five-node lab of this seed with all payments of the comparison submitted."""
    world = open_world("lab", seed=seed)
    graph, opener_side = world.graph, world.opener_side
    if opener_side is None:
        raise InvariantError("the lab does not say who opened its channels")
    config = EngineConfig(seed=seed, start_ns=START_NS)
    balance_msat = initial_balances(
        graph,
        opener_side,
        model=BalanceModel.OPENER,
        seed=seed,
        commit_feerate_sat_per_kw=config.commit_feerate_sat_per_kw,
    )
    engine = Engine(graph, balance_msat=balance_msat, opener_side=opener_side, config=config)
    intents = draw_intents(
        options.demand.model(),
        graph,
        seed=seed,
        start_ns=START_NS,
        end_ns=START_NS + options.duration_ns,
        origin_ns=START_NS,
    )
    engine.submit(to_requests(intents))
    return engine, graph


@dataclass(slots=True)
class _Totals:
    payments: int = 0
    succeeded: int = 0
    attempts: int = 0
    amount_msat: int = 0
    delivered_msat: int = 0
    own_delivered_msat: int = 0
    earned_msat: int = 0
    cost_msat: int = 0
    rebalances_tried: int = 0
    rebalances_succeeded: int = 0
    rebalanced_msat: int = 0
    predicted_gain_msat: int | None = None


class _World:
    def __init__(self, options: CompareOptions, seed: int, name: str, strategy: Strategy) -> None:
        self._options, self._seed, self._name, self._strategy = options, seed, name, strategy
        self._engine, self._graph = new_engine(options, seed)
        count = self._graph.node_count
        self._one = seed % count if options.nodes is ActingNodes.ONE else None
        self._acting = list(range(count)) if self._one is None else [self._one]
        self._rows = {NodeId(self._graph.node_ids[row]): row for row in self._acting}
        self._sources, self._targets = self._graph.sources(), self._graph.targets()
        self._directions = {
            (int(self._sources[direction]), self._graph.channel_id(direction // 2)): direction
            for direction in range(len(self._sources))
        }
        self._reader = HarvestReader(self._graph)
        self._journal: dict[NodeId, list[JournalRecord]] = {node_id: [] for node_id in self._rows}
        self._sent: dict[int, tuple[Plan, int]] = {}
        self._rebalances: set[int] = set()
        self._refused: Counter[str] = Counter()
        self._depleted: list[float] = []
        self._totals = _Totals()

    def run(self) -> WorldResult:
        end_ns = START_NS + self._options.duration_ns
        self._show_channels()
        moment_ns = START_NS + self._options.every_ns
        while moment_ns < end_ns:
            self._advance(moment_ns)
            levels = depletion(moment_ns, self._engine.local_msat(), np.ones(self._graph.channel_count, np.bool_))
            self._depleted.append(levels.depleted_share)
            self._carry_out(self._decide())
            moment_ns = max(moment_ns + self._options.every_ns, self._engine.now_ns)
        self._advance(end_ns)
        self._engine.run_until(FOREVER_NS)
        self._absorb(self._engine.harvest())
        if drift := self._engine.conservation_drift_msat():
            raise InvariantError(f"the simulation lost or made {drift} msat: please report seed {self._seed}")
        return WorldResult(
            seed=self._seed,
            strategy=self._name,
            node=None if self._one is None else self._graph.aliases[self._one],
            depleted_share=float(np.mean(self._depleted)) if self._depleted else 0.0,
            refused=dict(sorted(self._refused.items())),
            **dataclasses.asdict(self._totals),
        )

    def _advance(self, time_ns: int) -> None:
        while self._engine.now_ns < time_ns:
            self._engine.run_until(min(time_ns, self._engine.now_ns + SNAPSHOT_NS))
            self._absorb(self._engine.harvest())
            self._show_channels()

    def _decide(self) -> Plan:
        view = LiquidityView(
            nodes=tuple(
                NodeView(
                    node_id=node_id, name=self._graph.aliases[row], channels=tuple(self._engine.channel_states(row))
                )
                for node_id, row in self._rows.items()
            )
        )
        now = UnixNs(self._engine.now_ns)
        try:
            plan = self._strategy.decide(view, now)
        except LensError:
            raise
        except Exception as problem:
            raise LensError(
                f"the strategy {self._name} failed in the world of seed {self._seed}:"
                f" {type(problem).__name__}: {problem}"
            ) from problem
        if not isinstance(plan, Plan):
            raise ConfigError(f"the strategy {self._name} returned a {type(plan).__name__}, not a Plan")
        # Its own id and author might repeat, and the guard counts by them.
        return dataclasses.replace(plan, plan_id=f"{self._name}-{now}", author=self._name)

    def _carry_out(self, plan: Plan) -> None:
        """Do a plan's changes: a node's one after the other, those of different nodes at the same time."""
        waiting: dict[NodeId, list[int]] = {}
        for index, change in enumerate(plan.changes):
            waiting.setdefault(change.node_id, []).append(index)
        while waiting:
            sent = {self._send(plan, indices.pop(0)) for indices in waiting.values()}
            waiting = {node_id: indices for node_id, indices in waiting.items() if indices}
            while self._sent.keys() & sent:
                self._engine.run_until(self._engine.now_ns + _WAIT_NS)
                self._absorb(self._engine.harvest())

    def _send(self, plan: Plan, index: int) -> int | None:
        """Begin one change and return its payment's id, or None when the guard refuses it."""
        change = plan.changes[index]
        row = self._rows.get(change.node_id)
        if row is None:
            self._refused[RefusalCode.UNKNOWN_NODE] += 1
            return None
        confidence = None if change.confidence is None else self._options.min_confidence
        refusal = check_change(
            change,
            self._engine.channel_states(row),
            dataclasses.replace(self._options.rules, min_confidence=confidence),
            author=plan.author,
            records=self._journal[change.node_id],
            now=UnixNs(self._engine.now_ns),
        )
        if refusal is not None:
            self._refused[refusal.code] += 1
            return None
        outgoing = self._directions[row, change.outgoing_channel_id]
        last_hop = int(self._targets[self._directions[row, change.incoming_channel_id]])
        payment_id = self._engine.submit(circular_payment(self._engine.now_ns, row, outgoing, last_hop, change))
        self._sent[payment_id] = plan, index
        self._rebalances.add(payment_id)
        self._write(plan, index, JournalState.SENT)
        return payment_id

    def _write(self, plan: Plan, index: int, state: JournalState, fee_msat: int = 0) -> None:
        change = plan.changes[index]
        journal = self._journal[change.node_id]
        journal.append(
            JournalRecord(
                sequence=len(journal) + 1,
                recorded_ns=UnixNs(self._engine.now_ns),
                plan_id=plan.plan_id,
                change_index=index,
                author=plan.author,
                state=state,
                change=change,
                reserved_msat=change.max_fee_msat,
                fee_msat=Msat(fee_msat),
            )
        )

    def _show_channels(self) -> None:
        if self._strategy.observes:
            self._tell(self._reader.channels(self._engine.now_ns, self._engine.local_msat()))

    def _absorb(self, harvest: Harvest) -> None:
        self._account_attempts(harvest)
        self._account_payments(harvest)
        if self._strategy.observes:
            self._tell(self._reader.payments(harvest))

    def _tell(self, observations: Iterable[Observation]) -> None:
        node_id = None if self._one is None else self._graph.node_ids[self._one]
        for observation in observations:
            if node_id is None or _concerns(observation, node_id):
                self._strategy.observe(observation)

    def _account_attempts(self, harvest: Harvest) -> None:
        """Count what the acting nodes earned by forwarding, which is what came in less what went on."""
        hops = harvest.attempts["hops"]
        attempt = np.repeat(np.arange(len(hops)), hops)
        if len(attempt) < 2:
            return
        settled = harvest.attempts["code"] == FailureCode.NONE
        settled &= ~np.isin(harvest.attempts["payment_id"], list(self._rebalances))
        forwards = (attempt[1:] == attempt[:-1]) & settled[attempt[1:]]
        forwards &= np.isin(self._sources[harvest.routes[1:]], self._acting)
        earned_msat = harvest.route_amounts_msat[:-1] - harvest.route_amounts_msat[1:]
        self._totals.earned_msat += int(earned_msat[forwards].sum())

    def _account_payments(self, harvest: Harvest) -> None:
        payments, totals = harvest.payments, self._totals
        good, ordinary = payments.outcome == HtlcOutcome.SUCCEEDED, payments.kind == PaymentKind.PAYMENT
        delivered = good & ordinary
        totals.payments += int(ordinary.sum())
        totals.succeeded += int(delivered.sum())
        totals.attempts += int(payments.attempts[ordinary].sum())
        totals.amount_msat += int(payments.amount_msat[ordinary].sum())
        totals.delivered_msat += int(payments.amount_msat[delivered].sum())
        own = delivered & np.isin(payments.sender, self._acting)
        totals.own_delivered_msat += int(payments.amount_msat[own].sum())
        for row in np.flatnonzero(~ordinary).tolist():
            plan, index = self._sent.pop(int(payments.payment_id[row]))
            fee_msat = int(payments.fee_msat[row]) if good[row] else 0
            self._write(plan, index, JournalState.SUCCEEDED if good[row] else JournalState.FAILED, fee_msat)
            totals.rebalances_tried += 1
            if good[row]:
                self._account_rebalance(plan.changes[index], fee_msat)

    def _account_rebalance(self, change: RebalanceChange, fee_msat: int) -> None:
        totals = self._totals
        totals.rebalances_succeeded += 1
        totals.rebalanced_msat += change.amount_msat
        totals.cost_msat += fee_msat
        if change.expected_gain is not None:
            totals.predicted_gain_msat = (totals.predicted_gain_msat or 0) + change.expected_gain.expected_msat


def _concerns(observation: Observation, node_id: str) -> bool:
    """Tell whether a node alone could know of this: it is its own channel or payment, or was tried over it."""
    match observation:
        case ChannelSeen():
            return node_id in {observation.node1_id, observation.node2_id}
        case PaymentSeen():
            return node_id in {observation.sender_id, observation.receiver_id} or any(
                node_id in attempt.node_ids for attempt in observation.attempts or ()
            )
