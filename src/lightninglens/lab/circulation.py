"""How much of what a run's people wanted to pay nets out at the nodes, from the run's own table."""

from pathlib import Path

import polars as pl


def netted_share_of_run(directory: Path) -> float | None:
    """Return the share of the payments' volume, wanted and not only delivered, that nets out; None without payments.

    The greatest circulation in it, Spider's kappa, is this or less; see
    `sim.demand.netted_share`.
    """
    payments = pl.scan_parquet(directory / "payments.parquet").filter(pl.col("kind") == "payment")
    amount = pl.col("amount_msat").cast(pl.Float64)
    flows = pl.concat(
        [
            payments.select(node="sender", net_msat=amount, volume_msat=amount),
            payments.select(node="receiver", net_msat=-amount, volume_msat=pl.lit(0.0)),
        ]
    )
    nodes = flows.group_by("node").agg(pl.col("net_msat", "volume_msat").sum())
    totals = nodes.select(pl.col("net_msat").clip(lower_bound=0).sum(), pl.col("volume_msat").sum())
    paid, volume = totals.collect().row(0)
    return 1.0 - paid / volume if volume else None
