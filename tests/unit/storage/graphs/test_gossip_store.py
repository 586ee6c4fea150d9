from pathlib import Path

import numpy as np
import pytest
from tests.support.gossip_messages import (
    ALICE,
    BOB,
    CAROL,
    COMPLETED,
    DELETED,
    DYING,
    ZOMBIE,
    Store,
    be,
    channel_amount,
    channel_announcement,
    channel_update,
    crc32c,
    delete_channel,
    node_announcement,
    small_store,
)

from lightninglens.core.errors import DataError
from lightninglens.core.units import MAX_MONEY_MSAT
from lightninglens.storage.files.graphs import GraphFormat, GraphImport, _kernels, read_graph

ONE = 10 << 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gossip_store"


def load(path: Path, store: Store | bytes) -> GraphImport:
    path.write_bytes(store if isinstance(store, bytes) else bytes(store.data))
    return read_graph(path)


def refusal(path: Path, store: Store | bytes) -> str:
    with pytest.raises(DataError) as caught:
        load(path, store)
    return str(caught.value).removeprefix(f"{path}")


@pytest.mark.kernel
def test_the_checksum_is_that_of_rfc_3720() -> None:
    # RFC 3720, appendix B.4
    for data, expected in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)):
        columns = np.frombuffer(data, np.uint8)
        assert int(_kernels.crc32c(columns, 0, 32, 0, _kernels.crc32c_table())) == expected == crc32c(data)


@pytest.mark.kernel
def test_the_checksum_starts_from_the_timestamp_as_core_lightning_does() -> None:
    # ccan's crc32c(timestamp, message) takes the timestamp for the checksum of what came before.
    data = np.frombuffer(b"123456789", np.uint8)
    table = _kernels.crc32c_table()
    halfway = _kernels.crc32c(data, 0, 4, 0, table)
    assert int(_kernels.crc32c(data, 4, 9, halfway, table)) == 0xE3069283
    assert crc32c(b"56789", int(halfway)) == 0xE3069283


def test_reads_channels_updates_and_names(path: Path) -> None:
    found = load(path, small_store())
    graph = found.graph
    assert found.format is GraphFormat.GOSSIP_STORE
    assert graph.node_ids == (ALICE, BOB, CAROL)
    assert graph.aliases == ("alice", "", "")
    assert [str(graph.channel_id(row)) for row in range(3)] == ["10x0x0", "11x0x0", "12x0x0"]
    assert graph.capacity_sat.tolist() == [1_000_000, 250_000, 7]
    assert graph.policies.known.tolist() == [True, True, False, True, False, False]
    assert graph.usable().tolist() == [True, True, False, False, False, False]
    assert graph.policies.fee_rate_ppm[:2].tolist() == [100, 200]
    assert (found.dropped, found.adjusted) == ({}, {})
    assert found.origin.snapshot_s == 1_700_000_000


def test_every_field_of_an_update_lands_where_it_belongs(path: Path) -> None:
    update = channel_update(ONE, 1, timestamp=5, delta=34, least=2**40, base=2**32 - 1, rate=2**31, most=2**41 + 1)
    policies = load(path, Store().channel(ONE, ALICE, BOB).add(update)).graph.policies
    assert policies.last_update_s.tolist() == [0, 5]
    assert policies.time_lock_delta_blocks.tolist() == [0, 34]
    assert policies.min_htlc_msat.tolist() == [0, 2**40]
    assert policies.base_fee_msat.tolist() == [0, 2**32 - 1]
    assert policies.fee_rate_ppm.tolist() == [0, 2**31]
    assert policies.max_htlc_msat.tolist() == [0, 2**41 + 1]


def test_features_and_later_fields_shift_nothing(path: Path) -> None:
    store = Store().add(channel_announcement(ONE, ALICE, BOB, features=b"\x01\x02\x03", extra=b"more"))
    store.add(channel_amount(5)).add(node_announcement(BOB, "böb".encode(), features=b"\x80\x00"))
    graph = load(path, store).graph
    assert (graph.node_ids, graph.aliases) == ((ALICE, BOB), ("", "böb"))


def test_an_alias_that_is_not_utf_8_is_still_read(path: Path) -> None:
    store = Store().channel(ONE, ALICE, BOB).add(node_announcement(ALICE, b"a\xffb"))
    assert load(path, store).graph.aliases[0] == "a\ufffdb"


