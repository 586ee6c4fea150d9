import dataclasses
from collections.abc import Iterator

import pytest

from lightninglens.app.alerts import AlertBook
from lightninglens.app.alerts import book as book_module
from lightninglens.app.alerts.rules import (
    AlertOptions,
    DriftRule,
    FailedPaymentsRule,
    ImbalanceRule,
    StaleModelRule,
)
from lightninglens.app.events import Alert, Channel, ErrorPoint, Node, Payment
from lightninglens.app.learning.board import OFF

OPTIONS = AlertOptions()
NODES = [Node(node_id=name, name=f"lnd-{name}", x=0, y=0, capacity_sat=1, channel_count=1) for name in ("alice", "bob")]


def channel(local_msat: int, channel_id: str = "1x1x1") -> Channel:
    return Channel(
        channel_id=channel_id,
        node1_id="alice",
        node2_id="bob",
        capacity_sat=1_000,
        node1_local_msat=local_msat,
        node2_local_msat=1_000_000 - local_msat,
        commit_fee_sat=0,
        unsettled_msat=0,
        pending_htlcs=0,
        opener_id="alice",
        node1_policy=None,
        node2_policy=None,
    )


def payment(ended_ms: int, *, succeeded: bool) -> Payment:
    return Payment(
        payment_id=1,
        kind="payment",
        started_ms=ended_ms,
        duration_ms=0,
        sender_id="alice",
        receiver_id="bob",
        sender_name="lnd-alice",
        receiver_name="lnd-bob",
        amount_msat=1,
        fee_msat=0,
        succeeded=succeeded,
        outcome="",
        failure=None,
        attempts=1,
        route_channel_ids=(),
        route_node_ids=(),
        description="",
        attempt_log=(),
    )


def states(alerts: Iterator[Alert]) -> list[str]:
    return [alert.state for alert in alerts]


@pytest.mark.promise("A0.50a")
def test_a_channel_is_imbalanced_once_it_has_lasted_and_balanced_likewise() -> None:
    rule = ImbalanceRule(OPTIONS, NODES)
    rule.take([channel(50_000)], 0)
    assert states(rule.look(899_999)) == []
    (alert,) = rule.look(900_000)
    assert (alert.state, alert.channel_id, alert.alert_id) == ("raised", "1x1x1", "imbalanced-1x1x1")
    assert "lnd-alice holds 5%" in alert.text
    rule.take([channel(120_000)], 1_000_000)  # above the limit, but not by the margin
    assert states(rule.look(9_000_000)) == []
    rule.take([channel(200_000)], 9_000_000)
    rule.take([channel(40_000)], 9_500_000)
    assert states(rule.look(9_900_000)) == []
    rule.take([channel(200_000)], 10_000_000)
    assert states(rule.look(10_900_000)) == ["cleared"]
    rule.take([channel(960_000)], 11_000_000)  # the other side is empty
    assert states(rule.look(11_900_000)) == ["raised"]


def test_a_channel_that_recovers_in_time_is_no_alert() -> None:
    rule = ImbalanceRule(OPTIONS, NODES)
    rule.take([channel(50_000)], 0)
    rule.take([channel(500_000)], 500_000)
    assert states(rule.look(2_000_000)) == []


def test_the_channels_of_a_large_network_are_not_watched() -> None:
    rule = ImbalanceRule(OPTIONS, NODES)
    rule.take([channel(0, f"{number}x1x1") for number in range(1_001)], 0)
    assert states(rule.look(10_000_000)) == []


@pytest.mark.promise("A0.50b")
def test_failed_payments_are_an_alert_while_too_many_of_the_window_fail() -> None:
    rule = FailedPaymentsRule(OPTIONS)
    rule.take([payment(0, succeeded=False) for _ in range(19)])
    assert states(rule.look(0)) == []
    rule.take([payment(0, succeeded=False)])
    assert states(rule.look(0)) == ["raised"]
    assert states(rule.look(0)) == []
    rule.take([payment(1_000, succeeded=True) for _ in range(40)])
    assert states(rule.look(1_000)) == []  # a third failed: below the limit, but not by the margin
    rule.take([payment(1_000, succeeded=True) for _ in range(40)])
    assert states(rule.look(1_000)) == ["cleared"]
    rule.take([payment(2_000, succeeded=False) for _ in range(90)])
    assert states(rule.look(2_000)) == ["raised"]
    assert states(rule.look(3_000_000)) == ["cleared"]  # too few to say anything


def test_a_drift_is_an_alert_for_some_time() -> None:
    rule = DriftRule(OPTIONS)
    rule.take(OFF)
    assert states(rule.look(0)) == []
    rule.take(dataclasses.replace(OFF, last_drift_ms=1_000))
    assert states(rule.look(2_000)) == ["raised"]
    rule.take(dataclasses.replace(OFF, last_drift_ms=2_000_000))
    assert states(rule.look(5_000_000)) == []
    assert states(rule.look(5_600_000)) == ["cleared"]


def point(error: float, compared: int = 50) -> ErrorPoint:
    return ErrorPoint(
        world_ms=0, compared=compared, model=error, online=None, half=None, last_value=None, baseline=None
    )


def test_a_model_is_stale_when_it_errs_more_than_it_promised() -> None:
    rule = StaleModelRule(OPTIONS)
    rule.take([point(0.5)], None)
    assert states(rule.look(0)) == []
    rule.take([point(0.5)], 0.2)
    assert states(rule.look(0)) == []  # 50 outcomes say nothing
    rule.take([point(0.5)], 0.2)
    assert states(rule.look(0)) == ["raised"]
    rule.take([point(0.26)] * 2, 0.2)
    assert states(rule.look(0)) == []
    rule.take([point(0.2)] * 2, 0.2)
    assert states(rule.look(0)) == ["cleared"]


def test_the_book_keeps_each_alert_once_and_forgets_what_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "KEPT_ALERTS", 3)
    book = AlertBook()
    first = Alert(level="warning", source="a", text="1", state="raised", alert_id="first")
    book.take(dataclasses.replace(first, state="cleared"))
    assert book.newest_first() == []
    book.take(first)
    book.take(dataclasses.replace(first, text="2"))
    assert (book.count, book.newest_first()[0].text) == (1, "2")
    for number in range(3):
        book.take(Alert(level="warning", source="a", text=f"noted {number}"))
    assert [alert.text for alert in book.newest_first()] == ["noted 2", "noted 1", "2"]
    assert book.acknowledged("none") is None
    book.take(dataclasses.replace(first, state="cleared"))
    assert book.newest_first(raised_only=True) == []
    book.take(first)
    assert book.newest_first()[0] == first
    assert book.count == 5
