"""One node of one world: what it could know of what it missed, and what it did miss.

The truth of a channel: the same payments again, with ample liquidity on the node's
side of that one channel, and the difference in the node's fees from the payments of
which an attempt failed there for want of balance. What other payments then bring is
traffic that was attracted, and is told apart. The same with other delays says how
much of a truth is chance.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed.estimate import missed_revenue
from lightninglens.core.attempts import FailureCause, ForwardAttempt
from lightninglens.core.htlc import FailureDetail
from lightninglens.core.ids import ChannelId
from lightninglens.core.records import STRICT
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND, PPM
from lightninglens.lab.ego import EgoNetwork, NodeChange, Recording, cut, forwards_at, record, run_twin
from lightninglens.lab.missed.observed import LOOK_NS, Watch, watched
from lightninglens.lab.missed.options import MissedOptions
from lightninglens.lab.worlds import open_world
from lightninglens.sim.demand import named_demand
from lightninglens.sim.engine import Engine
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.simulation import Step

AMPLE_SAT = 2**36
"""More than any channel has, and all that is paid in a run."""
LEAST_REFUSALS = 200
"""A node that refused fewer has no channel worth looking at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCase:
    """One channel: what is said of it, and what is true. All in msat, for the window of the run."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    seed: int
    node_channels: int
    attempts: int
    payments: int
    """What the accounting takes the refused attempts for."""
    true_payments: int
    truth_msat: int
    truth_again_msat: int
    """The same of the same payments with other delays, and other choices among parallel channels."""
    attracted_msat: int
    lower_msat: int
    expected_msat: int
    upper_msat: int
    each_failure_msat: int
    """The sum of what each refused attempt offered: the documented figure, and LNDg's."""
    each_payment_msat: int
    """The same, with retries counted once."""
    volume_msat: int
    """What lightning-jet counts, the amounts of all refused attempts, at the channel's own fee rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One node of a world that refused much, and what was seen of it."""

    ego: EgoNetwork
    recording: Recording
    watch: Watch


def run_seed(options: MissedOptions, seed: int) -> list[ChannelCase]:
    """Return the channels of one node of one world that refused enough; none where there is no such node."""
    seen = watch_node(options, seed)
    return [] if seen is None else _cases(seen, options, seed)


