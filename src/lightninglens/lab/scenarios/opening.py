"""From a scenario as written to one that can run: graph, payments, balances and changes looked up and checked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.lookup import Lookup
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.lab.worlds import World, is_generated, open_world, reopen_world
from lightninglens.sim.balances import BalancesFile
from lightninglens.sim.demand import (
    Demand,
    DemandModel,
    DemandName,
    PaymentListFile,
    PopulationDemand,
    UniformDemand,
    named_demand,
)
from lightninglens.sim.scenario import GraphKind, Scenario, ScenarioDemand, held_demand
from lightninglens.sim.sender_groups import SenderGroup, check_groups, require_extra
from lightninglens.sim.timeline import schedule
from lightninglens.storage.files.balances import read_balances
from lightninglens.storage.files.payment_lists import read_payment_list
from lightninglens.storage.files.scenarios import ScenarioFile

DEFAULT_PAYMENTS = 10_000

_PLACE = re.compile(r"(changes\[\d+\][\w.]*): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedScenario:
    """A scenario with all that it names."""

    scenario: Scenario
    world: World
    demand: Demand
    node1_local_msat: NDArray[np.int64] | None
    """Known balances, where the scenario names a file of them."""


def overridden(written: ScenarioFile, *, graph: str | None = None, **others: Any) -> ScenarioFile:
    """Return a scenario file with other values in some keys; None leaves a key as it is.

    A graph is a generator's name or a path from here, not from the file.
    """
    changed = {key: value for key, value in others.items() if value is not None}
    if graph is not None:
        changed |= {"graph": graph if is_generated(graph) else str(Path(graph).absolute()), "graph_sha256": ""}
    return replace(written, **changed)


def open_scenario_file(written: ScenarioFile) -> OpenedScenario:
    """Open all that a scenario file names.

    Raises:
        ConfigError: a key means nothing on this graph; file, line and key are named.
        DataError: a file that it names is malformed, or other than it was.
    """
    world = _open_graph(written)
    demand, demand_record = _open_demand(written, world)
    local_msat, balances_file = _open_balances(written, world)
    asked = [count for count in (written.payments, demand.payments_in_all) if count is not None]
    scenario = Scenario(
        name=written.name,
        seed=written.seed,
        graph=world.source,
        payments=min(asked, default=DEFAULT_PAYMENTS),
        balances=written.balances,
        balances_file=balances_file,
        demand=demand_record,
        senders=_senders(written, world),
        receivers=written.receivers,
        world=written.world,
        observed_nodes=_observed(written, world),
        snapshot_interval_s=written.snapshot_interval_s,
        changes=written.changes,
    )
    _check_changes(scenario, world, written.where)
    _check_amounts(demand_record, world, written.where)
    return OpenedScenario(scenario=scenario, world=world, demand=demand, node1_local_msat=local_msat)


def reopen_scenario(
    scenario: Scenario, *, graph: str | None = None, payment_list: Path | None = None, balances: Path | None = None
) -> OpenedScenario:
    """Open a scenario again; the files that it names must be the same bytes as then.

    Raises:
        ConfigError: it names a file and none is given, or the other way round.
        DataError: a file is another one.
    """
    world = reopen_world(scenario.graph, seed=scenario.seed, file=graph)
    demand: Demand
    if isinstance(scenario.demand, PaymentListFile):
        path = _needed(payment_list, f"the payments of {scenario.demand.file!r}", "--payment-list")
        demand, sha256 = read_payment_list(path, world.graph)
        _same(sha256, scenario.demand.sha256, str(path))
    else:
        _not_needed(payment_list, "its payments are drawn", "--payment-list")
        demand = held_demand(scenario)
    local_msat = None
    if scenario.balances_file is not None:
        path = _needed(balances, f"the balances of {scenario.balances_file.file!r}", "--balances-file")
        feerate = scenario.world.commit_feerate_sat_per_kw
        local_msat, sha256 = read_balances(path, world.graph, commit_feerate_sat_per_kw=feerate)
        _same(sha256, scenario.balances_file.sha256, str(path))
    else:
        _not_needed(balances, "its balances are drawn", "--balances-file")
    _check_changes(scenario, world, lambda key: f"scenario: {key}")
    return OpenedScenario(scenario=scenario, world=world, demand=demand, node1_local_msat=local_msat)


def _needed(path: Path | None, what: str, option: str) -> Path:
    if path is None:
        raise ConfigError(f"this scenario takes {what}: name the file with {option}")
    return path


def _not_needed(path: Path | None, why: str, option: str) -> None:
    if path is not None:
        raise ConfigError(f"this scenario takes no file with {option}: {why}")


def _same(found: str, expected: str, where: str) -> None:
    if found != expected:
        raise DataError(f"its SHA-256 is {found[:16]}..., and the scenario has {expected[:16]}...", where=where)


def _open_graph(written: ScenarioFile) -> World:
    if not written.graph:
        raise ConfigError(f"{written.path}: it names no graph, so that any can be taken: name one with --graph")
    name = written.graph if is_generated(written.graph) else str(written.beside(written.graph))
    try:
        world = open_world(name, seed=written.seed)
    except ConfigError as error:
        raise ConfigError(f"{written.where('graph')}: {error}") from None
    if written.graph_sha256:
        if world.source.kind is not GraphKind.FILE:
            raise ConfigError(f"{written.where('graph_sha256')}: {written.graph!r} is no file: leave the hash out")
        _same(world.sha256, written.graph_sha256, written.where("graph_sha256"))
    return world


def _open_demand(written: ScenarioFile, world: World) -> tuple[Demand, ScenarioDemand]:
    demand = written.demand
    if isinstance(demand, DemandName):
        demand = named_demand(demand, lab=world.source.kind in {GraphKind.LAB, GraphKind.LAB_DRAWN})
    if not isinstance(demand, PaymentListFile):
        return demand, demand
    path = written.beside(demand.file)
    payments, sha256 = read_payment_list(path, world.graph)
    if demand.sha256:
        _same(sha256, demand.sha256, written.where("demand.sha256"))
    return payments, PaymentListFile(file=path.name, sha256=sha256)


def _open_balances(written: ScenarioFile, world: World) -> tuple[NDArray[np.int64] | None, BalancesFile | None]:
    if not written.balances_file:
        return None, None
    path = written.beside(written.balances_file)
    feerate = written.world.commit_feerate_sat_per_kw
    local_msat, sha256 = read_balances(path, world.graph, commit_feerate_sat_per_kw=feerate)
    if written.balances_sha256:
        _same(sha256, written.balances_sha256, written.where("balances_sha256"))
    return local_msat, BalancesFile(file=path.name, sha256=sha256)


def _senders(written: ScenarioFile, world: World) -> tuple[SenderGroup, ...]:
    """Return the groups of senders with their nodes by id."""
    lookup, made = Lookup(world.graph), []
    for row, group in enumerate(written.senders):
        try:
            rows = [lookup.node(text) for text in group.nodes]
            require_extra([group])
        except ConfigError as error:
            raise ConfigError(f"{written.where(f'senders[{row}]')}: {error}") from None
        made.append(replace(group, nodes=tuple(str(world.graph.node_ids[node]) for node in rows)))
    try:
        check_groups(made)
    except ValueError as error:
        raise ConfigError(f"{written.where('senders')}: {error}") from None
    return tuple(made)


def _observed(written: ScenarioFile, world: World) -> tuple[str, ...]:
    lookup = Lookup(world.graph)
    try:
        return tuple(str(world.graph.node_ids[lookup.node(text)]) for text in written.observed_nodes)
    except ConfigError as error:
        raise ConfigError(f"{written.where('observed_nodes')}: {error}") from None


def _check_changes(scenario: Scenario, world: World, where: Callable[[str], str]) -> None:
    try:
        schedule(scenario.changes, world.graph)
    except ConfigError as error:
        found = _PLACE.fullmatch(str(error))
        raise ConfigError(f"{where(found[1])}: {found[2]}" if found else str(error)) from None


def _check_amounts(demand: ScenarioDemand, world: World, where: Callable[[str], str]) -> None:
    """Refuse a demand whose smallest amount no node's channels could carry, all taken together."""
    most_sat = int(Lookup(world.graph).node_capacities_msat().max(initial=0)) // MSAT_PER_SAT
    for key, amount_sat in _smallest_sat(demand).items():
        if amount_sat > most_sat:
            raise ConfigError(
                f"{where(f'demand.{key}')}: {amount_sat:,.0f} sat are more than all channels of any node hold"
                f" (at most {most_sat:,} sat): no payment could succeed"
            )


def _smallest_sat(demand: ScenarioDemand) -> dict[str, float]:
    match demand:
        case DemandModel():
            return {"least_amount_sat": demand.least_amount_sat, "amount_median_sat": demand.amount_median_sat}
        case UniformDemand():
            return {"least_amount_sat": demand.least_amount_sat}
        case PopulationDemand():
            return {"amounts.least_sat": demand.amounts.least_sat}
        case _:
            return {}
