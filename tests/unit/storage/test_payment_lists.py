"""Lists of payments and of balances: read exactly, or refused with file, line and column."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.answers import Answer
from lightninglens.sim.balances import UNKNOWN_LOCAL, BalanceModel, initial_balances
from lightninglens.sim.demand import Intents, PaymentList, draw_intents, first_intents, to_requests
from lightninglens.sim.demand.intents import SCENARIOS_ANSWER
from lightninglens.sim.records import PaymentKind
from lightninglens.sim.topology import lab_topology
from lightninglens.storage.files import listings, payment_lists
from lightninglens.storage.files.balances import read_balances
from lightninglens.storage.files.payment_lists import read_payment_list

GRAPH = lab_topology(1).graph
HEADER = "time_s,sender,receiver,amount_sat,fee_limit_sat,max_parts,purpose"
GOOD = "1.5,lnd-alice,lnd-bob,1000,10,4,Tip"


def read(tmp_path: Path, text: str, graph: NetworkGraph = GRAPH) -> PaymentList:
    path = tmp_path / "payments.csv"
    path.write_bytes(text.encode())
    payments, sha256 = read_payment_list(path, graph)
    assert sha256 == hashlib.sha256(text.encode()).hexdigest()
    return payments


def test_a_list_is_read_to_the_letter(tmp_path: Path) -> None:
    node = GRAPH.node_ids[2]
    lines = [HEADER, GOOD, f'2.000001, {node} ,lnd-eve,5,,,"Cake, two pieces"', "2.000001,lnd-eve,lnd-dave,7,0,,", ""]
    listed = read(tmp_path, "\r\n".join(lines))
    intents = listed.payments
    assert intents.start_ns.tolist() == [1_500_000_000, 2_000_001_000, 2_000_001_000]
    assert intents.sender.tolist() == [0, 2, 4]
    assert intents.receiver.tolist() == [1, 4, 3]
    assert intents.amount_msat.tolist() == [1_000_000, 5_000, 7_000]
    assert intents.fee_limit_msat.tolist() == [10_000, -1, 0]
    assert intents.most_parts.tolist() == [4, 0, 0]
    assert [listed.descriptions[tag] for tag in intents.tag] == ["Tip", "Cake, two pieces", "Payment"]
    requests = to_requests(intents, senders_parts=16)
    assert requests.fee_limit_msat.tolist() == [10_000, 5_000, 0]
    assert requests.most_parts.tolist() == [4, 16, 16]


def test_a_list_may_say_what_receivers_do(tmp_path: Path) -> None:
    header = "time_s,sender,receiver,amount_sat,answer,hold_s"
    said = ["settle,", "settle,2.5", ",0.000001", "cancel,", "cancel,86400", "unknown-invoice,", ","]
    listed = read(tmp_path, "\n".join([header, *(f"1,lnd-alice,lnd-bob,5,{answer}" for answer in said)])).payments
    assert listed.answer.tolist() == [
        Answer.SETTLE,
        Answer.HOLD_THEN_SETTLE,
        Answer.HOLD_THEN_SETTLE,
        Answer.HOLD_THEN_CANCEL,
        Answer.HOLD_THEN_CANCEL,
        Answer.UNKNOWN_INVOICE,
        SCENARIOS_ANSWER,
    ]
    assert listed.hold_ns.tolist() == [0, 2_500_000_000, 1_000, 0, 86_400 * 10**9, 0, 0]
    requests = to_requests(listed)
    assert requests.answer.tolist() == [*listed.answer.tolist()[:-1], Answer.SETTLE]
    assert requests.kind.tolist() == [0, 0, 0, 0, 0, PaymentKind.PROBE, 0]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("hold,1", "column answer: 'hold' is none of settle, cancel, unknown-invoice"),
        ("unknown-invoice,5", "column hold_s: a receiver without the invoice holds nothing"),
        ("settle,soon", "column hold_s: 'soon' is no number of seconds"),
        ("cancel,-1", "column hold_s: -1 s is not from 0 to 1,000,000,000"),
        (",nan", "column hold_s: nan s is not from 0"),
    ],
)
def test_an_answer_that_is_none_is_named(tmp_path: Path, said: str, words: str) -> None:
    header = "time_s,sender,receiver,amount_sat,answer,hold_s"
    with pytest.raises(DataError, match=words):
        read(tmp_path, f"{header}\n1,lnd-alice,lnd-bob,5,{said}\n")
    if said.startswith((",", "settle")):
        with pytest.raises(DataError, match=words):
            read(tmp_path, f"time_s,sender,receiver,amount_sat,hold_s\n1,lnd-alice,lnd-bob,5,{said.split(',')[1]}\n")


def test_columns_may_be_in_msat_and_in_any_order(tmp_path: Path) -> None:
    listed = read(tmp_path, "\ufeffamount_msat,time_s,receiver,sender\n1,0,lnd-bob,lnd-alice\n")
    assert listed.payments.amount_msat.tolist() == [1]
    assert listed.payments_in_all == 1
    assert listed.descriptions == ("Payment",)


def test_a_list_is_a_demand(tmp_path: Path) -> None:
    lines = [HEADER] + [f"{second},lnd-alice,lnd-bob,5,,," for second in range(100)]
    listed = read(tmp_path, "\n".join(lines))
    window = draw_intents(listed, GRAPH, seed=1, start_ns=1_010 * 10**9, end_ns=1_020 * 10**9, origin_ns=1_000 * 10**9)
    assert window.start_ns.tolist() == [second * 10**9 for second in range(1_010, 1_020)]
    assert len(first_intents(listed, GRAPH, seed=1, count=1_000).start_ns) == 100


BROKEN = [
    ("x,lnd-alice,lnd-bob,5,,,", "column time_s: 'x' is no number of seconds"),
    ("nan,lnd-alice,lnd-bob,5,,,", "column time_s: nan s is not from 0"),
    ("-1,lnd-alice,lnd-bob,5,,,", "column time_s: -1 s is not from 0"),
    ("1.4,lnd-alice,lnd-bob,5,,,", "column time_s: 1.4 s is before the 1.5 s of the line above"),
    (",lnd-alice,lnd-bob,5,,,", "column time_s: '' is no number"),
    ("2,,lnd-bob,5,,,", "column sender: the node is missing"),
    ("2,lnd-alicia,lnd-bob,5,,,", "column sender: 'lnd-alicia' is not a node of this graph.*is 'lnd-alice' meant"),
    ("2,lnd-alice,lnd-alice,5,,,", "column receiver: 'lnd-alice' is the sender too"),
    ("2,lnd-alice,02ff,5,,,", "column receiver: '02ff' is not a node"),
    ("2,lnd-alice,lnd-bob,-5,,,", "column amount_sat: it is -5, and must be from 1"),
    ("2,lnd-alice,lnd-bob,0,,,", "column amount_sat: it is 0"),
    ("2,lnd-alice,lnd-bob,1.5,,,", "column amount_sat: '1.5' is no whole number"),
    ("2,lnd-alice,lnd-bob,,,,", "column amount_sat: '' is no whole number"),
    ("2,lnd-alice,lnd-bob,99999999999999999999,,,", "column amount_sat: '9+' is no whole number"),
    ("2,lnd-alice,lnd-bob,3000001,,,", r"column amount_sat: 3,000,001 sat are more than all channels of the sender"),
    ("2,lnd-bob,lnd-dave,2000001,,,", r"more than all channels of the receiver 'lnd-dave' hold \(2,000,000 sat\)"),
    ("2,lnd-alice,lnd-bob,5,-1,,", "column fee_limit_sat: it is -1, and must be from 0"),
    ("2,lnd-alice,lnd-bob,5,,0,", "column max_parts: it is 0, and must be from 1 to 256"),
    ("2,lnd-alice,lnd-bob,5", "it has 4 fields, and the header 7"),
    ("2,lnd-alice,lnd-bob,5,,,,,", "it has 9 fields, and the header 7"),
    ('2,lnd-alice,lnd-bob,5,,,"open', "not readable as CSV"),
    ("", "an empty line"),
]


@pytest.mark.parametrize(("line", "words"), BROKEN)
def test_a_broken_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(DataError, match=rf"payments.csv line 3.*{words}"):
        read(tmp_path, "\n".join([HEADER, GOOD, line, GOOD.replace("1.5", "3"), ""]))


def test_a_broken_line_far_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line 80,312, as an editor counts."""
    monkeypatch.setattr(listings, "PIECE_BYTES", 100_000)
    lines = [HEADER, *[f"{row},lnd-alice,lnd-bob,5,,," for row in range(99_999)]]
    lines[80_311] = lines[80_311].replace(",5,", ",five,")
    with pytest.raises(DataError, match=r"line 80,312, column amount_sat: 'five' is no whole number"):
        read(tmp_path, "\n".join(lines))


