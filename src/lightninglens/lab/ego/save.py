"""A twin as files that `lens sim run` takes."""

import csv
import io
import json
from pathlib import Path

import numpy as np

from lightninglens.core.units import NS_PER_SECOND
from lightninglens.lab.ego.cut import EgoNetwork
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.graphs import GraphFormat, GraphOrigin, write_graph
from lightninglens.storage.files.runs import sha256_of

GRAPH, PAYMENTS, BALANCES, SCENARIO = "graph.parquet", "payments.csv", "balances.csv", "scenario.toml"


def save_twin(ego: EgoNetwork, directory: Path) -> Path:
    """Write a twin's graph, payments and balances with a scenario that names them, and return the scenario's path.

    Who opened a channel is not in these files: `lens sim run` draws it anew.
    Raises DataError when a file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    write_graph(ego.graph, directory / GRAPH, GraphFormat.PARQUET, origin=GraphOrigin(format="ego-network"))
    _write_csv(directory / PAYMENTS, _payments(ego))
    _write_csv(directory / BALANCES, _balances(ego))
    with atomic_writer(directory / SCENARIO) as file:
        file.write(_scenario(ego, directory).encode())
    return directory / SCENARIO


def _write_csv(path: Path, lines: list[list[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    with atomic_writer(path) as file:
        file.write(text.getvalue().encode())


def _payments(ego: EgoNetwork) -> list[list[object]]:
    lines: list[list[object]] = [["time_s", "sender", "receiver", "amount_msat", "fee_limit_msat", "max_parts"]]
    listed, ids = ego.demand.payments, ego.graph.node_ids
    for row in range(len(listed.start_ns)):
        time_s = f"{int(listed.start_ns[row]) / NS_PER_SECOND:.6f}"
        ends = ids[int(listed.sender[row])], ids[int(listed.receiver[row])]
        bounds = int(listed.fee_limit_msat[row]), int(listed.most_parts[row])
        lines.append([time_s, *ends, int(listed.amount_msat[row]), *bounds])
    return lines


def _balances(ego: EgoNetwork) -> list[list[object]]:
    ids = [str(ego.graph.channel_id(row)) for row in range(ego.graph.channel_count)]
    pairs = zip(ids, ego.node1_local_msat.tolist(), strict=True)
    return [["channel_id", "node1_local_msat"], *([channel, local] for channel, local in pairs)]


def _scenario(ego: EgoNetwork, directory: Path) -> str:
    world = ego.scenario.world
    settings = {name: getattr(world, name) for name in world.__slots__ if getattr(world, name) is not None}
    centre = ego.graph.node_ids[ego.centre]
    about = f"The network within {ego.radius} channels of {centre}, with what a full run brought to its boundary."
    lines = [
        f"name = {json.dumps(ego.scenario.name)}",
        f"about = {json.dumps(about)}",
        f"graph = {json.dumps(GRAPH)}",
        f'graph_sha256 = "{sha256_of(directory / GRAPH)}"',
        f"seed = {ego.scenario.seed}",
        f"balances_file = {json.dumps(BALANCES)}",
        f'balances_sha256 = "{sha256_of(directory / BALANCES)}"',
        f"observed_nodes = [{json.dumps(centre)}]",
        "",
        "[world]",
        *(f"{name} = {_number(value)}" for name, value in settings.items()),
        "",
        "[demand]",
        'kind = "payment-list"',
        f"file = {json.dumps(PAYMENTS)}",
        f'sha256 = "{sha256_of(directory / PAYMENTS)}"',
        "",
    ]
    return "\n".join(lines)


def _number(value: object) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
