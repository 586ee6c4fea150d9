"""A scenario run to the end, or to where it was stopped, with its tables and its report."""

import hashlib
import os
import platform
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

import lightninglens
from lightninglens.analytics.payments import Depletion, PaymentSummary
from lightninglens.core.clock import Stopwatch
from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph
from lightninglens.lab.report import read_findings
from lightninglens.lab.run_output import RunOutput
from lightninglens.sim.checkpoint import from_arrays, to_arrays
from lightninglens.sim.counterfactual import AddedLiquidity, apply_change
from lightninglens.sim.demand import Demand
from lightninglens.sim.engine import FOREVER_NS
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.simulation import Simulation
from lightninglens.storage.files import runs
from lightninglens.storage.files.checkpoints import CHECKPOINT, read_checkpoint, write_checkpoint

TABLE_NAMES = ("nodes", "payments", "attempts", "htlc_events", "channel_states")

Progress = Callable[[int, int], None]
"""Called with payments ended and payments in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A finished run: what it wrote and what it found."""

    manifest: runs.Manifest
    summary: PaymentSummary
    depletion: tuple[Depletion, ...]
    timings: runs.Timings
    conservation_drift_msat: int
    events: int


def run_scenario(
    scenario: Scenario,
    graph: NetworkGraph,
    directory: Path,
    *,
    opener_side: NDArray[np.int8] | None = None,
    demand: Demand | None = None,
    node1_local_msat: NDArray[np.int64] | None = None,
    until_ns: int = FOREVER_NS,
    progress: Progress = lambda _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run a scenario, to its end or to a time, and write the run to `directory`.

    `demand` and `node1_local_msat` are needed where the scenario only names them
    (see `Simulation`).

    `stopped` is asked between steps. A run that ended early holds what has ended
    by then, says that it is not complete, and leaves a checkpoint from which
    `resume_run` goes on.

    Raises DataError when the directory cannot take a run, InvariantError when
    money was lost or made.
    """
    with runs.RunWriter(directory) as writer:
        simulation = Simulation(
            scenario, graph, opener_side=opener_side, demand=demand, node1_local_msat=node1_local_msat
        )
        output = RunOutput(writer, simulation)
        output.begin()
        made = _Run(simulation=simulation, writer=writer, output=output, directory=directory, changes=())
        return made.finish(until_ns, progress, stopped)


def resume_run(
    source: Path,
    graph: NetworkGraph,
    directory: Path,
    *,
    opener_side: NDArray[np.int8] | None = None,
    demand: Demand | None = None,
    changes: Sequence[AddedLiquidity] = (),
    until_ns: int = FOREVER_NS,
    progress: Progress = lambda _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Go on with a run that ended early and write the whole of it to `directory`, which may be the same.

    Without changes the result is, to the byte, the run that was never stopped.
    With them it is a counterfactual: the same past, and the same payments from there on.

    Raises:
        DataError: there is no checkpoint, it is damaged or of another version, or the graph is another.
        ConfigError: a change names what is not in the graph, or takes what is not there.
    """
    manifest = runs.read_manifest(source)
    if manifest.graph.content_sha256 != graph_fingerprint(graph):
        raise DataError("this run was made on another graph", where=str(source))
    arrays = read_checkpoint(source / CHECKPOINT, version=lightninglens.__version__)
    simulation = Simulation(manifest.scenario, graph, opener_side=opener_side, demand=demand)
    try:
        simulation.resume(from_arrays(simulation.state(), arrays))
    except ValueError as error:
        raise DataError(f"this checkpoint is not of this scenario and graph: {error}", where=str(source)) from None
    for change in changes:
        apply_change(simulation.engine, change)
    with runs.RunWriter(directory) as writer:
        output = RunOutput(writer, simulation)
        output.restore(arrays)
        for table in TABLE_NAMES:
            writer.keep(source, manifest, table, int(arrays.get(f"output.parts.{table}", 0)))
        made = _Run(
            simulation=simulation,
            writer=writer,
            output=output,
            directory=directory,
            changes=(*manifest.changes, *changes),
        )
        return made.finish(until_ns, progress, stopped)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    simulation: Simulation
    writer: runs.RunWriter
    output: RunOutput
    directory: Path
    changes: tuple[AddedLiquidity, ...]

    def finish(self, until_ns: int, progress: Progress, stopped: Callable[[], bool]) -> RunResult:
        watch, simulation = Stopwatch(), self.simulation
        complete = until_ns >= FOREVER_NS
        for step in simulation.steps(until_ns=until_ns):
            self.output.take(step)
            progress(self.output.ended, simulation.payments_total)
            if stopped() and self.output.ended < simulation.payments_total:
                complete = False
                break
        if not complete:
            arrays = to_arrays(simulation.state()) | self.output.pending()
            write_checkpoint(self.writer.folder / CHECKPOINT, arrays, version=lightninglens.__version__)
            self.output.take(simulation.last_step())
        self.output.finish()
        timings = runs.Timings(
            wall_s=round(watch.wall_s(), 3),
            cpu_s=round(watch.cpu_s(), 3),
            peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            machine=f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        )
        manifest = self.writer.finish(self._manifest(complete=complete), timings)
        findings = read_findings(self.directory, manifest)
        return RunResult(
            manifest=manifest,
            summary=findings.summary,
            depletion=findings.depletion,
            timings=timings,
            conservation_drift_msat=simulation.engine.conservation_drift_msat(),
            events=simulation.engine.events,
        )

    def _manifest(self, *, complete: bool) -> runs.Manifest:
        graph = self.simulation.graph
        return runs.Manifest(
            scenario=self.simulation.scenario,
            complete=complete,
            graph=runs.GraphFacts(
                nodes=graph.node_count, channels=graph.channel_count, content_sha256=graph_fingerprint(graph)
            ),
            changes=self.changes,
            versions=_versions(),
        )


def graph_fingerprint(graph: NetworkGraph) -> str:
    """Return a hash over nodes, channels and policies, whatever file they came from."""
    digest = hashlib.sha256("".join(graph.node_ids).encode())
    policies = graph.policies
    for column in (graph.channel_ids, graph.node1, graph.node2, graph.capacity_sat):
        digest.update(np.ascontiguousarray(column).tobytes())
    for name in policies.__slots__:
        digest.update(np.ascontiguousarray(getattr(policies, name)).tobytes())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    return {
        "lightninglens": lightninglens.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "polars": pl.__version__,
    }