def test_the_newest_update_and_name_win_wherever_they_stand(path: Path) -> None:
    store = Store().channel(ONE, ALICE, BOB)
    for timestamp, rate in ((20, 2), (30, 3), (30, 4), (10, 1)):
        store.add(channel_update(ONE, 0, timestamp=timestamp, rate=rate))
        store.add(node_announcement(ALICE, b"name %d" % rate, timestamp=timestamp))
    found = load(path, store)
    assert found.graph.policies.fee_rate_ppm[0] == 4
    assert found.graph.aliases[0] == "name 4"
    assert found.dropped == {"channel updates replaced by newer ones": 3}


def test_inbound_fees_are_read_from_the_tlv(path: Path) -> None:
    fee = bytes.fromhex("fdd90308") + (-7).to_bytes(4, "big", signed=True) + (-250).to_bytes(4, "big", signed=True)
    other = b"\x05\x02ab"
    broken = bytes.fromhex("fdd90308ff")
    store = Store().channel(ONE, ALICE, BOB).channel(ONE + 1, ALICE, BOB).add(channel_update(ONE, 0, extra=other + fee))
    store.add(channel_update(ONE, 1, extra=broken)).add(channel_update(ONE + 1, 0, extra=b"\xff"))
    policies = load(path, store).graph.policies
    assert policies.inbound_base_fee_msat.tolist() == [-7, 0, 0, 0]
    assert policies.inbound_fee_rate_ppm.tolist() == [-250, 0, 0, 0]


def test_absurd_htlc_limits_are_lowered_to_all_money(path: Path) -> None:
    store = Store().channel(ONE, ALICE, BOB).add(channel_update(ONE, 0, least=2**64 - 1, most=2**63))
    found = load(path, store)
    assert found.graph.policies.min_htlc_msat[0] == found.graph.policies.max_htlc_msat[0] == MAX_MONEY_MSAT
    assert found.adjusted == {"htlc limits above 21 million btc lowered": 2}


def test_what_is_deleted_dying_or_foreign_is_left_out_and_counted(path: Path) -> None:
    store = small_store()
    store.channel(20 << 40, ALICE, BOB, flags=COMPLETED | DELETED)
    store.channel(21 << 40, ALICE, BOB, flags=COMPLETED | DYING)
    store.channel(22 << 40, ALICE, BOB).add(delete_channel(22 << 40))
    store.add(channel_update(21 << 40, 0)).add(channel_update(99 << 40, 0))
    store.add(node_announcement("02" + "99" * 32, b"nobody's"))
    found = load(path, store)
    assert found.graph.channel_count == 3
    assert found.dropped == {
        "records marked deleted": 2,
        "channels that are closing": 1,
        "channel updates of other channels": 2,
        "node announcements of nodes without channels": 1,
    }


def test_a_channel_that_was_deleted_may_come_back(path: Path) -> None:
    store = Store().channel(ONE, ALICE, BOB, 5).add(delete_channel(ONE)).channel(ONE, ALICE, BOB, 6)
    assert load(path, store).graph.capacity_sat.tolist() == [6]


def test_a_deleted_record_need_not_be_whole_inside(path: Path) -> None:
    store = small_store().add(b"ab", flags=COMPLETED | DELETED, crc=1)
    assert load(path, store).dropped == {"records marked deleted": 1}


def test_after_the_end_mark_nothing_is_read(path: Path) -> None:
    store = Store().channel(ONE, ALICE, BOB).add(be(4105, 2) + bytes(40)).channel(11 << 40, ALICE, BOB)
    assert load(path, store).graph.channel_count == 1


@pytest.mark.parametrize("version", [9, 12, 13])
def test_old_versions_have_private_and_zombie_records(path: Path, version: int) -> None:
    store = Store(version).channel(ONE, ALICE, BOB).add(channel_update(ONE, 0))
    store.add(channel_update(ONE, 1), flags=ZOMBIE).add(be(4104, 2) + bytes(12)).add(be(4102, 2) + bytes(4))
    found = load(path, store)
    assert found.graph.policies.known.tolist() == [True, False]
    assert found.dropped == {"records marked zombie": 1, "private records": 2}


def test_an_update_from_before_htlc_maximum_is_left_out(path: Path) -> None:
    old = channel_update(ONE, 0)[:-8]
    unset = bytearray(channel_update(ONE, 1))
    unset[110] = 0
    found = load(path, Store(10).channel(ONE, ALICE, BOB).add(old).add(bytes(unset)))
    assert not found.graph.policies.known.any()
    assert found.dropped == {"channel updates without htlc maximum": 2}


