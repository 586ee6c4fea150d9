"""The report of a run: one HTML file with its plots inside, made from the run's own tables."""

import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lightninglens.analytics.payments import Depletion, PaymentSummary, depletion, summarise_payments
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.sim.records import PaymentKind
from lightninglens.storage.files import runs
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.tables import CHANNEL_STATES, PAYMENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT = "report.html"
_INK, _MUTED, _GOOD, _BAD, _AMBER = "#1d2733", "#6b7785", "#2f7d5b", "#b3443f", "#c98a1b"

_PAYMENT_COLUMNS = (
    "kind",
    "start_ns",
    "end_ns",
    "amount_msat",
    "outcome",
    "attempts",
    "hops",
    "fee_msat",
    "failure_code",
    "failure_detail",
)
_STATE_COLUMNS = ("time_ns", "node1_local_msat", "node2_local_msat")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #f7f8fa; }
body { margin: 0 auto; max-width: 960px; padding: 24px }
h1 { font-size: 28px; margin: 0 0 4px } h2 { font-size: 20px; margin: 32px 0 8px }
p.note { color: #57626f } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: 4px 16px 4px 0; text-align: right; border-bottom: 1px solid #dde2e8 }
td:first-child, th:first-child { text-align: left }
figure { margin: 8px 0; overflow-x: auto } svg { max-width: 100%; height: auto }
.warning { background: #fff3d6; padding: 8px 12px }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFindings:
    """What a run's tables say."""

    summary: PaymentSummary
    depletion: tuple[Depletion, ...]
    payments: pl.DataFrame
    """Without the probes."""
    probes: int = 0


def read_findings(directory: Path, manifest: runs.Manifest) -> RunFindings:
    """Read a run and summarise it; raises DataError when it is damaged.

    Probes move no money, whatever becomes of them: they are counted by themselves.
    """
    every = runs.read_run_table(directory, manifest, "payments", PAYMENTS, columns=_PAYMENT_COLUMNS)
    payments = every.filter(pl.col("kind") != PaymentKind.PROBE.name.lower())
    states = runs.read_run_table(directory, manifest, "channel_states", CHANNEL_STATES, columns=_STATE_COLUMNS)
    numbers = {kind.name: kind.value for kind in HtlcOutcome}
    summary = summarise_payments(
        amount_msat=payments["amount_msat"].to_numpy(),
        outcome=payments["outcome"].replace_strict(numbers, return_dtype=pl.Int8).to_numpy(),
        attempts=payments["attempts"].to_numpy(),
        hops=payments["hops"].to_numpy(),
        fee_msat=payments["fee_msat"].to_numpy(),
        duration_ns=(payments["end_ns"] - payments["start_ns"]).to_numpy(),
    )
    probes = every.height - payments.height
    return RunFindings(summary=summary, depletion=_depletion(states), payments=payments, probes=probes)


def _depletion(states: pl.DataFrame) -> tuple[Depletion, ...]:
    levels = []
    for (time_ns,), moment in states.group_by("time_ns", maintain_order=True):
        both = moment.select("node1_local_msat", "node2_local_msat").to_numpy().reshape(-1)
        levels.append(depletion(int(str(time_ns)), both, np.ones(moment.height, np.bool_)))
    return tuple(levels)


def write_report(directory: Path) -> Path:
    """Write the report of the run in `directory` into it and return its path; raises DataError."""
    manifest = runs.read_manifest(directory)
    page = render_report(manifest, runs.read_timings(directory), read_findings(directory, manifest))
    with atomic_writer(directory / REPORT) as file:
        file.write(page.encode())
    return directory / REPORT


def render_report(manifest: runs.Manifest, timings: runs.Timings, findings: RunFindings) -> str:
    """Return the page."""
    scenario, summary = manifest.scenario, findings.summary
    parts = [
        f"<h1>{html.escape(scenario.name)}</h1>",
        f"<p class=note>{_origin(manifest)} Nothing here was measured on a real network.</p>",
    ]
    if not manifest.complete:
        ended = summary.payments + findings.probes
        parts.append(f"<p class=warning>The run ended early: {ended:,} of {scenario.payments:,} payments.</p>")
    if findings.probes:
        parts.append(f"<p class=note>{findings.probes:,} of them were probes, which are not counted below.</p>")
    if manifest.changes:
        parts += ["<h2>A counterfactual</h2>", _changes_table(manifest)]
    parts += ["<h2>Summary</h2>", _summary_table(summary, timings)]
    if summary.payments:
        parts += [
            "<h2>Success by amount</h2>",
            _figure(lambda axes: _plot_success(axes, summary)),
            _bucket_table(summary),
        ]
        parts += ["<h2>Why payments failed</h2>", _failure_table(findings.payments)]
        parts += ["<h2>Fees</h2>", _figure(lambda axes: _plot_fees(axes, findings.payments))]
        parts += ["<h2>Hops and attempts</h2>", _figure(lambda axes: _plot_counts(axes, findings.payments))]
        parts += ["<h2>Success over time</h2>", _figure(lambda axes: _plot_time(axes, findings.payments))]
    parts += ["<h2>Depletion</h2>", _depletion_table(findings.depletion)]
    if len(findings.depletion) > 2:
        parts.append(_figure(lambda axes: _plot_depletion(axes, findings.depletion)))
    parts += ["<h2>Provenance</h2>", _provenance_table(manifest, timings)]
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(scenario.name)}</title>"
        f"<style>{_STYLE}</style><body>\n{body}\n</body></html>\n"
    )


