"""Whatever bytes come in, a graph or a DataError comes out; and what was written is read back."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.gossip_messages import Store, small_store
from tests.support.graphs import FIXTURES, differences

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import NodeId
from lightninglens.core.units import MAX_MONEY_MSAT, MAX_MONEY_SAT, MAX_UINT32, Blocks, Msat, Ppm
from lightninglens.storage.files.graphs import GraphFormat, GraphOrigin, read_graph, write_graph
from lightninglens.storage.files.graphs.columns import POLICY_BOUNDS

LND = (FIXTURES / "small.lnd.json").read_bytes()
LISTCHANNELS = (FIXTURES / "small.listchannels.json").read_bytes()
GOSSIP_STORE = bytes(small_store().data)


def parquet() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g"
        write_graph(read_graph(FIXTURES / "small.lnd.json").graph, path, GraphFormat.PARQUET)
        return path.read_bytes()


FILES = {
    "lnd": LND,
    "listchannels": LISTCHANNELS,
    "gossip_store": GOSSIP_STORE,
    "parquet": parquet(),
    "gzip": gzip.compress(LND, mtime=0),
    "zstd": zstandard.ZstdCompressor().compress(LND),
}

Edit = tuple[float, int, bytes]
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 40),
        st.one_of(
            st.binary(max_size=6),
            st.sampled_from(
                [b'"', b"}", b"null", b"-1", b"1e9", b"true", b"[]", b"{}", b"9" * 30, b"\x00" * 12, b"\xff" * 8]
            ),
        ),
    ),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, edits: list[Edit]) -> bytes:
    """Replace, at a place given as a fraction of the length, some bytes by others."""
    for place, removed, added in edits:
        at = int(place * (len(data) + 1))
        data = data[:at] + added + data[at + removed :]
    return data


def consistent(graph: NetworkGraph) -> None:
    """Assert what a graph promises to everyone who reads it."""
    assert len(set(graph.node_ids)) == graph.node_count == len(graph.aliases)
    assert len(np.unique(graph.channel_ids)) == graph.channel_count
    for one, other in zip(graph.node1, graph.node2, strict=True):
        assert graph.node_ids[one] < graph.node_ids[other]
    assert (graph.capacity_sat >= 1).all()
    assert (graph.capacity_sat <= MAX_MONEY_SAT).all()
    for name, (low, high) in POLICY_BOUNDS.items():
        column = getattr(graph.policies, name)
        assert column.dtype == np.int64
        assert ((column >= low) & (column <= high)).all()
        assert not column[~graph.policies.known].any()


@pytest.mark.parametrize("form", FILES)
@settings(deadline=None)
@given(edits=EDITS)
def test_a_damaged_file_gives_a_sound_graph_or_a_data_error(form: str, edits: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g"
        path.write_bytes(edited(FILES[form], edits))
        try:
            graph = read_graph(path).graph
        except DataError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - most damage is refused, some is harmless
        else:
            consistent(graph)


@settings(deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 10), EDITS), min_size=1, max_size=3), version=st.integers(9, 17))
def test_wrong_messages_with_right_checksums_give_a_sound_graph_or_a_data_error(
    edits: list[tuple[int, list[Edit]]], version: int
) -> None:
    changes = dict(edits)
    store = Store(version)
    for number, message in enumerate(messages(GOSSIP_STORE)):
        store.add(edited(message, changes.get(number, [])))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gossip_store"
        path.write_bytes(bytes(store.data))
        try:
            graph = read_graph(path).graph
        except DataError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - as above
        else:
            consistent(graph)


def messages(store: bytes) -> list[bytes]:
    position, found = 1, []
    while position < len(store):
        length = int.from_bytes(store[position + 2 : position + 4], "big")
        found.append(store[position + 12 : position + 12 + length])
        position += 12 + length
    return found


@settings(deadline=None)
@given(
    start=st.sampled_from([b"", b"{", b"\x10", b"\x0c", b"PAR1", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]),
    junk=st.binary(max_size=400),
)
@example(start=b"\x10", junk=b"\x20\x00" * 50)
def test_junk_gives_a_data_error(start: bytes, junk: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g"
        path.write_bytes(start + junk)
        with pytest.raises(DataError):
            read_graph(path)


POLICIES = st.builds(
    ChannelPolicy,
    base_fee_msat=st.integers(0, MAX_UINT32).map(Msat),
    fee_rate_ppm=st.integers(0, MAX_UINT32).map(Ppm),
    time_lock_delta_blocks=st.integers(0, 2**16 - 1).map(Blocks),
    min_htlc_msat=st.integers(0, MAX_MONEY_MSAT).map(Msat),
    max_htlc_msat=st.integers(1, MAX_MONEY_MSAT).map(Msat),
    inbound_base_fee_msat=st.integers(-(2**31), 2**31 - 1).map(Msat),
    inbound_fee_rate_ppm=st.integers(-(2**31), 2**31 - 1).map(Ppm),
    disabled=st.booleans(),
)


@st.composite
def graphs(draw: st.DrawFn) -> NetworkGraph:
    """Draw any graph that the formats can hold: isolated nodes, parallel channels, unknown policies."""
    names = st.text(st.characters(exclude_categories=["Cs"]), max_size=32)
    nodes = draw(st.lists(st.binary(min_size=32, max_size=32), unique=True, max_size=6))
    node_ids = [NodeId(draw(st.sampled_from(["02", "03"])) + node.hex()) for node in nodes]
    pairs = [(a, b) for a in range(len(nodes)) for b in range(len(nodes)) if node_ids[a] < node_ids[b]]
    ends = draw(st.lists(st.sampled_from(pairs), max_size=8)) if pairs else []
    count = len(ends)
    ids = draw(st.lists(st.integers(0, 2**64 - 1), unique=True, min_size=count, max_size=count))
    capacity_sat = draw(st.lists(st.integers(1, MAX_MONEY_SAT), min_size=count, max_size=count))
    policies = PolicyColumns.unknown(2 * count)
    for direction in range(2 * count):
        if (policy := draw(st.none() | POLICIES)) is not None:
            policies.put(direction, policy, last_update_s=draw(st.integers(0, MAX_UINT32)))
    return NetworkGraph(
        node_ids=tuple(node_ids),
        aliases=tuple(draw(names) for _ in nodes),
        channel_ids=np.array(ids, np.uint64),
        node1=np.array([one for one, _ in ends], np.int32),
        node2=np.array([other for _, other in ends], np.int32),
        capacity_sat=np.array(capacity_sat, np.int64),
        policies=policies,
    )


@settings(deadline=None)
@given(
    graph=graphs(),
    format_=st.sampled_from([GraphFormat.LND, GraphFormat.PARQUET]),
    suffix=st.sampled_from(["", ".gz", ".zst"]),
)
def test_what_is_written_is_read_back(graph: NetworkGraph, format_: GraphFormat, suffix: str) -> None:
    origin = GraphOrigin(format="drawn", sha256="", snapshot_s=7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"g{suffix}"
        write_graph(graph, path, format_, origin=origin)
        first = path.read_bytes()
        found = read_graph(path)
        assert differences(found.graph, graph) == []
        assert (found.dropped, found.adjusted) == ({}, {})
        write_graph(found.graph, path, format_, origin=origin)
        assert path.read_bytes() == first
