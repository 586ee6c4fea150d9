"""How well one can tell that the next HTLC will be refused: rules against each other on simulated nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from lightninglens.core.checks import require_ranges
from lightninglens.core.clock import Stopwatch
from lightninglens.core.records import STRICT
from lightninglens.core.units import to_msat
from lightninglens.lab.missed.options import FIRST_SEED, MissedOptions
from lightninglens.lab.missed.world import watch_node
from lightninglens.lab.parallel import in_processes
from lightninglens.learn.failing import CHANNEL_RATE, RULES, log_losses, refusal_probabilities, tries_of
from lightninglens.sim.demand import DemandName

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureOptions:
    """The same options give the same numbers."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    seeds: int = 10
    first_seed: int = FIRST_SEED
    graph: str = "synthetic:500"
    payments: int = 60_000
    """Of the whole network."""
    demand: DemandName = DemandName.EXCHANGE_2025

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be run."""
        require_ranges(self, seeds=(1, 10_000), first_seed=(0, 2**62), payments=(1_000, 10_000_000))

    @property
    def worlds(self) -> MissedOptions:
        """The worlds, which are those of missed revenue."""
        return MissedOptions(
            seeds=self.seeds,
            first_seed=self.first_seed,
            graph=self.graph,
            payments=self.payments,
            demand=self.demand,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLosses:
    """One node: what was scored, and the mean log loss of each of `RULES`, in nats."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    seed: int
    attempts: int
    refused: int
    log_losses: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScore:
    """One rule over all nodes, each node with the same weight."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    log_loss: float
    better_than_rate: float
    """Share of the nodes in which it beats the plain rate of the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePrediction:
    """All nodes, and how each rule did."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: Literal["lightninglens/failure-prediction/1"] = "lightninglens/failure-prediction/1"
    options: FailureOptions
    complete: bool
    seeds: int
    """Done."""
    nodes: tuple[NodeLosses, ...]
    scores: tuple[RuleScore, ...]
    cpu_s: float


def score_failures(
    options: FailureOptions,
    *,
    processes: int = 2,
    progress: Progress = lambda _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> FailurePrediction:
    """Run all worlds and score each rule on the later half of what one node of each was asked to forward.

    `stopped` is asked now and then; when it says so, the worlds under way are
    finished and the answer is of the seeds that are done.
    """
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    done: dict[int, tuple[NodeLosses | None, float]] = {}
    for seed, result in in_processes(_timed, options, seeds, min(processes, len(seeds)), stopped):
        done[seed] = result
        progress(len(done), len(seeds))
    found = [done[seed][0] for seed in sorted(done)]
    nodes = tuple(each for each in found if each is not None)
    return FailurePrediction(
        options=options,
        complete=len(done) == len(seeds),
        seeds=len(done),
        nodes=nodes,
        scores=rule_scores(nodes),
        cpu_s=round(sum(cpu_s for _, cpu_s in done.values()), 1),
    )


def _timed(options: FailureOptions, seed: int) -> tuple[NodeLosses | None, float]:
    watch = Stopwatch()
    return score_node(options, seed), watch.cpu_s()


def score_node(options: FailureOptions, seed: int) -> NodeLosses | None:
    """Return how each rule did at one node of one world; None where no node was refused enough to learn from."""
    seen = watch_node(options.worlds, seed)
    if seen is None:
        return None
    capacity_msat = {each.channel_id: to_msat(each.capacity_sat) for each in seen.watch.accounting.channels.states()}
    tries = tries_of(seen.watch.memory.attempts.values(), capacity_msat)
    said = refusal_probabilities(tries)
    if said is None:
        return None
    refused = tries.refused[len(tries.refused) // 2 :]
    return NodeLosses(
        seed=seed,
        attempts=len(refused),
        refused=int(refused.sum()),
        log_losses=tuple(float(log_losses(said[name], refused).mean()) for name in RULES),
    )


def rule_scores(nodes: Sequence[NodeLosses]) -> tuple[RuleScore, ...]:
    """Return the mean of each rule; none where there are no nodes."""
    if not nodes:
        return ()
    losses = np.array([each.log_losses for each in nodes])
    rate = losses[:, RULES.index(CHANNEL_RATE)]
    return tuple(
        RuleScore(
            name=name,
            log_loss=float(losses[:, place].mean()),
            better_than_rate=float(np.mean(losses[:, place] < rate)),
        )
        for place, name in enumerate(RULES)
    )


def render(found: FailurePrediction) -> str:
    """Return the table as Markdown."""
    options = found.options
    attempts, refused = (sum(getattr(each, name) for each in found.nodes) for name in ("attempts", "refused"))
    head = (
        f"{len(found.nodes)} nodes, {found.seeds} worlds (seeds {options.first_seed} to"
        f" {options.first_seed + found.seeds - 1}), {options.graph}, {options.payments:,} payments each, demand"
        f" {options.demand}; the later half of each node's attempts: {attempts:,}, of which {refused:,} were refused"
        f" for want of balance; {found.cpu_s:,.0f} CPU s."
    )
    lines = [
        head,
        "",
        "| rule | log loss (nats) | nodes in which it beats the channel's rate |",
        "|---|---|---|",
    ]
    lines += [f"| {each.name} | {each.log_loss:.3f} | {each.better_than_rate:.0%} |" for each in found.scores]
    return "\n".join([*lines, ""])
