"""Where a run stands as named arrays, and back: what a checkpoint file holds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import PolicyColumns
from lightninglens.sim.opening import ChannelRows, extend_graph, extend_policies, extend_world, opened_rows
from lightninglens.sim.remembering import Arrays, below, under
from lightninglens.sim.simulation import SimulationState

_REMADE = ("scratch", "parameters", "estimator", "bimodal", "max_htlcs")
"""Parts of a world that hold nothing of the past: they come with the scenario."""

_GROWING = (
    *("memory", "payments", "attempts", "routes", "htlc_id", "heap", "free_payments", "free_attempts"),
    *("versions", "policies", "free", "told_key", "told_number"),
)
"""Parts whose number of rows depends on what has happened."""


def to_arrays(state: SimulationState) -> Arrays:
    """Return everything that a run's future depends on, besides its scenario and graph.

    Raises LensError when an agent or a router cannot say what it remembers.
    """
    arrays = {f"world.{name}": array for name, array in _leaves(state.engine.world)}
    opened = opened_rows(state.engine.graph, state.engine.world, state.engine.first_opened)
    arrays |= {f"opened.{name}": column for name, column in opened._asdict().items()}
    arrays |= {f"policies.{name}": getattr(state.engine.policies, name) for name in PolicyColumns.__slots__}
    arrays |= under("agents.", state.agents) | under("plugged.", state.engine.plugged.state())
    arrivals = state.arrivals
    arrays["changes_made"] = np.array([state.changes_made], np.int64)
    arrays["numbers"] = np.array(
        [
            state.engine.now_ns,
            state.engine.next_payment_id,
            state.next_snapshot_ns,
            arrivals.drawn,
            arrivals.drawn_until_ns,
            arrivals.window_ns,
        ],
        np.int64,
    )
    return arrays


def from_arrays(fresh: SimulationState, arrays: Mapping[str, NDArray[Any]]) -> SimulationState:
    """Return the state that was saved, given that of the same scenario and graph before its first event.

    The routers of `fresh` take up what theirs remembered.

    Raises ValueError when the arrays are not those of this scenario and graph, or other routers are plugged.
    """
    none = opened_rows(fresh.engine.graph, fresh.engine.world, fresh.engine.first_opened)
    opened = ChannelRows(
        *(_fitting(f"opened.{name}", arrays, column, grows=True) for name, column in none._asdict().items())
    )
    unsaid = PolicyColumns.unknown(2 * len(opened.channel_id))
    before = extend_policies(fresh.engine.policies, unsaid)
    policies = PolicyColumns(
        **{
            name: _fitting(f"policies.{name}", arrays, getattr(before, name), grows=False)
            for name in PolicyColumns.__slots__
        }
    )
    graph, world = fresh.engine.graph, fresh.engine.world
    if len(opened.channel_id):
        said = {name: getattr(policies, name)[-len(unsaid.known) :] for name in PolicyColumns.__slots__}
        graph = extend_graph(graph, opened, PolicyColumns(**said))
        world = extend_world(world, graph, opened)
        fresh.engine.plugged.on(graph)
    fresh.engine.plugged.restore(below(arrays, "plugged."))
    world = _filled(world, "world", arrays)
    numbers = _fitting("numbers", arrays, np.zeros(6, np.int64), grows=False)
    now_ns, next_payment_id, next_snapshot_ns, drawn, drawn_until_ns, window_ns = (int(number) for number in numbers)
    return SimulationState(
        engine=replace(
            fresh.engine,
            graph=graph,
            policies=policies,
            world=world,
            next_payment_id=next_payment_id,
            now_ns=now_ns,
        ),
        arrivals=replace(fresh.arrivals, drawn=drawn, drawn_until_ns=drawn_until_ns, window_ns=window_ns),
        next_snapshot_ns=next_snapshot_ns,
        agents=below(arrays, "agents."),
        changes_made=int(_fitting("changes_made", arrays, np.zeros(1, np.int64), grows=False)[0]),
    )


def _leaves(columns: Any, path: str = "") -> list[tuple[str, NDArray[Any]]]:
    found = []
    for name, member in zip(columns._fields, columns, strict=True):
        if name in _REMADE:
            continue
        if isinstance(member, tuple):
            found += _leaves(member, f"{path}{name}.")
        else:
            found.append((path + name, member))
    return found


def _filled(columns: Any, path: str, arrays: Mapping[str, NDArray[Any]], *, grows: bool = False) -> Any:
    members = {}
    for name, member in zip(columns._fields, columns, strict=True):
        if name in _REMADE:
            members[name] = member
        elif isinstance(member, tuple):
            members[name] = _filled(member, f"{path}.{name}", arrays, grows=grows or name in _GROWING)
        else:
            members[name] = _fitting(f"{path}.{name}", arrays, member, grows=grows or name in _GROWING)
    return type(columns)(**members)


def _fitting(name: str, arrays: Mapping[str, NDArray[Any]], like: NDArray[Any], *, grows: bool) -> NDArray[Any]:
    found = arrays.get(name)
    if found is None:
        raise ValueError(f"{name} is missing")
    same_rows = grows or found.shape[:1] == like.shape[:1]
    if found.dtype != like.dtype or found.shape[1:] != like.shape[1:] or not same_rows:
        raise ValueError(f"{name} is {found.dtype}{found.shape}, and {like.dtype}{like.shape} is needed")
    return np.ascontiguousarray(found).view(like.dtype)
