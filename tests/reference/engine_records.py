"""What the plain event simulator works on: payments, attempts, settings, and the rows that come out."""

from dataclasses import dataclass, field
from typing import NamedTuple

from lightninglens.core.htlc import (
    FailureCode as Code,
)
from lightninglens.core.htlc import (
    HtlcOutcome as Outcome,
)
from lightninglens.sim.routers import PlannedPart, Router
from tests.reference.channels import MAX_HTLCS, Htlc


class Request(NamedTuple):
    """A payment to make."""

    start_ns: int
    sender: int
    receiver: int
    amount_msat: int
    fee_limit_msat: int
    outgoing_direction: int | None = None
    last_hop: int | None = None
    max_parts: int = 1
    answer: str = "settle"
    """`settle`, `unknown`, `hold-settle`, `hold-cancel`, `hold`."""
    hold_ns: int = 0
    routes_given: bool = False


class HtlcRow(NamedTuple):
    """What an observed node reports, in the order of the engine's columns."""

    timestamp_ns: int
    node: int
    kind: int
    event_type: int
    code: int
    detail: int
    incoming_direction: int
    outgoing_direction: int
    incoming_htlc_id: int
    outgoing_htlc_id: int
    incoming_amount_msat: int
    outgoing_amount_msat: int
    incoming_timelock_blocks: int
    outgoing_timelock_blocks: int


class AttemptRow(NamedTuple):
    """One attempt that ended, with its route."""

    payment_id: int
    number: int
    start_ns: int
    end_ns: int
    amount_msat: int
    fee_msat: int
    hops: int
    code: int
    detail: int
    failed_index: int
    failed_direction: int
    sender: int
    route: tuple[int, ...]


@dataclass
class Invoice:
    """`Invoice`, of which the receiver has issued one unless it is probed."""

    hodl: bool
    state: str = "open"


@dataclass(eq=False)
class Payment:
    """A payment and how it goes."""

    payment_id: int
    request: Request
    attempts: int = 0
    outcome: Outcome = Outcome.IN_FLIGHT
    failure_reason: Outcome | None = None
    in_flight: "list[Attempt]" = field(default_factory=list)
    settled: "list[Attempt]" = field(default_factory=list)
    accepted: "list[Attempt]" = field(default_factory=list)
    trying: bool = False
    end_ns: int = 0
    fee_msat: int = 0
    hops: int = 0
    code: int = 0
    detail: int = 0
    failed_direction: int = -1

    def __post_init__(self) -> None:
        """Let the receiver issue the invoice."""
        self.invoice = None if self.request.answer == "unknown" else Invoice(self.request.answer.startswith("hold"))

    @property
    def answer_is_open(self) -> bool:
        """Whether the receiver of a hold invoice has not decided yet."""
        hodl = self.invoice is not None and self.invoice.hodl and self.invoice.state in ("open", "accepted")
        return hodl and self.outcome == Outcome.IN_FLIGHT

    @property
    def remaining(self) -> int:
        """`MPPaymentState.RemainingAmt`."""
        return self.request.amount_msat - sum(attempt.amount for attempt in (*self.in_flight, *self.settled))

    @property
    def fees(self) -> int:
        """`MPPaymentState.FeesPaid`."""
        return sum(attempt.fee for attempt in (*self.in_flight, *self.settled))


@dataclass
class RouteHtlc:
    """One hop of an attempt."""

    direction: int
    amount_msat: int
    expiry: int
    htlc: Htlc | None = None


@dataclass(eq=False)
class Attempt:
    """One route that is being tried."""

    payment: Payment
    number: int
    start_ns: int
    hops: list[RouteHtlc]
    code: Code = Code.NONE
    detail: int = 0
    failed_index: int = -1
    failed_direction: int = -1
    planned: PlannedPart | None = None
    skip_temp_err: bool = False

    @property
    def amount(self) -> int:
        """What the receiver gets."""
        return self.hops[-1].amount_msat

    @property
    def fee(self) -> int:
        """What the route costs."""
        return self.hops[0].amount_msat - self.amount


@dataclass
class World:
    """Settings of a run."""

    seed: int = 0
    start_ns: int = 0
    start_height: int = 800_000
    feerate_per_kw: int = 2_500
    delay_median_ns: float = 250e6
    delay_sigma: float = 0.5
    timeout_ns: int = 60 * 10**9
    retry_delay_ns: int = 5 * 10**6
    mpp_timeout_ns: int = 120 * 10**9
    hold_expiry_delta: int = 18
    gossip_median_ns: float = 0.0
    gossip_sigma: float = 0.5
    node_offline: tuple[float, float] | None = None
    """Share of the time, and mean time in ns."""
    link_offline: tuple[float, float] | None = None
    max_htlcs: int = MAX_HTLCS
    observed: frozenset[int] = field(default_factory=frozenset)
    bimodal: frozenset[int] = field(default_factory=frozenset)
    routers: dict[int, Router] = field(default_factory=dict)
