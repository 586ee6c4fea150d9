"""Files as such: packing, detection, damage, bombs, whole-or-nothing writing."""

import gzip
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from tests.support.gossip_messages import small_store
from tests.support.graphs import FIXTURES, differences

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.storage.files.graphs import (
    GraphFormat,
    GraphOrigin,
    columns,
    compression,
    json_text,
    read_graph,
    write_graph,
)
from lightninglens.storage.files.graphs.compression import Compression
from lightninglens.storage.files.graphs.parquet import _sealed

LND = FIXTURES / "small.lnd.json"
ORIGIN = GraphOrigin(format="lnd", sha256="ab" * 32, snapshot_s=1_700_000_900)


def forms(folder: Path) -> dict[str, bytes]:
    """Return a small valid file of every format."""
    write_graph(read_graph(LND).graph, folder / "small.parquet", GraphFormat.PARQUET, origin=ORIGIN)
    return {
        "lnd": LND.read_bytes(),
        "listchannels": (FIXTURES / "small.listchannels.json").read_bytes(),
        "gossip_store": bytes(small_store().data),
        "parquet": (folder / "small.parquet").read_bytes(),
    }


PACKERS: dict[str, Any] = {
    "none": bytes,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def refusal(path: Path, contents: bytes) -> str:
    path.write_bytes(contents)
    with pytest.raises(DataError) as caught:
        read_graph(path)
    return str(caught.value)


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("form", ["lnd", "listchannels", "gossip_store", "parquet"])
def test_the_contents_tell_the_form_whatever_the_name(tmp_path: Path, form: str, packing: str) -> None:
    path = tmp_path / "graph.txt"
    path.write_bytes(PACKERS[packing](forms(tmp_path)[form]))
    found = read_graph(path)
    assert (found.format.value, found.compression.value) == (form, packing)
    assert found.graph.channel_count > 0


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("form", ["lnd", "listchannels", "gossip_store", "parquet"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, form: str, packing: str) -> None:
    whole = PACKERS[packing](forms(tmp_path)[form])
    path = tmp_path / "cut"
    trailing = 1 if form in {"lnd", "listchannels"} and packing == "none" else 0  # a final newline may be missing
    for end in {*range(0, len(whole) - trailing, max(len(whole) // 60, 1)), len(whole) - 1 - trailing}:
        path.write_bytes(whole[:end])
        between_records = form == "gossip_store" and packing == "none" and end in record_ends(whole)
        with nullcontext() if between_records else pytest.raises(DataError, match=str(path)):
            read_graph(path)


def record_ends(store: bytes) -> set[int]:
    """Return where a gossip_store may end without a trace: after a record."""
    position, ends = 1, set()
    while position < len(store):
        position += 12 + int.from_bytes(store[position + 2 : position + 4], "big")
        ends.add(position)
    return ends


def test_where_a_file_was_cut_is_said(tmp_path: Path) -> None:
    raw = LND.read_bytes()
    assert "the file is cut off" in refusal(tmp_path / "g", raw[:1000])
    assert "the gzip data is cut off: it ends after 300 packed bytes" in refusal(
        tmp_path / "g", gzip.compress(raw)[:300]
    )
    packed = zstandard.ZstdCompressor().compress(raw)
    assert "the zstd data is cut off: it ends after 300 packed bytes" in refusal(tmp_path / "g", packed[:300])


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_packed_files_may_be_joined(tmp_path: Path, packing: str) -> None:
    raw, pack = LND.read_bytes(), PACKERS[packing]
    (tmp_path / "g").write_bytes(b"".join(pack(raw[start : start + 700]) for start in range(0, len(raw), 700)))
    assert differences(read_graph(tmp_path / "g").graph, read_graph(LND).graph) == []


def test_what_follows_packed_data_must_be_packed_too_or_padding(tmp_path: Path) -> None:
    packed = gzip.compress(LND.read_bytes())
    assert "damaged gzip data" in refusal(tmp_path / "g", packed + b"junk")
    (tmp_path / "g").write_bytes(packed + bytes(512))
    assert read_graph(tmp_path / "g").graph.channel_count == 2


def test_a_flipped_bit_in_packed_data_is_noticed(tmp_path: Path) -> None:
    for name in ("gzip", "zstd"):
        packed = bytearray(PACKERS[name](LND.read_bytes()))
        packed[len(packed) // 2] ^= 8
        refusal(tmp_path / "g", bytes(packed))


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (b"", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty once unpacked"),
        (bytes(range(128, 256)) * 9, "not a graph in any form we know"),
        (b"\x7fELF" + bytes(60), "not a graph in any form we know"),
        (b"id,source,target\n1,2,3\n", "accepted are the JSON of `lncli describegraph`"),
        (b"   \n\t ", "not a graph in any form we know"),
        ("{}".encode("utf-16"), "the text is UTF-16"),
        (b"GOSSMAP_COMPRESSv1\0", "gossmap-compress decompress"),
        (b"{}", "JSON, but not a graph: it is empty"),
        (b"[]", "it is a list"),
        (b'{"identity_pubkey": "02", "alias": "me"}', "it has the keys 'identity_pubkey', 'alias'"),
        (b'{"nodes": []}', "it has the keys 'nodes'"),
        (b'{"channels": [{"active": true, "remote_pubkey": "02", "chan_id": "1"}]}', "it has the keys 'channels'"),
        (b'{"nodes": [], "edges": [}', "line 1 column 25: not valid JSON"),
        (b'{"nodes": [], "edges": [NaN]}', "not valid JSON"),
        (b'{"nodes": [], "edges": []} {}', "not valid JSON"),
        (b'{"nodes": ["\xff"], "edges": []}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON: depth limit exceeded"),
        (b'{"nodes":' * 100_000, "not valid JSON: depth limit exceeded"),
        (b"PAR1", "the Parquet file is cut off"),
        (b"PAR1" + bytes(100) + b"PAR1", "not one of ours"),
    ],
)
def test_what_is_no_graph_is_refused_in_one_sentence(tmp_path: Path, contents: bytes, problem: str) -> None:
    message = refusal(tmp_path / "input", contents)
    assert message.startswith(str(tmp_path / "input"))
    assert problem in message
    assert "\n" not in message


def test_a_byte_order_mark_and_blanks_before_json_do_not_matter(tmp_path: Path) -> None:
    for start in (b"\xef\xbb\xbf", b"\n\n", b"\t "):
        (tmp_path / "g").write_bytes(start + LND.read_bytes())
        assert read_graph(tmp_path / "g").format is GraphFormat.LND


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none: cannot be read: No such file or directory"):
        read_graph(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read: this is a directory"):
        read_graph(tmp_path)


def bomb(path: Path, packing: Compression, size: int) -> None:
    """Write `size` zeros, packed, without holding them."""
    block = bytes(1 << 22)
    with path.open("wb") as file:
        packer: Any
        if packing is Compression.GZIP:
            packer = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
        else:
            packer = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
        with packer:
            for _ in range(size // len(block)):
                packer.write(block)


BOMB_PROBE = """
import sys, time
from pathlib import Path
from lightninglens.core.errors import DataError
from lightninglens.storage.files.graphs import read_graph
def peak_kb():  # of this program; getrusage would also count its parent before exec
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0])
before = peak_kb()
start = time.perf_counter()
try:
    read_graph(Path(sys.argv[1]))
except DataError as error:
    print(error)
print(time.perf_counter() - start)
print((peak_kb() - before) // 1024)
"""


@pytest.mark.parametrize("packing", [Compression.GZIP, Compression.ZSTD])
def test_a_decompression_bomb_is_refused_quickly_and_in_little_memory(tmp_path: Path, packing: Compression) -> None:
    # 256 MiB of zeros stop at the same place as 10 GiB: the ratio is what gives them away.
    bomb(tmp_path / "bomb", packing, 256 << 20)
    probe = [sys.executable, "-c", BOMB_PROBE, str(tmp_path / "bomb")]
    message, seconds, grown_mb = subprocess.run(probe, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "looks like a decompression bomb" in message
    assert float(seconds) < 1
    assert int(grown_mb) <= 128


def test_more_than_the_largest_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MAX_UNPACKED_BYTES", 1000)
    for pack in PACKERS.values():
        assert "too large" in refusal(tmp_path / "g", pack(LND.read_bytes()))


def test_a_document_of_empty_parts_is_refused_before_it_takes_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_text, "MAX_CONTAINERS", 1000)
    assert "more parts than any graph" in refusal(tmp_path / "g", b'{"nodes":[' + b"{}," * 1000 + b'{}],"edges":[]}')


@pytest.mark.parametrize("name", ["g.json", "g.json.gz", "g.json.zst"])
def test_the_same_graph_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    graph = read_graph(LND).graph
    write_graph(graph, tmp_path / name, GraphFormat.LND, origin=ORIGIN)
    first = (tmp_path / name).read_bytes()
    write_graph(graph, tmp_path / name, GraphFormat.LND, origin=ORIGIN)
    assert (tmp_path / name).read_bytes() == first
    found = read_graph(tmp_path / name)
    assert found.compression is Compression.of(first)
    assert differences(found.graph, graph) == []


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = read_graph(LND).graph
    target = tmp_path / "g.json"
    target.write_text("precious")

    def fail(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match=r"g\.json: cannot be written: No space left on device"):
        write_graph(graph, target, GraphFormat.LND)
    assert [path.name for path in tmp_path.iterdir()] == ["g.json"]
    assert target.read_text() == "precious"


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    graph = read_graph(LND).graph
    with pytest.raises(DataError, match="cannot be written: No such file or directory"):
        write_graph(graph, tmp_path / "none" / "g.json", GraphFormat.LND)
    with pytest.raises(DataError, match="cannot be written: Is a directory"):
        write_graph(graph, tmp_path, GraphFormat.LND)


@pytest.mark.parametrize("format_", [GraphFormat.GOSSIP_STORE, GraphFormat.LISTCHANNELS])
def test_core_lightnings_forms_are_only_read(tmp_path: Path, format_: GraphFormat) -> None:
    with pytest.raises(ConfigError, match="can be read, not written"):
        write_graph(read_graph(LND).graph, tmp_path / "out", format_)
    assert list(tmp_path.iterdir()) == []


def written(folder: Path) -> tuple[Path, bytes]:
    path = folder / "g.parquet"
    write_graph(read_graph(LND).graph, path, GraphFormat.PARQUET, origin=ORIGIN)
    return path, path.read_bytes()


def test_parquet_keeps_the_graph_and_where_it_came_from(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    found = read_graph(path)
    assert differences(found.graph, read_graph(LND).graph) == []
    assert found.origin == ORIGIN


def test_parquet_is_read_by_others(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    frame = pl.read_parquet(path)
    assert frame["kind"].to_list() == ["node"] * 4 + ["channel"] * 2
    assert frame["node1_fee_rate_ppm"].to_list() == [None] * 4 + [1, None]
    assert frame["channel_id"].to_list()[4] == 800_000 << 40 | 1 << 16 | 1
    assert pl.read_parquet_metadata(path)["format"] == "lightninglens/graph/1"


PARQUET_PROBE = """
import hashlib, sys
from pathlib import Path
from lightninglens.storage.files.graphs import GraphFormat, GraphOrigin, read_graph, write_graph
write_graph(read_graph(Path(sys.argv[1])).graph, Path(sys.argv[2]), GraphFormat.PARQUET, origin=GraphOrigin(
    format="lnd", sha256="ab" * 32, snapshot_s=1700000900))
"""


@pytest.mark.parametrize("threads", ["1", "3"])
def test_parquet_has_the_same_bytes_in_any_process(tmp_path: Path, threads: str) -> None:
    _, expected = written(tmp_path)
    environment = os.environ | {"POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
    out = tmp_path / "again.parquet"
    subprocess.run([sys.executable, "-c", PARQUET_PROBE, str(LND), str(out)], check=True, env=environment)
    assert out.read_bytes() == expected


def test_any_damaged_byte_of_a_parquet_file_is_noticed(tmp_path: Path) -> None:
    path, whole = written(tmp_path)
    for position in range(4, len(whole), 13):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        assert any(word in refusal(path, bytes(damaged)) for word in ("damaged", "not one of ours", "cut off"))


def altered(folder: Path, change: Any, metadata: dict[str, str] | None = None) -> str:
    """Return the refusal of a sealed Parquet file whose frame was changed."""
    path, _ = written(folder)
    kept = {key: value for key, value in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}
    frame = change(pl.read_parquet(path))
    frame.write_parquet(path, metadata=kept | (metadata or {}))
    return refusal(path, _sealed(path.read_bytes())).removeprefix(str(path))


def with_value(column: str, row: int, value: object) -> Any:
    def change(frame: pl.DataFrame) -> pl.DataFrame:
        values = frame[column].to_list()
        values[row] = value
        return frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype))

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (with_value("capacity_sat", 4, 0), ", row 4, column capacity_sat: 0 is out of range"),
        (with_value("capacity_sat", 5, None), ", column capacity_sat: a value is missing"),
        (with_value("pub_key", 1, "xy"), ", row 1, column pub_key: 'xy' is not a node id"),
        (with_value("pub_key", 1, "x" * 600), ", column pub_key: a text of 600 bytes is too long"),
        (with_value("node1_pub", 5, "03" + "99" * 32), "which is not among the nodes"),
        (with_value("node1_pub", 5, "03" + "44" * 32), "1 channels name their greater node id first"),
        (with_value("channel_id", 5, 800_000 << 40 | 1 << 16 | 1), "channel 800000x1x1 is there twice"),
        (
            with_value("node1_base_fee_msat", 4, 2**32),
            ", row 4, column node1_base_fee_msat: 4294967296 is out of range",
        ),
        (
            with_value("node1_base_fee_msat", 4, None),
            ", row 4, column node1_base_fee_msat: a policy must be there whole",
        ),
        (with_value("node2_fee_rate_ppm", 5, 5), ", row 5, column node2_fee_rate_ppm: a policy must be there whole"),
        (with_value("kind", 0, "edge"), ", column kind: the rows are not nodes first"),
        (with_value("kind", 4, "node"), ", column pub_key: a value is missing"),
        (lambda frame: frame.drop("alias"), "the columns are not those of lightninglens/graph/1"),
        (lambda frame: frame.cast({"capacity_sat": pl.Int32}), "the columns are not those of"),
    ],
)
def test_a_wrong_value_in_parquet_is_named(tmp_path: Path, change: Any, problem: str) -> None:
    assert problem in altered(tmp_path, change)


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"format": "lightninglens/graph/2"}, "the format is 'lightninglens/graph/2'; this version reads"),
        ({"snapshot_s": "today"}, ", metadata snapshot_s: expected a whole number"),
    ],
)
def test_other_versions_of_parquet_are_refused(tmp_path: Path, metadata: dict[str, str], problem: str) -> None:
    assert problem in altered(tmp_path, lambda frame: frame, metadata)


def test_what_the_parquet_decoder_refuses_is_a_data_error(tmp_path: Path) -> None:
    path, whole = written(tmp_path)
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    unsealed = bytearray(whole[: footer - 40] + whole[footer:])
    unsealed[footer - 40 : footer - 30] = b"\xff" * 10
    assert "not readable as Parquet" in refusal(path, _sealed(bytes(unsealed)))


def test_too_many_rows_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole = written(tmp_path)
    monkeypatch.setattr(columns, "MAX_CHANNELS", 1)
    monkeypatch.setattr(columns, "MAX_NODES", 1)
    assert "6 rows are too many" in refusal(path, whole)


def test_a_document_is_not_changed_by_what_it_does_not_say(tmp_path: Path) -> None:
    contents = json.loads(LND.read_text()) | {"unknown": 1}
    contents["edges"][0]["also_unknown"] = {"deep": [1.5]}
    (tmp_path / "g").write_text(json.dumps(contents))
    assert differences(read_graph(tmp_path / "g").graph, read_graph(LND).graph) == []