@pytest.mark.parametrize("version", [0, 8, 0x20, 0xFF])
def test_other_versions_are_refused(path: Path, version: int) -> None:
    message = refusal(path, Store(version).channel(ONE, ALICE, BOB))
    assert "gossip_store version 8 is not supported" in message if version == 8 else message


def test_versions_that_may_come_are_read(path: Path) -> None:
    # Core Lightning promises that minor versions stay readable (common/gossip_store.h).
    assert load(path, Store(17).channel(ONE, ALICE, BOB)).graph.channel_count == 1


def test_a_record_that_is_being_written_is_left_out(path: Path) -> None:
    whole = bytes(small_store().data)
    for length in (1, 5, 12, 40):
        begun = be(0, 2) + be(138, 2) + bytes(8) + bytes(138)
        found = load(path, whole + begun[:length])
        assert found.graph.channel_count == 3
        assert found.dropped == {"unfinished records at the end": 1}


def test_an_announcement_whose_amount_is_not_yet_there_is_left_out(path: Path) -> None:
    found = load(path, small_store().add(channel_announcement(77 << 40, ALICE, BOB)))
    assert found.graph.channel_count == 3
    assert found.dropped == {"announcements at the end whose amount is not written yet": 1}


def test_a_finished_record_that_is_cut_off_is_an_error_at_any_length(path: Path) -> None:
    whole = bytes(small_store().data)
    last = len(whole) - len(node_announcement(ALICE, b"alice")) - 12
    for end in range(last + 1, len(whole), 7):
        message = refusal(path, whole[:end])
        assert message == f", record 10 at byte {last}: the record is cut off: the file ends in the middle of it"


def test_a_record_marked_unfinished_in_the_middle_is_an_error(path: Path) -> None:
    message = refusal(path, Store().add(channel_update(1, 0), flags=0).channel(ONE, ALICE, BOB))
    assert message == ", record 0 at byte 1: the record is marked unfinished, but others follow it: the file is damaged"


def test_a_flipped_bit_is_an_error_that_names_the_record(path: Path) -> None:
    data = small_store().data
    data[700] ^= 4
    assert refusal(path, bytes(data)) == ", record 3 at byte 513: the record's checksum is wrong: the file is damaged"


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        (Store(), "without a single complete record"),
        (Store().add(b"a"), "too short to hold a message"),
        (
            Store().channel(ONE, ALICE, BOB).channel(ONE, ALICE, BOB),
            "channel 10x0x0 is there twice, first at record 0 at byte 1",
        ),
        (Store().channel(ONE, BOB, ALICE), "names its greater node id first"),
        (Store().channel(ONE, ALICE, ALICE), "to itself"),
        (Store().channel(ONE, ALICE, BOB, 0), "0 is out of range"),
        (Store().channel(ONE, ALICE, BOB, 2**51), "out of range"),
        (Store().channel(ONE, ALICE, BOB, 2**64 - 1), "out of range"),
        (Store().channel(ONE, "04" + "11" * 32, BOB), "is not a node id"),
        (
            Store().add(channel_announcement(ONE, ALICE, BOB)).add(channel_update(1, 0)),
            "not followed by the channel's amount",
        ),
        (Store().add(channel_announcement(ONE, ALICE, BOB)[:-1]).add(channel_amount(1)), "431 bytes is too short"),
        (Store().add(channel_announcement(ONE, ALICE, BOB)).add(channel_amount(1)[:-1]), "9 bytes is too short"),
        (Store().add(channel_update(1, 0)[:129]), "a channel_update of 129 bytes is too short"),
        (Store().add(node_announcement(ALICE, b"")[:100]), "a node_announcement of 100 bytes is too short"),
        (Store().add(be(257, 2) + bytes(64) + be(9, 2) + bytes(80)), "a node_announcement of 148 bytes is too short"),
        (
            Store().add(be(256, 2) + bytes(256) + be(9, 2) + bytes(180)),
            "a channel_announcement of 440 bytes is too short",
        ),
        (Store().add(delete_channel(1)[:-1]), "too short"),
    ],
)
def test_what_cannot_be_is_an_error(path: Path, store: Store, problem: str) -> None:
    message = refusal(path, store)
    assert problem in message
    assert "byte" in message


def test_a_store_without_channels_is_an_empty_network(path: Path) -> None:
    found = load(path, Store().add(be(4107, 2) + bytes(32)).add(channel_update(ONE, 0)))
    assert (found.graph.node_count, found.graph.channel_count) == (0, 0)
    assert found.dropped == {"channel updates of other channels": 1}
