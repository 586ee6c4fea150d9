import numpy as np
import pytest
from tests.support.observations import CHANNELS, START_NS, attempt, network, payment, seen

from lightninglens.core.errors import DataError
from lightninglens.core.observations import ChannelSeen, Observation
from lightninglens.core.units import NS_PER_HOUR, NS_PER_SECOND
from lightninglens.learn.dataset import DatasetOptions, build_dataset, concatenate, targets_by_name
from lightninglens.learn.features import FULL_FEATURES, REDUCED_FEATURES
from lightninglens.learn.gain import SideThen, realised_gain_msat
from lightninglens.learn.moves import move_features, move_rows
from lightninglens.learn.split import split
from lightninglens.learn.target import FlowColumns

OPTIONS = DatasetOptions(horizon_ns=NS_PER_HOUR)


def test_rows_stand_at_steps_up_to_a_horizon_before_the_end() -> None:
    data = build_dataset(network(4), OPTIONS)
    assert set(np.diff(np.unique(data.time_ns))) == {600 * NS_PER_SECOND}
    assert data.time_ns.max() <= START_NS + 3 * NS_PER_HOUR
    assert data.X.shape == (len(data.y), len(FULL_FEATURES))
    assert not data.reduced
    # Both sides of a channel follow one another, and mirror each other.
    assert np.array_equal(data.channel_id[0::2], data.channel_id[1::2])
    assert np.allclose(data.share_now[0::2] + data.share_now[1::2], 1.0)
    assert np.allclose(np.abs(data.y - data.share_now)[0::2], np.abs(data.y - data.share_now)[1::2], atol=1e-9)
    assert (data.failing_best_msat <= data.failing_now_msat).all()
    assert np.isnan(data.baseline).all()
    assert len(np.unique(data.y)) > 5


def test_the_target_is_what_followed() -> None:
    """A wants 0.4 of the channel to go out, in two parts, and has 0.3: the least that serves both is 0.41."""
    channel = CHANNELS[frozenset("ac")]
    out = [
        payment("ac", 200_000_000, attempt("ac", (200_000_000,), time_ns), time_ns=time_ns)
        for time_ns in (START_NS + NS_PER_HOUR, START_NS + NS_PER_HOUR + 1)
    ]
    observations: list[Observation] = [
        seen(channel, ("a", "c"), START_NS, 300_000, 700_000),
        *out,
        seen(channel, ("a", "c"), START_NS + 2 * NS_PER_HOUR, 100_000, 900_000),
    ]
    data = build_dataset(observations, OPTIONS)
    assert data.y[0] == 0.41
    assert data.y[1] == pytest.approx(0.59)
    assert data.failing_now_msat[0] == 200_000_000
    assert data.failing_best_msat[0] == 0


def test_without_attempts_the_reduced_features_are_used_and_what_is_dropped_is_told() -> None:
    data = build_dataset(network(3, attempts_known=False), OPTIONS)
    assert data.reduced
    assert data.features == REDUCED_FEATURES
    lost = build_dataset([payment("ac", 1_000), payment("ac", 1_000, attempts_known=False)], OPTIONS)
    assert len(lost.y) == len(lost.moves) == 0
    assert sum(lost.dropped.values()) == lost.payments == 2
    assert not len(build_dataset([], OPTIONS).y)


def test_worlds_are_joined_and_never_mixed() -> None:
    worlds = [build_dataset(network(5, seed), OPTIONS) for seed in range(4)]
    joined = concatenate(worlds)
    assert joined.world.tolist() == [row for row, one in enumerate(worlds) for _ in one.y]
    move = len(joined.moves) - 1
    assert joined.world[joined.moves.outgoing_row[move]] == joined.world[joined.moves.incoming_row[move]] == 3
    parts = split(concatenate([joined, joined]))
    assert [set(part.tolist()) for part in (parts.train, parts.calibration, parts.held_out)] == [{True, False}] * 3
    assert parts.gap_ns == 0
    with pytest.raises(ValueError, match="no data set"):
        concatenate([])
    with pytest.raises(ValueError, match="different options"):
        concatenate([worlds[0], build_dataset(network(3), DatasetOptions())])


def test_one_world_is_split_by_time_with_a_gap_of_one_horizon() -> None:
    data = build_dataset(network(24), OPTIONS)
    parts = split(data)
    train, calibration, held_out = (data.time_ns[part] for part in (parts.train, parts.calibration, parts.held_out))
    assert train.max() + NS_PER_HOUR <= calibration.min()
    assert calibration.max() + NS_PER_HOUR <= held_out.min()
    assert parts.gap_ns == NS_PER_HOUR
    with pytest.raises(DataError, match="at least 4 h on end"):
        split(build_dataset(network(4), OPTIONS))


def test_targets_are_found_by_name() -> None:
    channel: ChannelSeen = seen(CHANNELS[frozenset("ab")], ("a", "b"), 0, 1, 1)
    found = targets_by_name([channel], {"a": "lnd-bob", "b": "lnd-alice"})
    assert found == {(channel.channel_id, "a"): 0.4, (channel.channel_id, "b"): 0.6}
    assert not targets_by_name([channel], {})


def test_a_move_gains_what_it_serves_more_less_what_it_serves_less() -> None:
    def side(local_msat: int, amounts: list[int], values: list[int]) -> SideThen:
        flows = FlowColumns(
            time_ns=np.arange(len(amounts), dtype=np.int64),
            amount_msat=np.array(amounts, np.int64),
            is_shift=np.zeros(len(amounts), np.bool_),
            value_msat=np.array(values, np.int64),
        )
        return SideThen(flows=flows, local_msat=local_msat, total_msat=1_000)

    empty_and_wanted = side(10, [100, 100], [7, 5])
    full_and_hardly_wanted = side(900, [750], [3])
    assert realised_gain_msat(full_and_hardly_wanted, empty_and_wanted, amount_msat=100) == 7
    assert realised_gain_msat(full_and_hardly_wanted, empty_and_wanted, amount_msat=200) == 7 + 5 - 3
    assert realised_gain_msat(empty_and_wanted, full_and_hardly_wanted, amount_msat=5) == 0


def test_the_rows_of_moves_say_what_they_do_to_both_sides() -> None:
    data = build_dataset(network(6), OPTIONS)
    moves = data.moves
    rows = move_rows(
        data.X[moves.outgoing_row],
        data.X[moves.incoming_row],
        features=data.features,
        amount_msat=moves.amount_msat,
        cost_msat=moves.cost_msat,
    )
    names = move_features(data.features)
    assert rows.shape == (len(moves), len(names))
    after = rows[:, names.index("outgoing_share_after")], rows[:, names.index("incoming_share_after")]
    assert (after[0] < rows[:, names.index("outgoing_balance_ratio")]).all()
    assert ((after[0] > 0) & (after[1] < 1)).all()
    assert (np.array(data.node_id)[moves.outgoing_row] == np.array(data.node_id)[moves.incoming_row]).all()
    assert (data.channel_id[moves.outgoing_row] != data.channel_id[moves.incoming_row]).all()