def _origin(manifest: runs.Manifest) -> str:
    scenario, graph = manifest.scenario, manifest.graph
    return (
        f"Simulated: {graph.nodes:,} nodes, {graph.channels:,} channels, seed {scenario.seed}, "
        f"balances {scenario.balances}, demand {scenario.demand.kind}."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    header = line(head, "th") if head else ""
    return f"<table>{header}{''.join(line(row, 'td') for row in rows)}</table>"


def _changes_table(manifest: runs.Manifest) -> str:
    start_ns = manifest.scenario.world.start_unix_s * NS_PER_SECOND
    rows = [
        [
            f"{(change.time_ns - start_ns) / NS_PER_SECOND:,.0f} s",
            str(change.channel_id),
            change.node_id,
            f"{change.amount_sat:+,} sat",
        ]
        for change in manifest.changes
    ]
    note = "<p>Up to then this is another run's past; the payments that follow are the same as there.</p>"
    return note + _table(["World time", "Channel", "On the side of", "Liquidity"], rows)


def _number(value: float | None, digits: int = 0, unit: str = "") -> str:
    return "no data" if value is None else f"{value:,.{digits}f}{unit}"


def _percent(value: float | None) -> str:
    return "no data" if value is None else f"{100 * value:.2f} %"


def _summary_table(summary: PaymentSummary, timings: runs.Timings) -> str:
    return _table(
        [],
        [
            ["Payments", f"{summary.payments:,}"],
            ["Succeeded", f"{summary.succeeded:,} ({_percent(summary.success_rate)})"],
            ["Succeeded by volume", _percent(summary.volume_success_rate)],
            ["Delivered", _number(summary.delivered_msat / 1000, unit=" sat")],
            ["Fees paid", _number(summary.fees_msat_total / 1000, unit=" sat")],
            ["Fee rate over what was delivered", _number(summary.fee_rate_ppm_mean, 1, " ppm")],
            ["Attempts per payment, mean (most)", f"{_number(summary.attempts_mean, 3)} ({summary.attempts_max})"],
            ["Hops of successes, mean", _number(summary.hops_mean, 2)],
            ["Time to success, median", _number(summary.duration_ms_median, unit=" ms")],
            ["Computed in", f"{timings.cpu_s:.1f} s of processor time, {timings.wall_s:.1f} s"],
        ],
    )


def _bucket_table(summary: PaymentSummary) -> str:
    rows = [
        [
            f"{bucket.from_sat:,} to {bucket.to_sat:,}" if bucket.to_sat else f"{bucket.from_sat:,} and more",
            f"{bucket.payments:,}",
            _percent(bucket.success_rate),
            _number(bucket.attempts_mean, 2),
        ]
        for bucket in summary.by_amount
        if bucket.payments
    ]
    return _table(["Amount, sat", "Payments", "Success", "Attempts, mean"], rows)


def _failure_table(payments: pl.DataFrame) -> str:
    failed = payments.filter(pl.col("outcome") != HtlcOutcome.SUCCEEDED.name)
    if failed.is_empty():
        return "<p>None failed.</p>"
    causes = failed.group_by("outcome", "failure_code", "failure_detail").len().sort("len", descending=True)
    rows = [
        [outcome, "no attempt" if code == "NONE" else f"{code}, {detail}", f"{count:,}"]
        for outcome, code, detail, count in causes.iter_rows()
    ]
    return _table(["Outcome", "Last failure", "Payments"], rows)


def _depletion_table(levels: tuple[Depletion, ...]) -> str:
    rows = [
        [when, _percent(level.depleted_share), _number(level.imbalance_mean, 4)]
        for when, level in (("Start", levels[0]), ("End", levels[-1]))
    ]
    return _table(["", "Channels with under 10 % on one side", "Imbalance, mean"], rows)


def _provenance_table(manifest: runs.Manifest, timings: runs.Timings) -> str:
    rows = [["Graph", manifest.scenario.graph.name or manifest.scenario.graph.kind.value]]
    rows += [["Graph content, sha256", manifest.graph.content_sha256], ["Machine", timings.machine]]
    rows += [[name, version] for name, version in manifest.versions.items()]
    return _table([], rows)


def _figure(draw: Callable[["Axes"], None]) -> str:
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and only reports need it
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"svg.hashsalt": "lightninglens", "font.size": 10, "axes.edgecolor": _MUTED}):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return f"<figure>{svg[svg.index('<svg') :]}</figure>"


