import dataclasses

import pytest

from lightninglens.app.events import SuggestedChange
from lightninglens.app.learning import suggestions as module
from lightninglens.app.learning.suggestions import NotOpenError, SuggestionBook

ONE = SuggestedChange(
    suggestion_id="1",
    author="learner",
    model="m",
    node_id="n",
    from_node="lnd-alice",
    to_node="lnd-bob",
    back_from_node="lnd-eve",
    outgoing_channel_id="1x1x1",
    incoming_channel_id="1x1x2",
    amount_sat=1,
    max_fee_msat=1,
    confidence=0.5,
    gain_msat=1,
    low_gain_msat=0,
    high_gain_msat=2,
    reason="",
    made_ms=0,
    expires_ms=600_000,
    status="open",
    outcome="",
)
TWO = dataclasses.replace(ONE, suggestion_id="2", incoming_channel_id="1x1x3")


def statuses(book: SuggestionBook) -> dict[str, str]:
    return {one.suggestion_id: one.status for one in book.newest_first()}


@pytest.mark.promise("A0.47")
def test_the_best_comes_first_and_what_is_said_again_keeps_its_id() -> None:
    book = SuggestionBook()
    assert book.renew([ONE, TWO]) == []
    assert [one.suggestion_id for one in book.told()] == ["1", "2"]
    again = dataclasses.replace(ONE, suggestion_id="3", amount_sat=7)
    assert book.renew([again]) == [("3", "1")]
    assert statuses(book) == {"1": "open", "2": "expired"}
    kept = book.get("1")
    assert kept is not None
    assert kept.amount_sat == 7
    assert [one.suggestion_id for one in book.told()] == ["1"]


def test_only_what_is_open_can_be_decided_on() -> None:
    book = SuggestionBook()
    book.renew([ONE, TWO])
    assert book.take("1").status == "under way"
    for decide in (book.take, book.reject):
        with pytest.raises(NotOpenError, match="under way"):
            decide("1")
    assert book.renew([dataclasses.replace(ONE, suggestion_id="4")]) == []  # what is under way is not replaced
    assert statuses(book) == {"1": "under way", "2": "expired", "4": "open"}
    book.end("1", "done", "moved it")
    with pytest.raises(NotOpenError, match="done: moved it"):
        book.reject("1")
    assert book.reject("4").status == "rejected"
    assert [one.suggestion_id for one in book.newest_first("rejected")] == ["4"]


def test_an_open_one_expires_and_one_that_was_not_tried_is_open_again() -> None:
    book = SuggestionBook()
    book.renew([ONE])
    book.take("1")
    assert book.reopen("1", "too soon").outcome == "too soon"
    book.expire(599_999)
    assert statuses(book) == {"1": "open"}
    book.expire(600_000)
    assert statuses(book) == {"1": "expired"}


def test_only_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_SUGGESTIONS", 3)
    book = SuggestionBook()
    for number in range(10):
        book.renew([dataclasses.replace(ONE, suggestion_id=str(number), outgoing_channel_id=f"{number}x1x1")])
    assert len(book.newest_first()) <= 4
    assert book.newest_first()[0].suggestion_id == "9"