def watch_node(options: MissedOptions, seed: int) -> Watched | None:
    """Run one world, and one of its nodes watched; None where no node refused enough."""
    base = _whole(options, seed)
    centre = _choose(base, seed)
    if centre is None:
        return None
    ego = cut(base, centre, options.radius)
    watch, prepare = watched(ego.centre)
    looked = [0]

    def see(step: Step, engine: Engine) -> None:
        watch.take(ego.graph, step.harvest.htlc_events, step.now_ns)
        if step.now_ns - looked[0] >= LOOK_NS:
            watch.look(engine)
            looked[0] = step.now_ns

    stepwise = replace(ego, scenario=replace(ego.scenario, snapshot_interval_s=LOOK_NS // NS_PER_SECOND))
    recording = run_twin(stepwise, prepare=prepare, watch_step=see)
    watch.finish()
    return Watched(ego=ego, recording=recording, watch=watch)


def _whole(options: MissedOptions, seed: int) -> Recording:
    """Run the whole network."""
    world = open_world(options.graph, seed=seed)
    scenario = Scenario(
        name="missed revenue",
        seed=seed,
        graph=world.source,
        payments=options.payments,
        demand=named_demand(options.demand, lab=False),
    )
    return record(scenario, world.graph, opener_side=world.opener_side)


def _choose(base: Recording, seed: int) -> int | None:
    """Return a node that refused much for want of balance, by the seed's luck."""
    rows = base.attempts.rows
    refused = _refused_for_balance(rows)
    sources = base.graph.sources()[rows["failed_direction"][refused]]
    counts = np.bincount(sources, minlength=base.graph.node_count)
    nodes = np.flatnonzero(counts >= LEAST_REFUSALS)
    luck = float(uniforms(seed, 0, Stream.MISSED_NODE, 1)[0])
    return int(nodes[int(luck * len(nodes))]) if len(nodes) else None


def _refused_for_balance(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which attempts failed at another node than the sender's, for want of balance."""
    lacked: NDArray[np.bool_] = rows["detail"] == int(FailureDetail.INSUFFICIENT_BALANCE)
    return lacked & (rows["failed_index"] > 0) & (rows["failed_direction"] >= 0)


def _cases(seen: Watched, options: MissedOptions, seed: int) -> list[ChannelCase]:
    ego, alone, watch = seen.ego, seen.recording, seen.watch
    evidence = watch.evidence()
    missed = missed_revenue(evidence, frozenset({FailureCause.LIQUIDITY}))
    again = replace(ego, scenario=replace(ego.scenario, seed=ego.scenario.seed + 1))
    alone_again = run_twin(again)
    sources = ego.graph.sources()
    order = np.argsort(-missed.payments, kind="stable")[: options.most_channels]
    found = []
    for row in order.tolist():
        if missed.payments[row] < options.least_payments:
            continue
        channel_id = evidence.channels[row]
        direction = _direction(ego, channel_id, sources)
        truth, attracted, payments = _truth(ego, alone, direction)
        refused = _refused(watch, channel_id)
        found.append(
            ChannelCase(
                seed=seed,
                node_channels=int(np.count_nonzero(sources[: 2 * len(ego.channels)] == ego.centre)),
                attempts=int(missed.attempts[row]),
                payments=int(missed.payments[row]),
                true_payments=payments,
                truth_msat=truth,
                truth_again_msat=_truth(again, alone_again, direction)[0],
                attracted_msat=attracted,
                lower_msat=int(missed.lower_msat[row]),
                expected_msat=int(missed.expected_msat[row]),
                upper_msat=int(missed.upper_msat[row]),
                each_failure_msat=sum(each.fee_msat for each in refused),
                each_payment_msat=int(missed.offered_fee_msat[row]),
                volume_msat=_at_own_rate(watch, channel_id, refused),
            )
        )
    return found


def _direction(ego: EgoNetwork, channel_id: ChannelId, sources: NDArray[np.integer]) -> int:
    channel = ego.graph.channel_index(channel_id)
    return 2 * channel + int(sources[2 * channel] != ego.centre)


def _truth(ego: EgoNetwork, alone: Recording, direction: int) -> tuple[int, int, int]:
    """Return the truth of a channel, what was attracted besides, and how many payments failed there."""
    channel_id = ego.graph.channel_id(direction // 2)
    fork = run_twin(ego, change=NodeChange(channel_id=channel_id, added_sat=AMPLE_SAT))
    earned, again = fees_by_payment(alone, ego.centre), fees_by_payment(fork, ego.centre)
    rows = alone.attempts.rows
    failed = _refused_for_balance(rows) & (rows["failed_direction"] == direction)
    payments = np.unique(rows["payment_id"][failed])
    length = max(len(earned), len(again))
    change = np.pad(again, (0, length - len(again))) - np.pad(earned, (0, length - len(earned)))
    truth = int(change[payments].sum())
    return truth, int(change.sum()) - truth, len(payments)


def fees_by_payment(recording: Recording, node: int) -> NDArray[np.float64]:
    """Return what a node earned with each payment by forwarding it, by the payment's id."""
    rows, _, amounts = recording.attempts
    at = forwards_at(recording, node)
    payments = np.repeat(rows["payment_id"], rows["hops"].astype(np.int64))[at]
    count = int(rows["payment_id"].max()) + 1 if len(rows) else 0
    fees_msat = (amounts[at] - amounts[at + 1]).astype(np.float64)
    return np.bincount(payments, weights=fees_msat, minlength=count).astype(np.float64)


def _refused(watch: Watch, channel_id: ChannelId) -> list[ForwardAttempt]:
    return [
        each
        for each in watch.memory.attempts.values()
        if each.outgoing_channel_id == channel_id and each.cause is FailureCause.LIQUIDITY
    ]


def _at_own_rate(watch: Watch, channel_id: ChannelId, refused: list[ForwardAttempt]) -> int:
    """Return the refused amounts, in whole sat as lightning-jet counts them, times the channel's fee rate."""
    state = watch.accounting.channels.get(channel_id)
    rate_ppm = state.local_policy.fee_rate_ppm if state is not None and state.local_policy is not None else 0
    sats = sum(each.incoming_amount_msat // MSAT_PER_SAT for each in refused)
    return sats * MSAT_PER_SAT * rate_ppm // PPM