def _plot_success(axes: "Axes", summary: PaymentSummary) -> None:
    buckets = [bucket for bucket in summary.by_amount if bucket.payments]
    rates = [100 * (bucket.success_rate or 0.0) for bucket in buckets]
    bars = axes.bar([f"{bucket.from_sat:,}" for bucket in buckets], rates, color=_GOOD, width=0.7)
    axes.bar_label(bars, [f"n={bucket.payments:,}" for bucket in buckets], fontsize=8, color=_MUTED)
    axes.set_ylim(0, 110)
    axes.set_xlabel("amount from, sat")
    axes.set_ylabel("success, %")


def _plot_fees(axes: "Axes", payments: pl.DataFrame) -> None:
    good = payments.filter(pl.col("outcome") == HtlcOutcome.SUCCEEDED.name)
    rates = (good["fee_msat"] * 1_000_000 / good["amount_msat"]).to_numpy()
    axes.hist(np.clip(rates, 0.1, 1e5), bins=np.geomspace(0.1, 1e5, 60).tolist(), color=_AMBER)
    axes.set_xscale("log")
    axes.set_xlabel("fee rate paid, ppm (0.1 and less at the left edge)")
    axes.set_ylabel("payments")


def _plot_counts(axes: "Axes", payments: pl.DataFrame) -> None:
    good = payments.filter(pl.col("outcome") == HtlcOutcome.SUCCEEDED.name)
    for column, offset, colour in (("hops", -0.2, _INK), ("attempts", 0.2, _AMBER)):
        counts = np.bincount(good[column].to_numpy())
        axes.bar(np.arange(len(counts)) + offset, counts, width=0.4, color=colour, label=column)
    axes.set_yscale("symlog")
    axes.set_xlabel("number")
    axes.set_ylabel("successful payments")
    axes.legend(frameon=False)


def _plot_time(axes: "Axes", payments: pl.DataFrame) -> None:
    ordered = payments.sort("start_ns")
    groups = max(1, min(60, ordered.height // 20))
    row = pl.int_range(pl.len()) * groups // pl.len()
    good = (pl.col("outcome") == HtlcOutcome.SUCCEEDED.name).mean()
    series = ordered.group_by(row.alias("group"), maintain_order=True).agg(
        pl.col("start_ns").mean(), good.alias("good")
    )
    hours = (series["start_ns"].to_numpy() - ordered["start_ns"][0]) / 3.6e12
    axes.plot(hours, 100 * series["good"].to_numpy(), color=_INK)
    axes.set_xlabel("hours since the start")
    axes.set_ylabel("success, %")


def _plot_depletion(axes: "Axes", levels: tuple[Depletion, ...]) -> None:
    hours = [(level.time_ns - levels[0].time_ns) / 3.6e12 for level in levels]
    axes.plot(hours, [100 * level.depleted_share for level in levels], color=_BAD)
    axes.set_xlabel("hours since the start")
    axes.set_ylabel("depleted channels, %")
