"""Stage 6: what a model says of every channel side at the end of the data."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from lightninglens.core.errors import DataError
from lightninglens.core.ids import ChannelId
from lightninglens.core.model_card import ModelCard
from lightninglens.core.observations import ChannelSeen, PaymentSeen
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.lab.learning import frames
from lightninglens.lab.learning.formats import PREDICTIONS
from lightninglens.lab.learning.observations import WorldSeen, read_worlds
from lightninglens.lab.learning.report import StageReport
from lightninglens.learn.features import FULL_FEATURES, FeatureTracker
from lightninglens.learn.training import TrainedModel

STAGE: Final = "predict"


@dataclass(slots=True)
class _Use:
    """What wanted to use a channel, in either direction."""

    count: int = 0
    carried: int = 0
    amount_msat: int = 0


def predict(model: TrainedModel, source: Path, out: Path) -> StageReport:
    """Read what `transform` wrote to `source` and write predictions to the file `out`.

    Raises DataError when the data do not have what the model needs.
    """
    check_features(model.card)
    worlds = read_worlds(source)
    rows = [row for world in worlds for row in _predictions(model, world)]
    if not rows:
        raise DataError("the data tell of no channel with both ends and balances", where=str(source))
    frame = pl.DataFrame(rows, schema=dict(PREDICTIONS.schema))
    frames.write_csv(PREDICTIONS, frame, out)
    return StageReport(
        stage=STAGE,
        rows_in=sum(len(world.observations) for world in worlds),
        rows_out=frame.height,
        paths=(out,),
        missing=frames.count_missing(PREDICTIONS, frame),
        notes=(f"model {model.card.version}: {model.card.verdict}",),
    )


def check_features(card: ModelCard) -> None:
    """Raise DataError when a model asks for features that this version does not make."""
    unknown = [name for name in card.features if name not in FULL_FEATURES]
    if unknown:
        raise DataError(
            f"it asks for the feature {unknown[0]!r}, which this version does not make: train a new one",
            where=card.version,
        )


def _predictions(model: TrainedModel, world: WorldSeen) -> Iterator[dict[str, Any]]:
    tracker, used = FeatureTracker(), defaultdict[ChannelId, _Use](_Use)
    with_attempts = _follow(tracker, used, world)
    if not with_attempts and not model.card.reduced:
        raise DataError(
            f"the data have no single attempts, and the model {model.card.version} needs them:"
            " train one on such data, or with --reduced",
            where=world.name,
        )
    now_ns = _time_ns(world)
    sides = tracker.sides()
    if not sides:
        return
    rows = [tracker.row(channel_id, node_id, now_ns) for channel_id, node_id in sides]
    said = model.shares(np.array([[row[name] for name in model.card.features] for row in rows]))
    ends = _ends(world)
    moment = datetime.fromtimestamp(now_ns / NS_PER_SECOND, UTC).replace(tzinfo=None)
    for index, (channel_id, node_id) in enumerate(sides):
        local_msat, remote_msat = tracker.balances_msat(channel_id, node_id)
        share = local_msat / max(local_msat + remote_msat, 1)
        node1, node2, capacity_sat = ends[channel_id]
        best, low, high = (float(column[index]) for column in (said.share, said.low, said.high))
        yield {
            "timestamp": moment,
            "channel_id": str(channel_id),
            "capacity": capacity_sat,
            "local_balance": local_msat / MSAT_PER_SAT,
            "remote_balance": remote_msat / MSAT_PER_SAT,
            "balance_ratio": share,
            **(_usage(used[channel_id]) if with_attempts else {}),
            "optimal_ratio": best,
            "adjustment_needed": best - share,
            "low_ratio": low,
            "high_ratio": high,
            "world": world.name,
            "node": world.names.get(node_id, node_id),
            "peer": world.names.get(peer := node2 if node_id == node1 else node1, peer),
            "model": model.card.version,
        }


def _follow(tracker: FeatureTracker, used: dict[ChannelId, _Use], world: WorldSeen) -> bool:
    """Let the tracker see everything, count what used the channels, and return whether there were any attempts."""
    with_attempts = False
    for seen in world.observations:
        with_attempts |= isinstance(seen, PaymentSeen) and seen.attempts is not None
        for flow in tracker.observe(seen):
            if flow.role != "rebalance":
                use = used[flow.channel_id]
                use.count, use.carried = use.count + 1, use.carried + flow.settled
                use.amount_msat += flow.amount_msat
    return with_attempts


def _usage(use: _Use) -> dict[str, Any]:
    if not use.count:
        return {"tx_count": 0}
    amount_sat = use.amount_msat / use.count / MSAT_PER_SAT
    return {"tx_count": use.count, "success_rate": use.carried / use.count, "avg_amount": amount_sat}


def _ends(world: WorldSeen) -> Mapping[ChannelId, tuple[str, str, int]]:
    return {
        seen.channel_id: (seen.node1_id, seen.node2_id, int(seen.capacity_sat))
        for seen in world.observations
        if isinstance(seen, ChannelSeen)
    }


def _time_ns(world: WorldSeen) -> int:
    last = world.observations[-1]
    return last.seen_ns if isinstance(last, ChannelSeen) else last.ended_ns
