import pytest

from lightninglens.app.events import Attempt, Payment
from lightninglens.app.history import SPAN_MS, History


def ended(kind: str, ended_ms: int, *, succeeded: bool) -> Payment:
    """Return what went by channel 1x1x1 to a node and on by 2x1x1, or was refused there."""
    attempt = Attempt(
        started_ms=ended_ms,
        ended_ms=ended_ms,
        route_channel_ids=("1x1x1", "2x1x1"),
        route_node_ids=("bob", "alice", "carol"),
        hop_amounts_msat=(1_010, 1_000),
        settled=succeeded,
        failed_hop=None if succeeded else 1,
        code="",
        detail="",
    )
    return Payment(
        payment_id=1,
        kind=kind,  # type: ignore[arg-type]  # each kind in turn
        started_ms=ended_ms,
        duration_ms=0,
        sender_id="bob",
        receiver_id="carol",
        sender_name="",
        receiver_name="",
        amount_msat=1_000,
        fee_msat=10,
        succeeded=succeeded,
        outcome="",
        failure=None,
        attempts=1,
        route_channel_ids=attempt.route_channel_ids,
        route_node_ids=attempt.route_node_ids,
        description="",
        attempt_log=(attempt,),
    )


@pytest.mark.parametrize("kind", ["payment", "forward"])
def test_what_ended_is_summed_in_spans(kind: str) -> None:
    history = History()
    history.absorb([ended(kind, 10, succeeded=True), ended(kind, 20, succeeded=False)])
    history.absorb([ended(kind, SPAN_MS, succeeded=True)])
    sums = [(span.world_ms, span.payments, span.succeeded, span.volume_msat) for span in history.spans]
    assert sums == [(0, 2, 1, 1_000), (SPAN_MS, 1, 1, 1_000)]


def test_a_rebalance_is_in_no_span_but_in_the_flows() -> None:
    history = History()
    history.absorb([ended("rebalance", 10, succeeded=True), ended("rebalance", 20, succeeded=False)])
    assert not history.spans
    flows = history.flows("2x1x1", "alice", 30)
    assert (flows.sent_msat, flows.earned_msat, flows.failed_msat) == (1_000, 10, 1_000)
