"""`lens effects`: what was done for a watched node's channels, and what it brought."""

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightninglens.app.cli.framework import invocation, new_app
from lightninglens.app.cli.lnd_options import AsJson, DataDir
from lightninglens.app.cli.recorded_folder import NodeKey, recorded_folder

if TYPE_CHECKING:
    from lightninglens.core.remedies import Remedy, RemedyEffect

MOST = 100

app = new_app(help="Show what was done for a node's channels, and what it brought.")


@app.command(epilog="Example: lens effects --days 30")
def effects(
    ctx: typer.Context,
    *,
    days: Annotated[float, typer.Option(min=0.1, max=366, help="How far back.")] = 30.0,
    node_id: NodeKey = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show each remedy that `lens run` saw, with the channel's days before and after it.

    Fees that were changed, max_htlc that was raised, channels that were added,
    circular rebalances: whoever did it. The days before and after prove no cause;
    the change of the node's other channels stands beside it.
    """
    from lightninglens.analytics.missed.remedies import days_of
    from lightninglens.app.remedies import effects_of, to_plain
    from lightninglens.core.clock import SystemClock
    from lightninglens.core.units import NS_PER_DAY
    from lightninglens.storage.forwards import FORWARDS_FILE
    from lightninglens.storage.recorded import RecordedHistory
    from lightninglens.storage.remedies import REMEDIES_FILE

    folder = recorded_folder(invocation(ctx).start({"data.dir": data_dir}).settings.data.dir, node_id)
    now_ns = SystemClock().now_ns()
    taken = _taken(folder / REMEDIES_FILE, now_ns - int(days * NS_PER_DAY))
    with RecordedHistory(folder / FORWARDS_FILE) as store:
        found = effects_of(store, taken, now_ns=now_ns)
    young = [each for each in taken if days_of(each, now_ns) is None]
    if as_json:
        typer.echo(json.dumps(to_plain(found, young, made_ns=now_ns), indent=2))
        return
    if not taken:
        typer.echo(f"nothing was seen to be done in {days:g} days; `lens run` sees it")
    for remedy in young:
        typer.echo(f"{_head(remedy)}: too young to tell")
    for effect in found:
        typer.echo(_words(effect))


def _taken(path: Path, since_ns: int) -> "list[Remedy]":
    from lightninglens.storage.remedies import RemedyStore

    if not path.exists():
        return []
    with RemedyStore(path) as store:
        return store.remedies(since_ns=since_ns, limit=MOST)


def _head(remedy: "Remedy") -> str:
    from lightninglens.core.remedies import RemedyKind
    from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND

    at = dt.datetime.fromtimestamp(remedy.at_ns / NS_PER_SECOND, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    match remedy.kind:
        case RemedyKind.LIQUIDITY_ADDED | RemedyKind.CHANNEL_ADDED:
            sat = remedy.after if remedy.kind is RemedyKind.CHANNEL_ADDED else remedy.after // MSAT_PER_SAT
            what = f"{sat:,} sat"
        case RemedyKind.MAX_HTLC_RAISED:
            what = f"{remedy.before // MSAT_PER_SAT:,} to {remedy.after // MSAT_PER_SAT:,} sat"
        case _:
            what = f"{remedy.before:,} to {remedy.after:,} ppm"
    cost = f", for {remedy.cost_msat / MSAT_PER_SAT:,.3f} sat" if remedy.cost_msat else ""
    return f"{at}  {remedy.channel_id}  {remedy.kind.value}: {what}{cost}"


def _words(effect: "RemedyEffect") -> str:
    from lightninglens.core.units import MSAT_PER_SAT

    def sat(amount_msat: float) -> str:
        return f"{amount_msat / MSAT_PER_SAT:,.3f}"

    return (
        f"{_head(effect.remedy)}\n"
        f"    earned {sat(effect.earned_before_msat)} sat a day before, {sat(effect.earned_after_msat)} after"
        f" ({sat(effect.change_msat)}; {sat(effect.lower_msat)} to {sat(effect.upper_msat)}),"
        f" over {effect.days:.1f} days each\n"
        f"    missed {sat(effect.missed_before_msat)} before, {sat(effect.missed_after_msat)} after;"
        f" the other channels earned {sat(effect.others_before_msat)} before, {sat(effect.others_after_msat)} after"
    )