def test_pieces_are_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join([HEADER, *[f"{row},lnd-alice,lnd-bob,{row + 1},,,p{row % 7}" for row in range(500)], "", ""])
    whole = read(tmp_path, text)
    monkeypatch.setattr(listings, "PIECE_BYTES", 64)
    pieces = read(tmp_path, text)
    assert whole.descriptions == pieces.descriptions
    for name in Intents._fields:
        assert getattr(whole.payments, name).tolist() == getattr(pieces.payments, name).tolist()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "the column time_s is missing"),
        ("time_s,sender,receiver", "the column amount_sat or amount_msat is missing"),
        (
            "time_s,sender,receiver,amount_sat,amount_msat",
            "there is more than one column of amount_sat and",
        ),
        ("time_s,sender,receiver,amount_sats", "'amount_sats' is no column.*is 'amount_sat' meant"),
        ("time_s,sender,receiver,amount_sat,q", r"'q' is no column of this list \(there are"),
    ],
)
def test_a_wrong_header_is_told(tmp_path: Path, header: str, words: str) -> None:
    with pytest.raises(DataError, match=rf"line 1: {words}"):
        read(tmp_path, f"{header}\n1,2,3\n")


def test_other_files_that_are_no_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no payment in it"):
        read(tmp_path, HEADER)
    with pytest.raises(DataError, match=r"nowhere.csv: No such file"):
        read_payment_list(tmp_path / "nowhere.csv", GRAPH)
    (tmp_path / "bytes.csv").write_bytes(f"{HEADER}\n{GOOD}\n".encode() + b"2,\xff\xfe,lnd-bob,5,,,\n")
    with pytest.raises(DataError, match=r"line 3: this is not UTF-8 text"):
        read_payment_list(tmp_path / "bytes.csv", GRAPH)
    monkeypatch.setattr(payment_lists, "MOST_PAYMENTS", 1)
    with pytest.raises(DataError, match="more than 1 payments are not read"):
        read(tmp_path, f"{HEADER}\n{GOOD}\n{GOOD}\n")


