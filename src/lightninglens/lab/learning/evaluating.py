"""How good a model is: against what needs no learning, on time that it has not seen; as numbers and as a figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.model_card import ModelCard, Reliability, ShareErrors
from lightninglens.core.records import STRICT
from lightninglens.lab.learning.bootstrap import fingerprint
from lightninglens.lab.learning.features import read_features
from lightninglens.lab.learning.predicting import check_features
from lightninglens.learn.dataset import Dataset
from lightninglens.learn.evaluation import judge_confidence, judge_shares, verdict_on_gains
from lightninglens.learn.moves import Moves, move_rows
from lightninglens.learn.split import split
from lightninglens.learn.training import TrainedModel
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.codec import to_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT: Final = "lightninglens/evaluation/1"
NUMBERS, FIGURE = "evaluation.json", "evaluation.png"
_INK, _MUTED, _MODEL, _AMBER = "#1d2733", "#8a94a0", "#2f7d5b", "#c98a1b"
_MS_PER_HOUR: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model is worth on some data."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = FORMAT
    model: str
    judged_on: str
    """Which data, in words."""
    share_errors: ShareErrors
    share_errors_over_time: tuple[tuple[int, ShareErrors], ...]
    """By span of world time (start in ms)."""
    reliability: Reliability | None
    """None where the model or the data know nothing of gains."""
    verdict: str


def of_card(card: ModelCard) -> Evaluation:
    """Return how a model did on the held-out time of its own data, as its card says."""
    return Evaluation(
        model=card.version,
        judged_on=f"the held-out part of what it was trained on ({card.trained_on})",
        share_errors=card.share_errors,
        share_errors_over_time=card.share_errors_over_time,
        reliability=card.reliability,
        verdict=card.verdict,
    )


def evaluate(model: TrainedModel, features: Path) -> Evaluation:
    """Judge a model on a file of features; of the file that it was trained on only the held-out part counts.

    Raises DataError when the data do not have what the model needs.
    """
    check_features(model.card)
    dataset, record = read_features(features)
    if not len(dataset.y):
        raise DataError("no row has a target yet: the data are shorter than the horizon", where=str(features))
    rows = _columns(model.card, dataset, features)
    if dataset.options.horizon_ns != model.card.horizon_ns:
        raise DataError("these features look another horizon ahead than the model does", where=str(features))
    own = fingerprint(dataset) == model.card.data_sha256
    chosen = split(dataset).held_out if own else np.ones(len(dataset.y), np.bool_)
    judged = judge_shares(dataset, chosen, model.shares(rows[chosen]).share)
    reliability = _judge_gains(model, dataset, chosen)
    part = "the held-out part of what it was trained on" if own else "all rows of other data than it was trained on"
    return Evaluation(
        model=model.card.version,
        judged_on=f"{part} ({record.source})",
        share_errors=judged.errors,
        share_errors_over_time=judged.over_time,
        reliability=reliability,
        verdict=f"{judged.verdict} {verdict_on_gains(reliability, reduced=dataset.reduced or model.card.reduced)}",
    )


def write_evaluation(evaluation: Evaluation, out: Path) -> tuple[Path, Path]:
    """Write the numbers and the figure into a directory and return their paths; raises DataError."""
    out.mkdir(parents=True, exist_ok=True)
    with atomic_writer(out / NUMBERS) as file:
        file.write(to_json(evaluation))
    with atomic_writer(out / FIGURE) as file:
        file.write(_figure(evaluation))
    return out / NUMBERS, out / FIGURE


def in_words(evaluation: Evaluation) -> list[str]:
    """Return the evaluation for a terminal."""
    errors = evaluation.share_errors
    said = [
        f"model {evaluation.model}, judged on {evaluation.judged_on}",
        f"mean absolute error of the share over {errors.rows:,} rows:",
        f"  model            {errors.model:.4f}",
        f"  always one half  {errors.half:.4f}",
        f"  share of now     {errors.last_value:.4f}",
        f"  baseline targets {'none for these channels' if errors.baseline is None else f'{errors.baseline:.4f}'}",
    ]
    if evaluation.reliability is not None:
        found = evaluation.reliability
        said.append("confidence that a rebalance gains, and how many of them would have:")
        said += [
            f"  {one.low:.1f} to {one.high:.1f}: said {one.mean_confidence:.2f}, gained {one.share_gained:.2f}"
            f" ({one.count:,})"
            for one in found.bins
        ]
        said.append(
            f"  Brier score {found.brier:.4f}, of always saying the base rate {found.brier_of_base_rate:.4f};"
            f" {found.interval_coverage:.0%} of the gains in their 80 % interval"
        )
    return [*said, evaluation.verdict]


def _columns(card: ModelCard, dataset: Dataset, where: Path) -> NDArray[np.float64]:
    places = {name: column for column, name in enumerate(dataset.features)}
    absent = [name for name in card.features if name not in places]
    if absent:
        raise DataError(f"the feature {absent[0]!r}, which the model needs, is not in it", where=str(where))
    return dataset.X[:, [places[name] for name in card.features]]


def _judge_gains(model: TrainedModel, dataset: Dataset, chosen: NDArray[np.bool_]) -> Reliability | None:
    moves: Moves = dataset.moves.take(chosen[dataset.moves.outgoing_row])
    if not model.knows_gains or dataset.features != model.card.features or not len(moves):
        return None
    rows = move_rows(
        dataset.X[moves.outgoing_row],
        dataset.X[moves.incoming_row],
        features=dataset.features,
        amount_msat=moves.amount_msat,
        cost_msat=moves.cost_msat,
    )
    said = model.gains(rows, amount_msat=moves.amount_msat, cost_msat=moves.cost_msat)
    net_msat = (moves.gain_msat - moves.cost_msat).astype(np.float64)
    return judge_confidence(
        confidence=said.confidence, gained=net_msat > 0, covered=(said.low <= net_msat) & (net_msat <= said.high)
    )


def _figure(evaluation: Evaluation) -> bytes:
    import io  # noqa: PLC0415 - with the next, which is slow to import

    from matplotlib.figure import Figure  # noqa: PLC0415

    panels = 3 if evaluation.reliability is not None else 2
    figure = Figure(figsize=(4.2 * panels, 3.6), layout="constrained")
    axes = figure.subplots(1, panels)
    _plot_errors(axes[0], evaluation.share_errors)
    _plot_over_time(axes[1], evaluation)
    if evaluation.reliability is not None:
        _plot_reliability(axes[2], evaluation.reliability)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Model {evaluation.model}", fontsize=10)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=120, metadata={"Software": None})
    return written.getvalue()


def _plot_errors(axes: "Axes", errors: ShareErrors) -> None:
    bars = {"model": errors.model, "one half": errors.half, "share of now": errors.last_value}
    if errors.baseline is not None:
        bars["baseline"] = errors.baseline
    drawn = axes.bar(list(bars), list(bars.values()), color=[_MODEL, *[_MUTED] * (len(bars) - 1)])
    axes.bar_label(drawn, [f"{value:.3f}" for value in bars.values()], fontsize=8)
    axes.set_ylabel("mean absolute error, shares")
    axes.set_title(f"{errors.rows:,} held-out rows", fontsize=9)


def _plot_over_time(axes: "Axes", evaluation: Evaluation) -> None:
    first_ms = evaluation.share_errors_over_time[0][0]
    hours = [(start_ms - first_ms) / _MS_PER_HOUR for start_ms, _ in evaluation.share_errors_over_time]
    found = [errors for _, errors in evaluation.share_errors_over_time]
    axes.plot(hours, [one.model for one in found], "o-", color=_MODEL, label="model")
    axes.plot(hours, [one.half for one in found], "o-", color=_MUTED, label="one half")
    axes.plot(hours, [one.last_value for one in found], "o-", color=_AMBER, label="share of now")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("hours of held-out time")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("error over time", fontsize=9)


def _plot_reliability(axes: "Axes", reliability: Reliability) -> None:
    axes.plot([0, 1], [0, 1], color=_MUTED, linewidth=1)
    said = [one.mean_confidence for one in reliability.bins]
    gained = [one.share_gained for one in reliability.bins]
    axes.plot(said, gained, "o-", color=_INK)
    for one in reliability.bins:
        axes.annotate(f"{one.count:,}", (one.mean_confidence, one.share_gained), fontsize=7, color=_MUTED)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("confidence")
    axes.set_ylabel("share that would have gained")
    axes.set_title("reliability (number of rebalances)", fontsize=9)
