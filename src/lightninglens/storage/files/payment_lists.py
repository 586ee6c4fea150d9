"""A list of payments from a CSV file: the demand of a recording, or of another program."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl

from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.lookup import Lookup
from lightninglens.core.units import MAX_MONEY_MSAT, MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.sim.answers import Answer
from lightninglens.sim.demand import Intents, PaymentList
from lightninglens.sim.demand.intents import SCENARIOS_ANSWER, SENDERS_FEE_LIMIT, SENDERS_PARTS, joined
from lightninglens.sim.state import MOST_PARTS
from lightninglens.storage.files.listings import ListingFile, Piece, open_listing, place, tell_first

MOST_PAYMENTS = 10_000_000
LONGEST_S = 4e9
LONGEST_HOLD_S = 1e9

UNKNOWN = "unknown-invoice"
ANSWERS = {"settle": Answer.SETTLE, "cancel": Answer.HOLD_THEN_CANCEL, UNKNOWN: Answer.UNKNOWN_INVOICE}
"""What a receiver may do, as a file says it; one that is to settle after a while is a HOLD_THEN_SETTLE."""

NEEDED = (("time_s",), ("sender",), ("receiver",), ("amount_sat", "amount_msat"))
OPTIONAL = (("fee_limit_sat", "fee_limit_msat"), ("max_parts",), ("purpose",), ("answer",), ("hold_s",))
COLUMNS = {
    "time_s": "seconds since the beginning of the world, with decimals if need be; never falling",
    "sender": "node id, or an alias that only one node has",
    "receiver": "the same; not the sender",
    "amount_sat": "what the receiver is to get, a whole number from 1; or `amount_msat`",
    "fee_limit_sat": "most that the sender pays beyond it; or `fee_limit_msat`. Empty: the sender's default",
    "max_parts": "most parts to split it into. Empty: the sender's default",
    "purpose": "what it is for, as free text. Empty: `Payment`",
    "answer": "what the receiver does: `settle`, `cancel` or `unknown-invoice`. Empty: what the scenario's `receivers`"
    " do, or `settle` where there is a `hold_s`",
    "hold_s": "seconds for which it holds the complete set before it settles or cancels. Empty: it does so at once",
}
"""The columns in the order of the documents, with their meaning."""

DEFAULT_PURPOSE = "Payment"

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def read_payment_list(path: Path, graph: NetworkGraph) -> tuple[PaymentList, str]:
    """Return the payments of a file, and the SHA-256 of its bytes.

    Raises DataError that names the line and the column: an unknown node, an
    amount that no node could carry, a time before the one above it.
    """
    listing = open_listing(path, needed=NEEDED, optional=OPTIONAL)
    reader = _Reader(listing, graph)
    parts = [reader.intents(piece) for piece in listing.pieces()]
    payments = joined(parts)
    if not len(payments.start_ns):
        raise DataError("there is no payment in it, only a header", where=str(path))
    return PaymentList(payments=payments, descriptions=tuple(reader.purposes)), listing.sha256


class _Reader:
    """Turns pieces into intents, and remembers the last time and the purposes."""

    def __init__(self, listing: ListingFile, graph: NetworkGraph) -> None:
        self.listing = listing
        self.lookup = Lookup(graph)
        self.capacity_msat = self.lookup.node_capacities_msat()
        self.purposes: dict[str, int] = {}
        self.count = 0
        self.last_ns = 0
        self.amount = next(name for name in NEEDED[3] if name in listing.header)
        self.fee_limit = next((name for name in OPTIONAL[0] if name in listing.header), OPTIONAL[0][0])
        self._names = pl.Series(list(self.lookup.nodes), dtype=pl.String)
        self._rows = pl.Series(list(self.lookup.nodes.values()), dtype=pl.Int32)

    def intents(self, piece: Piece) -> Intents:
        """Return the payments of a piece; raises DataError for its first wrong line."""
        frame = self._converted(piece.frame)
        earlier_ns = frame["time_ns"].shift(1, fill_value=self.last_ns)
        wrong = ~(frame["right"] & (frame["time_ns"] >= earlier_ns)).fill_null(value=False)
        if wrong.any():
            before_ns = earlier_ns[int(wrong.arg_max() or 0)]
            tell_first(self.listing, piece, wrong, self._checks(before_ns))
        self.count += frame.height
        if self.count > MOST_PAYMENTS:
            where = place(self.listing.path, piece.first_line)
            raise DataError(f"more than {MOST_PAYMENTS:,} payments are not read: split the list", where=where)
        self.last_ns = int(frame["time_ns"][-1])
        frame = frame.rename({"time_ns": "start_ns"})
        return Intents._make(frame[name].to_numpy() for name in Intents._fields)

    def _converted(self, text: pl.DataFrame) -> pl.DataFrame:
        """Return numbers where there are any, and in `right` whether a line has nothing wrong in itself."""
        optional = (self.fee_limit, "max_parts", "purpose", "answer", "hold_s")
        absent = [name for name in optional if name not in text.columns]
        text = text.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
        seconds = pl.col("time_s").cast(pl.Float64, strict=False)
        amount, amount_right = _whole(self.amount, 1, MAX_MONEY_MSAT)
        limit, limit_right = _whole(self.fee_limit, 0, MAX_MONEY_MSAT)
        parts, parts_right = _whole("max_parts", 1, MOST_PARTS)
        answer, hold_ns, answer_right = _answers()
        frame = text.select(
            time_ns=(seconds * 1e6).round().cast(pl.Int64, strict=False) * 1_000,
            sender=self._node("sender"),
            receiver=self._node("receiver"),
            amount_msat=amount,
            fee_limit_msat=limit.fill_null(SENDERS_FEE_LIMIT),
            most_parts=parts.fill_null(SENDERS_PARTS).cast(pl.Int32),
            tag=pl.lit(self._tags(text["purpose"].fill_null(DEFAULT_PURPOSE))),
            answer=answer,
            hold_ns=hold_ns,
            right=seconds.is_between(0, LONGEST_S)
            & amount_right
            & (limit_right | pl.col(self.fee_limit).is_null())
            & (parts_right | pl.col("max_parts").is_null())
            & answer_right,
        )
        capacity_msat = pl.lit(pl.Series(self.capacity_msat))
        carried = [pl.col("amount_msat") <= capacity_msat.gather(pl.col(end)) for end in ("sender", "receiver")]
        return frame.with_columns(right=pl.all_horizontal("right", pl.col("sender") != pl.col("receiver"), *carried))

    def _node(self, name: str) -> pl.Expr:
        return pl.col(name).replace_strict(self._names, self._rows, default=None, return_dtype=pl.Int32)

    def _tags(self, purpose: pl.Series) -> pl.Series:
        for text in purpose.unique(maintain_order=True):
            self.purposes.setdefault(text, len(self.purposes))
        known = pl.Series(list(self.purposes), dtype=pl.String)
        return purpose.replace_strict(known, pl.Series(range(len(known)), dtype=pl.Int32), return_dtype=pl.Int32)

    def _checks(self, before_ns: int) -> dict[str, Callable[[dict[str, str]], str]]:
        """Return, by column, what says what is wrong with a line's field."""
        return {
            "time_s": lambda line: _time_problem(line["time_s"], before_ns),
            "sender": lambda line: self._node_problem(line["sender"]),
            "receiver": self._receiver_problem,
            self.amount: self._amount_problem,
            self.fee_limit: lambda line: _whole_problem(line[self.fee_limit], 0) if line[self.fee_limit] else "",
            "max_parts": lambda line: _whole_problem(line["max_parts"], 1, MOST_PARTS) if line["max_parts"] else "",
            "answer": lambda line: _answer_problem(line["answer"]),
            "hold_s": lambda line: _hold_problem(line["hold_s"], line.get("answer", "")),
        }

    def _node_problem(self, text: str) -> str:
        if not text:
            return "the node is missing: give its id or its alias"
        return "" if text in self.lookup.nodes else self.lookup.why_no_node(text)

    def _receiver_problem(self, line: dict[str, str]) -> str:
        problem = self._node_problem(line["receiver"])
        if not problem and self.lookup.nodes.get(line["sender"]) == self.lookup.nodes[line["receiver"]]:
            return f"{line['receiver']!r} is the sender too: a payment goes to another node"
        return problem

    def _amount_problem(self, line: dict[str, str]) -> str:
        problem = _whole_problem(line[self.amount], 1)
        if problem:
            return problem
        amount_msat = int(line[self.amount]) * _msat_per(self.amount)
        for end in ("sender", "receiver"):
            carried_msat = int(self.capacity_msat[self.lookup.nodes[line[end]]])
            if amount_msat > carried_msat:
                return (
                    f"{amount_msat // MSAT_PER_SAT:,} sat are more than all channels of the {end} {line[end]!r} hold"
                    f" ({carried_msat // MSAT_PER_SAT:,} sat)"
                )
        return ""


