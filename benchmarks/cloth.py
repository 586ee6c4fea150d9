"""CLoTH beside us: its binary, given by path and no part of this project, on our network and payments."""

import csv
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from measuring import cpu_s
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph

UNUSABLE_MIN_HTLC_MSAT = 10**15


class ClothWork(NamedTuple):
    """A network with balances, and payments on it, as our arrays."""

    graph: NetworkGraph
    nodes: NDArray[np.int64]
    """Those that CLoTH is given."""
    balance_msat: NDArray[np.int64]
    sender: NDArray[np.integer[Any]]
    receiver: NDArray[np.integer[Any]]
    amount_msat: NDArray[np.int64]
    start_ms: NDArray[np.int64]


def run_cloth(binary: Path, work: ClothWork, *, seed: int) -> dict[str, float]:
    """Run CLoTH on the same network and payments, and return its CPU seconds and what it found."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), work)
        before = cpu_s(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "GSL_RNG_SEED": str(seed)}
        command = [str(binary.resolve()), f"{folder}/"]
        subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True)
        seconds = cpu_s(resource.RUSAGE_CHILDREN) - before
        with (Path(folder) / "payments_output.csv").open() as file:
            rows = list(csv.DictReader(file))
    return {
        "payments": len(rows),
        "cpu_s": round(seconds, 2),
        "payments_per_cpu_s": round(len(rows) / seconds, 1),
        "success_rate": round(sum(row["is_success"] == "1" for row in rows) / len(rows), 4),
        "attempts_mean": round(sum(int(row["attempts"]) for row in rows) / len(rows), 3),
    }


def _write(folder: Path, work: ClothWork) -> None:
    """Write CLoTH's files; a direction that is not usable gets a minimum that nothing reaches."""
    graph, policies = work.graph, work.graph.policies
    number = np.full(graph.node_count, -1)
    number[work.nodes] = np.arange(len(work.nodes))
    usable = graph.usable()
    ends = number[graph.node1], number[graph.node2]
    channels = np.flatnonzero((ends[0] >= 0) & (ends[1] >= 0) & (usable[0::2] | usable[1::2]))
    _write_rows(folder / "nodes.csv", "id", ((row,) for row in range(len(work.nodes))))
    _write_rows(
        folder / "channels.csv",
        "id,edge1_id,edge2_id,node1_id,node2_id,capacity",
        (
            (row, 2 * row, 2 * row + 1, ends[0][c], ends[1][c], graph.capacity_sat[c] * 1_000)
            for row, c in enumerate(channels)
        ),
    )
    _write_rows(
        folder / "edges.csv",
        "id,channel_id,counter_edge_id,from_node_id,to_node_id,balance,fee_base,fee_proportional,min_htlc,timelock",
        (
            (
                2 * row + side,
                row,
                2 * row + 1 - side,
                ends[side][c],
                ends[1 - side][c],
                work.balance_msat[2 * c + side],
                policies.base_fee_msat[2 * c + side],
                policies.fee_rate_ppm[2 * c + side],
                policies.min_htlc_msat[2 * c + side] if usable[2 * c + side] else UNUSABLE_MIN_HTLC_MSAT,
                policies.time_lock_delta_blocks[2 * c + side],
            )
            for row, c in enumerate(channels)
            for side in (0, 1)
        ),
    )
    _write_rows(
        folder / "payments.csv",
        "id,sender_id,receiver_id,amount,start_time",
        (
            (row, number[work.sender[row]], number[work.receiver[row]], work.amount_msat[row], work.start_ms[row])
            for row in range(len(work.sender))
        ),
    )
    settings = {
        "generate_network_from_file": "true",
        "nodes_filename": "nodes.csv",
        "channels_filename": "channels.csv",
        "edges_filename": "edges.csv",
        "n_additional_nodes": "",
        "n_channels_per_node": "",
        "capacity_per_channel": "",
        "faulty_node_probability": "0.0",
        "generate_payments_from_file": "true",
        "payments_filename": "payments.csv",
        "payment_rate": "",
        "n_payments": "",
        "average_payment_amount": "",
        "mpp": "0",
    }
    (folder / "cloth_input.txt").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))


def _write_rows(path: Path, header: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """Write a CSV file."""
    with path.open("w") as file:
        file.write(header + "\n")
        file.writelines(",".join(str(value) for value in row) + "\n" for row in rows)