FIELD = st.text(st.sampled_from('0123456789.-+e,"x \t\r'), max_size=6)


@given(fields=st.lists(FIELD, min_size=6, max_size=8))
@example(fields=["1e0", "lnd-alice", "lnd-bob", "+5", "", "", ""])
@example(fields=["2", '"lnd-alice"', "lnd-bob", "5", " ", "", 'a"b'])
def test_whatever_a_line_holds_it_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, fields: list[str]) -> None:
    """The columns' reading and the line's never disagree into a traceback."""
    folder = tmp_path_factory.mktemp("lists")
    try:
        listed = read(folder, "\n".join([HEADER, GOOD, ",".join(fields), GOOD.replace("1.5", "9e8")]))
    except DataError as error:
        assert "line 3" in str(error)  # noqa: PT017 - reading it is right too
    else:
        assert listed.payments_in_all == 3


def test_known_balances_take_the_place_of_drawn_ones(tmp_path: Path) -> None:
    path = tmp_path / "balances.csv"
    path.write_text("channel_id,node1_local_sat\n202x1x0,250000\n203:1:0,0\n")
    local_msat, _ = read_balances(path, GRAPH, commit_feerate_sat_per_kw=2_500)
    assert local_msat.tolist() == [250_000_000, 0, *[UNKNOWN_LOCAL] * 5]
    opener = np.array([0, 1, 0, 1, 0, 1, 0], np.int8)
    both = [
        initial_balances(
            GRAPH,
            opener,
            model=BalanceModel.UNIFORM,
            seed=1,
            commit_feerate_sat_per_kw=2_500,
            node1_local_msat=known,
        )
        for known in (local_msat, None)
    ]
    assert both[0][:4].tolist() == [253_470_000, 746_530_000, 0, 1_000_000_000]
    assert both[0][4:].tolist() == both[1][4:].tolist()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("9x9x9,5", "column channel_id: this graph has no channel 9x9x9"),
        ("first,5", "column channel_id: 'first' is not a channel id"),
        (",5", "column channel_id: '' is not a channel id"),
        ("202x1x0,5", "column channel_id: 202x1x0 has a balance above already"),
        ("203x1x0,-5", "column node1_local_sat: '-5' is no whole number"),
        ("203x1x0,", "column node1_local_sat: '' is no whole number"),
        ("203x1x0,996531", "column node1_local_sat: 996,531,000 msat are more than the 996,530,000 msat"),
    ],
)
def test_a_wrong_balance_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "balances.csv"
    path.write_text(f"channel_id,node1_local_sat\n202x1x0,5\n{line}\n")
    with pytest.raises(DataError, match=f"balances.csv line 3, {words}"):
        read_balances(path, GRAPH, commit_feerate_sat_per_kw=2_500)


def test_balances_that_a_channel_cannot_hold_are_refused() -> None:
    known = np.full(7, 1_000_000_000)
    with pytest.raises(ValueError, match="channel 202x1x0: a local balance of 1,000,000,000 msat"):
        initial_balances(
            GRAPH,
            np.zeros(7, np.int8),
            model=BalanceModel.UNIFORM,
            seed=1,
            commit_feerate_sat_per_kw=2_500,
            node1_local_msat=known,
        )
