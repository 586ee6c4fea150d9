"""Graphs and graph files for tests."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures/graphs"


def mainnet() -> Path:
    """Return the real graph's file, or skip the test where it is not at hand."""
    beside = ROOT.parent / "shared/data/graph/mainnet-2026-02-03.json.gz"
    path = Path(os.environ.get("LENS_MAINNET_GRAPH", beside))
    if not path.exists():
        pytest.skip("the mainnet graph is not here; LENS_MAINNET_GRAPH may name it")
    return path


def differences(one: NetworkGraph, other: NetworkGraph) -> list[str]:
    """Return the names of the columns in which two graphs differ."""
    found = [name for name in ("node_ids", "aliases") if list(getattr(one, name)) != list(getattr(other, name))]
    columns = ("channel_ids", "node1", "node2", "capacity_sat")
    found += [name for name in columns if not same(getattr(one, name), getattr(other, name))]
    ours, theirs = one.policies, other.policies
    return found + [
        f"policies.{name}" for name in ours.__slots__ if not same(getattr(ours, name), getattr(theirs, name))
    ]


def same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Tell whether two columns have the same type and values."""
    return one.dtype == other.dtype and np.array_equal(one, other)