def _msat_per(column: str) -> int:
    return MSAT_PER_SAT if column.endswith("_sat") else 1


def _whole(name: str, least: int, most_msat: int) -> tuple[pl.Expr, pl.Expr]:
    """Return a column of whole numbers in msat, and whether each is one and within its bounds."""
    number, factor = pl.col(name).cast(pl.Int64, strict=False), _msat_per(name)
    right = number.is_between(least, most_msat // factor)
    return pl.when(right).then(number) * factor, right


def _answers() -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return what receivers do, for how long they hold, in ns, and whether both are right."""
    seconds, said = pl.col("hold_s").cast(pl.Float64, strict=False), pl.col("answer")
    held = pl.col("hold_s").is_not_null()
    settles = held & (said.is_null() | (said == "settle"))
    number = said.replace_strict(list(ANSWERS), [int(each) for each in ANSWERS.values()], default=SCENARIOS_ANSWER)
    answer = pl.when(settles).then(int(Answer.HOLD_THEN_SETTLE)).otherwise(number.fill_null(SCENARIOS_ANSWER))
    right = (said.is_null() | said.is_in(list(ANSWERS))) & (
        ~held | (seconds.is_between(0, LONGEST_HOLD_S) & (said.is_null() | (said != UNKNOWN)))
    )
    hold_ns = (seconds * 1e6).round().cast(pl.Int64, strict=False).fill_null(0) * 1_000
    return answer.cast(pl.Int8), hold_ns, right.fill_null(value=False)


def _answer_problem(text: str) -> str:
    return "" if not text or text in ANSWERS else f"{text[:40]!r} is none of {', '.join(ANSWERS)}"


def _hold_problem(text: str, answer: str) -> str:
    if not text:
        return ""
    if answer == UNKNOWN:
        return "a receiver without the invoice holds nothing: leave it out"
    try:
        seconds = float(text)
    except ValueError:
        return f"{text[:40]!r} is no number of seconds"
    return "" if 0 <= seconds <= LONGEST_HOLD_S else f"{text} s is not from 0 to {LONGEST_HOLD_S:,.0f}"


def _whole_problem(text: str, least: int, most: int = MAX_MONEY_MSAT) -> str:
    if not _WHOLE.fullmatch(text):
        return f"{text[:40]!r} is no whole number"
    if not least <= int(text) <= most:
        return f"it is {int(text):,}, and must be from {least} to {most:,}"
    return ""


def _time_problem(text: str, before_ns: int) -> str:
    try:
        seconds = float(text)
    except ValueError:
        return f"{text[:40]!r} is no number of seconds"
    if not 0 <= seconds <= LONGEST_S:
        return f"{text} s is not from 0 to {LONGEST_S:,.0f}: times count from the beginning of the world"
    if round(seconds * 1e6) * 1_000 < before_ns:
        return f"{text} s is before the {before_ns / NS_PER_SECOND:g} s of the line above: sort the list by time"
    return ""
