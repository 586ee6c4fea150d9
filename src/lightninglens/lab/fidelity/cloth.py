"""CLoTH's data and payments through our engine, beside CLoTH's figures."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from lightninglens.core.errors import ConfigError
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.lab.fidelity.cloth_payments import ClothPayments, draw_payments
from lightninglens.lab.fidelity.cloth_peer import Outcome, Workload, read_recording, run_program
from lightninglens.lab.fidelity.engine_runs import (
    LND_PARTS,
    Liquidity,
    as_balances,
    as_spendable,
    requests_of,
    run,
    succeeded,
)
from lightninglens.lab.fidelity.findings import Line, Table, Value, Verdict, over_seeds, paired_verdict
from lightninglens.routing.state import Estimator
from lightninglens.sim.records import EngineConfig
from lightninglens.storage.files.graphs.cloth import ClothNetwork, read_cloth

AMOUNTS_SAT: Final = (100, 100_000)
_OLD_COST: Final = Estimator(attempt_cost_ppm=0, capacity_fraction=1.0)
_PEER_HALF_LIFE_NS: Final = 24 * 60 * float(NS_PER_SECOND)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Our engine with one more difference to CLoTH taken away; the first has them all."""

    name: str
    estimator: Estimator
    parts: int
    """When splitting is on."""
    spendable: bool = False
    """Each side may spend its last msat."""


VARIANTS: Final = (
    Variant(name="LND of today", estimator=Estimator(), parts=LND_PARTS),
    Variant(name="lnd 0.10's cost", estimator=_OLD_COST, parts=LND_PARTS),
    Variant(
        name="and a half-life of 24 min",
        estimator=_OLD_COST._replace(half_life_ns=_PEER_HALF_LIFE_NS),
        parts=LND_PARTS,
    ),
    Variant(
        name="and no reserve",
        estimator=_OLD_COST._replace(half_life_ns=_PEER_HALF_LIFE_NS),
        parts=LND_PARTS,
        spendable=True,
    ),
    Variant(
        name="and two parts at most",
        estimator=_OLD_COST._replace(half_life_ns=_PEER_HALF_LIFE_NS),
        parts=2,
        spendable=True,
    ),
)
MEASURES: Final[Mapping[str, Callable[[Outcome], float]]] = {
    "success, %": lambda outcome: outcome.success,
    "path searches per payment": lambda outcome: outcome.searches,
    "hops": lambda outcome: outcome.hops,
    "mean fee, sat": lambda outcome: outcome.mean_fee_sat,
    "median fee, sat": lambda outcome: outcome.median_fee_sat,
}


def compare_cloth(
    where: Path, *, payments: int, seeds: int, amounts_sat: Sequence[int] = AMOUNTS_SAT, say: Say = lambda _text: None
) -> Iterator[Table]:
    """Yield a table for each amount, without and with splitting.

    `where` is CLoTH's program with its CSV files beside it, which is then run,
    or a folder with these files, for the recorded figures.

    Raises:
        ConfigError: there is nothing there, or nothing was recorded for these payments.
        DataError: the CSV files are damaged, or others than the recorded ones.
    """
    if not where.exists():
        raise ConfigError(f"{where}: no such file or folder")
    network = read_cloth(where if where.is_dir() else where.parent)
    for amount_sat, mpp in itertools.product(amounts_sat, (False, True)):
        workloads = [
            Workload(seed=seed, payments=payments, amount_sat=amount_sat, mpp=mpp) for seed in range(1, seeds + 1)
        ]
        say(f"CLoTH: {amount_sat:,} sat, splitting {'on' if mpp else 'off'}")
        theirs = _peer(where, network, workloads)
        variants = VARIANTS if mpp else VARIANTS[:-1]
        ours = [[measure(network, workload, variant) for workload in workloads] for variant in variants]
        yield _table(workloads[0], theirs, ours, variants, ran=not where.is_dir())


