import dataclasses
from pathlib import Path

import pytest
import sqlalchemy as sa

from lightninglens.core.effects import Effect, EffectKnown
from lightninglens.core.errors import DataError, LensError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.records import Interval, JournalRecord, JournalState, RebalanceChange
from lightninglens.core.units import Msat, UnixNs
from lightninglens.operate.effects import recover
from lightninglens.storage.effects import SqliteEffects

CHANGE = RebalanceChange(
    node_id=NodeId("02" + "ab" * 32),
    outgoing_channel_id=ChannelId.of(1, 1, 1),
    incoming_channel_id=ChannelId.of(1, 1, 2),
    amount_msat=Msat(5_000),
    max_fee_msat=Msat(10),
    previous_local_msat=Msat(9_000),
    reason="because",
    confidence=0.6,
    expected_gain=Interval(low_msat=-1, expected_msat=2, high_msat=3),
)


def effect(plan_id: str = "p", index: int = 0) -> Effect:
    return Effect(
        plan_id=plan_id,
        change_index=index,
        author="learner",
        acted_ns=UnixNs(1_000),
        horizon_ns=500,
        state="succeeded",
        change=CHANGE,
        moved_msat=Msat(5_000),
        fee_msat=Msat(4),
        outgoing_local_msat=(9_000, 3_996),
        incoming_local_msat=None,
        node_name="lnd-alice",
        outgoing_peer_name="lnd-bob",
        incoming_peer_name="lnd-eve",
    )


KNOWN = EffectKnown(plan_id="p", change_index=0, known_ns=UnixNs(1_500), realised_gain_msat=-7)


@pytest.mark.promise("A1.13")
def test_what_was_done_and_what_came_of_it_survive_a_restart(tmp_path: Path) -> None:
    with SqliteEffects(tmp_path / "effects.db") as store:
        store.append(effect())
        store.append(effect(index=1))
        store.append(KNOWN)
        store.append(dataclasses.replace(KNOWN, realised_gain_msat=99))  # the first stays
    with SqliteEffects(tmp_path / "effects.db") as store:
        assert store.newest(10) == [(effect(index=1), None), (effect(), KNOWN)]
        assert store.newest(1) == [(effect(index=1), None)]
        assert store.keys() == {("p", 0), ("p", 1)}
    assert effect().due_ns == 1_500


def test_the_ledger_cannot_be_altered_and_says_where_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "effects.db"
    with SqliteEffects(path) as store:
        store.append(effect())
        for statement in ("UPDATE effects SET body = ''", "DELETE FROM effects"):
            with pytest.raises(sa.exc.DatabaseError, match="append-only"), store._engine.begin() as connection:
                connection.exec_driver_sql(statement)
        with store._engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO effects (plan_id, change_index, body) VALUES ('q', 0, '{}')")
        with pytest.raises(DataError, match="record 2"):
            store.newest(10)
        with store._engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE effects")
        with pytest.raises(LensError, match="cannot be written"):
            store.append(effect("r"))
        with pytest.raises(DataError, match="cannot be read"):
            store.keys()


def test_what_the_journal_has_and_the_ledger_lacks_is_recovered(tmp_path: Path) -> None:
    def record(plan_id: str, state: JournalState) -> JournalRecord:
        return JournalRecord(
            sequence=1,
            recorded_ns=UnixNs(77),
            plan_id=plan_id,
            change_index=0,
            author="feed",
            state=state,
            change=CHANGE,
            reserved_msat=Msat(0),
            moved_msat=Msat(5_000),
            fee_msat=Msat(4),
        )

    sent, done, failed = JournalState.SENT, JournalState.SUCCEEDED, JournalState.FAILED
    journal = [
        *(record("crashed", state) for state in (JournalState.PLANNED, sent, done)),
        *(record("p", state) for state in (sent, done)),
        *(record("lost", state) for state in (sent, failed)),
        record("under way", sent),
        record("stopped", failed),
        record("no", JournalState.REFUSED),
    ]
    with SqliteEffects(tmp_path / "effects.db") as store:
        store.append(effect())
        assert recover(store, journal, horizon_ns=5) == 2
        assert recover(store, journal, horizon_ns=5) == 0
        found = {one.plan_id: one for one, _ in store.newest(10)}
    assert set(found) == {"crashed", "p", "lost"}
    assert (found["crashed"].state, found["crashed"].outgoing_local_msat) == ("succeeded", None)
    assert found["lost"].state == "failed"
