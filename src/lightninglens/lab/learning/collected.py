"""What the first stage has gathered, whatever it came from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MAX_MONEY_SAT
from lightninglens.lab.learning import frames
from lightninglens.lab.learning.formats import ATTEMPTS, CHANNEL_STATES, TRANSACTIONS


@dataclass(slots=True, kw_only=True)
class Collected:
    """Transactions, attempts and channel states as frames, and what was left out on the way."""

    transactions: pl.DataFrame
    attempts: pl.DataFrame
    channel_states: pl.DataFrame
    rows_in: int
    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def join(parts: Sequence[Collected]) -> Collected:
    """Return the parts as one; they are of different worlds."""
    return Collected(
        transactions=pl.concat([part.transactions for part in parts]),
        attempts=pl.concat([part.attempts for part in parts]),
        channel_states=pl.concat([part.channel_states for part in parts]),
        rows_in=sum(part.rows_in for part in parts),
        dropped=sum((part.dropped for part in parts), Counter()),
        notes=list(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def tidy(found: Collected) -> Collected:
    """Leave out what cannot be used or is there twice, and put everything in order of world and time."""
    dropped = Counter(found.dropped)
    money = pl.col("amount").is_between(0, MAX_MONEY_SAT, closed="right")
    payments = frames.keep(found.transactions, pl.col("timestamp").is_not_null(), "payments without a time", dropped)
    payments = frames.keep(payments, money, "payments without an amount above 0", dropped)
    named = pl.all_horizontal(
        pl.coalesce(f"{end}_id", end).fill_null("").str.len_chars() > 0 for end in ("sender", "receiver")
    )
    payments = frames.keep(payments, named, "payments without sender or receiver", dropped)
    to_self = pl.coalesce("sender_id", "sender") == pl.coalesce("receiver_id", "receiver")
    payments = frames.keep(payments, ~to_self | (pl.col("type") == "rebalance"), "payments to oneself", dropped)
    payments = frames.keep(payments, pl.col("type").is_in(["payment", "rebalance"]), "rows of another type", dropped)
    first = pl.struct("world", "payment_id").is_first_distinct()
    payments = frames.keep(payments, first, "payments that are there twice", dropped)
    states = _tidy_states(found.channel_states, dropped)
    return Collected(
        transactions=payments.sort("world", frames.ended(), maintain_order=True),
        attempts=_tidy_attempts(found.attempts, payments, dropped),
        channel_states=states,
        rows_in=found.rows_in,
        dropped=dropped,
        notes=found.notes,
    )


def _tidy_attempts(attempts: pl.DataFrame, payments: pl.DataFrame, dropped: Counter[str]) -> pl.DataFrame:
    keys = ["world", "payment_id"]
    known = attempts.join(payments.select(keys), on=keys, how="semi", maintain_order="left")
    if known.height < attempts.height:
        dropped["attempts of payments that were left out"] += attempts.height - known.height
    first = pl.struct(*keys, "number").is_first_distinct()
    known = frames.keep(known, first, "attempts that are there twice", dropped)
    return known.sort(*keys, "number", maintain_order=True)


def _tidy_states(states: pl.DataFrame, dropped: Counter[str]) -> pl.DataFrame:
    balances = pl.all_horizontal(
        pl.col(name).is_between(0, pl.col("capacity")) for name in ("node1_balance", "node2_balance")
    )
    within = balances & (pl.col("node1_balance") + pl.col("node2_balance")).is_between(1, pl.col("capacity"))
    states = frames.keep(states, pl.col("timestamp").is_not_null(), "channel states without a time", dropped)
    ids = {text: _canonical_id(text) for text in states["channel_id"].unique().to_list()}
    states = states.with_columns(pl.col("channel_id").replace_strict(ids, return_dtype=pl.String, default=None))
    states = frames.keep(states, pl.col("channel_id").is_not_null(), "channel states without a channel id", dropped)
    states = frames.keep(states, within, "channel states whose balances are not within the capacity", dropped)
    ends = pl.coalesce("node1_id", "node1") != pl.coalesce("node2_id", "node2")
    states = frames.keep(states, ends, "channel states without two ends", dropped)
    states = states.sort("world", "timestamp", "channel_id", maintain_order=True)
    # A feed tells a channel twice, and again whenever another of the same node changes.
    columns = ("capacity", "node1_balance", "node2_balance")
    same = pl.all_horizontal(pl.col(name).shift(1).over("world", "channel_id").eq(pl.col(name)) for name in columns)
    return states.filter(~same.fill_null(value=False))


def _canonical_id(text: str | None) -> str | None:
    try:
        return str(ChannelId.parse(text or ""))
    except ValueError:
        return None


def empty() -> Collected:
    """Return what nothing was gathered into."""
    return Collected(
        transactions=pl.DataFrame(schema=TRANSACTIONS.schema),
        attempts=pl.DataFrame(schema=ATTEMPTS.schema),
        channel_states=pl.DataFrame(schema=CHANNEL_STATES.schema),
        rows_in=0,
    )