def _peer(where: Path, network: ClothNetwork, workloads: Sequence[Workload]) -> list[Outcome]:
    if not where.is_dir():
        return [run_program(where, workload, _payments(network, workload)) for workload in workloads]
    recording = read_recording()
    if recording.network_sha256 != network.sha256:
        raise ConfigError(
            f"{where} holds other CSV files than those of the recorded runs: name CLoTH's program instead"
        )
    known = recording.outcomes()
    if lacking := [workload for workload in workloads if workload not in known]:
        raise ConfigError(
            f"CLoTH was not recorded with {lacking[0].payments:,} payments of {lacking[0].amount_sat:,} sat and seed"
            f" {lacking[0].seed}: name its program instead of its folder, or ask for fewer seeds"
        )
    return [known[workload] for workload in workloads]


def _payments(network: ClothNetwork, workload: Workload) -> ClothPayments:
    nodes = network.parsed.graph.node_count
    return draw_payments(workload.seed, nodes, workload.payments, amount_sat=workload.amount_sat)


def measure(network: ClothNetwork, workload: Workload, variant: Variant) -> Outcome:
    """Run one workload through our engine."""
    payments = _payments(network, workload)
    config = EngineConfig(
        seed=workload.seed,
        commit_feerate_sat_per_kw=0,
        hop_delay_median_ms=100.0,
        hop_delay_sigma=0.01,
        retry_delay_ns=1,
        estimator=variant.estimator,
    )
    requests = requests_of(
        payments.sender,
        payments.receiver,
        payments.amount_msat,
        payments.start_ns,
        parts=variant.parts if workload.mpp else 1,
    )
    finished = run(_liquidity(network, variant), requests, config)
    arrived = succeeded(finished)
    fee_sat = finished.fee_msat[arrived] / MSAT_PER_SAT
    return Outcome(
        success=100 * float(arrived.mean()),
        searches=float((finished.attempts + ~arrived).mean()),
        hops=float(finished.hops[arrived].mean()),
        mean_fee_sat=float(fee_sat.mean()),
        median_fee_sat=float(np.median(fee_sat)),
    )


def _liquidity(network: ClothNetwork, variant: Variant) -> Liquidity:
    build = as_spendable if variant.spendable else as_balances
    return build(network.parsed.graph, network.balance_msat)


def _table(
    workload: Workload,
    theirs: Sequence[Outcome],
    ours: Sequence[Sequence[Outcome]],
    variants: Sequence[Variant],
    *,
    ran: bool,
) -> Table:
    lines = []
    for label, read in MEASURES.items():
        peer = [read(outcome) for outcome in theirs]
        columns = [[read(outcome) for outcome in column] for column in ours]
        differences = [paired_verdict(column, peer) for column in columns]
        values: list[Value | None] = [over_seeds(peer), over_seeds(columns[0])]
        lines.append(
            Line(
                label=label,
                values=(*values, *(difference for difference, _ in differences)),
                verdict=differences[0][1],
                why=_why(differences, variants),
            )
        )
    how = f"{workload.amount_sat:,} sat, splitting {'on' if workload.mpp else 'off'}"
    return Table(
        key=f"cloth-{workload.amount_sat}-{'mpp' if workload.mpp else 'single'}",
        title=f"CLoTH, {how}",
        columns=("CLoTH", "ours", *(f"difference: {variant.name}" for variant in variants)),
        lines=tuple(lines),
        decimals=3,
        notes=(
            (
                f"{len(theirs)} seeds of {workload.payments:,} payments, the same in every column;"
                f" {'CLoTH ran in this call' if ran else read_recording().program}. Differences are ours less"
                " CLoTH's, seed"
                " by seed, with the standard error over seeds; a verdict takes Student's t at 95 %."
            ),
        ),
    )


def _why(differences: Sequence[tuple[Value, Verdict]], variants: Sequence[Variant]) -> str:
    """Name the difference whose removal brings ours within the error, or nearest to CLoTH."""
    if differences[0][1] is not Verdict.DEVIATES:
        return ""
    for variant, (_, verdict) in zip(variants, differences, strict=True):
        if verdict is Verdict.AGREES:
            return f"within error with {variant.name.removeprefix('and ')}"
    sizes = [abs(difference.mean) for difference, _ in differences]
    nearest = variants[int(np.argmin(sizes))]
    left = f"{min(sizes) / sizes[0]:.0%} of it left with {nearest.name.removeprefix('and ')}"
    return f"{left}, which has no parameter of ours, see below"
