"""What receivers do, drawn payment by payment, whatever the demand: hold invoices, and probes without an invoice."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lightninglens.core.checks import require_ranges
from lightninglens.core.records import STRICT
from lightninglens.core.rng import Stream, normals, uniforms
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.sim.answers import Answer
from lightninglens.sim.demand.intents import SCENARIOS_ANSWER, Intents
from lightninglens.sim.records import PaymentKind, PaymentRequests

_LONGEST_S = 1e9
"""No hold lasts so long: HTLCs expire before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """Receivers that do not settle at once.

    Each payment's is drawn by its number, so that nothing else changes with
    these shares. Where a payment list says what the receiver does, it does that.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    hold_share: float = 0.0
    """Share of the payments that pay a hold invoice: the receiver holds the complete set, and then decides."""
    hold_median_s: float = 600.0
    """How long it holds, in the median; it cancels before an HTLC expires, half a day after the payment."""
    hold_sigma: float = 1.0
    """Spread (log-normal) about that median."""
    hold_cancelled_share: float = 0.0
    """Share of the held sets that the receiver cancels when the time is up; it settles the others."""
    probe_share: float = 0.0
    """Share of the payments that are probes by a random hash: the receiver refuses all parts as they come."""

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that describe no receivers."""
        require_ranges(
            self,
            hold_share=(0, 1),
            hold_median_s=(0.001, 1e6),
            hold_sigma=(0, 5),
            hold_cancelled_share=(0, 1),
            probe_share=(0, 1),
        )


def answered(
    requests: PaymentRequests, intents: Intents, settings: ReceiverSettings, *, seed: int, first_id: int
) -> PaymentRequests:
    """Return the requests of these intents with what receivers do where the intents leave it open.

    The first request is payment number `first_id` of the run.
    """
    if not settings.hold_share and not settings.probe_share:
        return requests
    count = len(requests.start_ns)
    is_open = intents.answer == SCENARIOS_ANSWER

    def is_below(share: float, entity: int, stream: Stream) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.asarray(uniforms(seed, entity, stream, count, start=first_id) < share)

    probes = is_open & is_below(settings.probe_share, 0, Stream.PROBE)
    held = is_open & ~probes & is_below(settings.hold_share, 0, Stream.HOLD)
    cancelled = held & is_below(settings.hold_cancelled_share, 1, Stream.HOLD)
    spread = np.exp(settings.hold_sigma * normals(seed, 2, Stream.HOLD, count, start=first_id))
    hold_s = np.minimum(settings.hold_median_s * spread, _LONGEST_S)
    answer = np.where(held, Answer.HOLD_THEN_SETTLE, requests.answer)
    answer = np.where(cancelled, Answer.HOLD_THEN_CANCEL, answer)
    return requests._replace(
        kind=np.where(probes, PaymentKind.PROBE, requests.kind).astype(np.int8),
        answer=np.where(probes, Answer.UNKNOWN_INVOICE, answer).astype(np.int8),
        hold_ns=np.where(held, (hold_s * NS_PER_SECOND).astype(np.int64), requests.hold_ns),
    )
