"""The conditions on a macaroon, and what LND says when one does not hold."""

import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightninglens.nodes.lnd import caveats
from lightninglens.nodes.lnd.caveats import Circumstances, broken_caveat

RECORDED = json.loads((Path(__file__).parents[3] / "fixtures/lnd/macaroons.json").read_text())["judgements"]
UNREADABLE_TIME = ": cannot parse"


def at(time_ns: int, **others: object) -> Circumstances:
    return Circumstances(now_ns=time_ns, **others)  # type: ignore[arg-type]


def unix_ns(text: str) -> int:
    """Return a time ending in Z, with up to nine digits of a second, in Unix ns."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    moment = dt.datetime.fromisoformat(f"{seconds}+00:00")
    return int(moment.timestamp()) * 10**9 + int((fraction or "0").ljust(9, "0"))


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: f"{case['now']} {case['caveat']}")
def test_it_judges_as_the_checkers_that_lnd_uses(case: dict[str, str]) -> None:
    found = broken_caveat(case["caveat"], at(unix_ns(case["now"])))
    if case["caveat"] == "error x":  # theirs has a condition that never holds; it is unknown here, which is the same
        assert found.endswith("caveat not recognized")
    elif case["caveat"] == "time-before 2026-02-30T00:00:00Z" or UNREADABLE_TIME in case["error"]:
        assert found.startswith(f"caveat {json.dumps(case['caveat'])} not satisfied: parsing time ")
        assert case["error"].startswith(f"caveat {json.dumps(case['caveat'])} not satisfied: parsing time ")
    else:
        assert found == case["error"]


@given(st.integers(0, unix_ns("9999-12-30T23:59:59.999999999Z")))
def test_a_time_holds_until_its_nanosecond(time_ns: int) -> None:
    condition = caveats.time_before(time_ns)
    assert not broken_caveat(condition, at(time_ns - 1))
    assert broken_caveat(condition, at(time_ns)).endswith("not satisfied: macaroon has expired")
    assert caveats.expiry_ns([condition]) == time_ns


def test_a_time_is_written_as_go_writes_it() -> None:
    assert caveats.time_before(1_500_000_000) == "time-before 1970-01-01T00:00:01.5Z"
    assert caveats.time_before(0) == "time-before 1970-01-01T00:00:00Z"


@pytest.mark.parametrize("time_ns", [-1, 2**63])
def test_a_time_outside_the_calendar_is_refused(time_ns: int) -> None:
    if time_ns > 0:
        time_ns *= 100
    with pytest.raises(ValueError, match="no time between 1970 and 9999"):
        caveats.time_before(time_ns)


def test_the_earliest_time_counts() -> None:
    conditions = [
        "ipaddr 127.0.0.1",
        "time-before 2030-01-01T00:00:00Z",
        "time-before 2026-01-01T00:00:00Z",
        "time-before x",
    ]
    assert caveats.expiry_ns(conditions) == unix_ns("2026-01-01T00:00:00Z")
    assert caveats.expiry_ns(["ipaddr 127.0.0.1"]) is None


@pytest.mark.parametrize("offset", ["+25:00", "-01:61"])
def test_an_impossible_offset_is_no_time(offset: str) -> None:
    assert "parsing time" in broken_caveat(f"time-before 2026-01-01T00:00:00{offset}", at(0))


@pytest.mark.parametrize(
    ("condition", "host"),
    [
        ("ipaddr 127.0.0.1", "127.0.0.1"),
        ("ipaddr 127.0.0.1", "::ffff:127.0.0.1"),
        ("ipaddr ::1", "0:0:0:0:0:0:0:1"),
        ("iprange 10.0.0.0/8", "10.20.30.40"),
        ("iprange 10.1.2.3/8", "10.20.30.40"),
        ("iprange fe80::/10", "fe80::1"),
    ],
)
def test_an_address_within_is_let_in(condition: str, host: str) -> None:
    assert not broken_caveat(condition, at(0, peer_host=host))


@pytest.mark.parametrize("host", ["10.0.0.2", "::1", "", "fe80::1%eth0", "localhost"])
@pytest.mark.parametrize("condition", ["ipaddr 10.0.0.1", "ipaddr", "ipaddr x", "iprange 10.0.0.0/31"])
def test_an_address_elsewhere_is_not(condition: str, host: str) -> None:
    kind = "IP range" if condition.startswith("iprange") else "IP address"
    assert broken_caveat(condition, at(0, peer_host=host)).endswith(f"macaroon locked to different {kind}")


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/255.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/"])
def test_a_range_that_is_none_is_said(text: str) -> None:
    found = broken_caveat(f"iprange {text}", at(0, peer_host="10.0.0.1"))
    assert found.endswith(f"unable to parse macaroon IP range: invalid CIDR address: {text}")
    with pytest.raises(ValueError, match=r"range of addresses|does not appear"):
        caveats.ip_range(text)


def test_conditions_are_written_in_their_canonical_form() -> None:
    assert caveats.ip_address("0:0::1") == "ipaddr ::1"
    assert caveats.ip_range("10.1.2.3/8") == "iprange 10.0.0.0/8"
    assert caveats.custom("account", "42") == "lnd-custom account 42"
    assert caveats.custom("account") == "lnd-custom account"


@pytest.mark.parametrize("name", ["", "two words"])
def test_a_custom_caveat_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a custom caveat"):
        caveats.custom(name)


def test_a_custom_caveat_needs_its_middleware() -> None:
    condition = caveats.custom("account", "42")
    refused = broken_caveat(condition, at(0))
    assert refused == (
        'caveat "lnd-custom account 42" not satisfied: cannot accept macaroon with custom caveat'
        " 'account', no middleware registered to handle it"
    )
    assert not broken_caveat(condition, at(0, custom_caveats=frozenset({"account"})))


@pytest.mark.parametrize(
    ("condition", "problem"),
    [("lnd-custom", "expected custom caveat, got empty string"), ("lnd-custom  x", "unexpected white space found")],
)
def test_a_custom_caveat_is_read_strictly(condition: str, problem: str) -> None:
    assert problem in broken_caveat(condition, at(0))


@given(st.text())
def test_no_condition_whatever_is_a_surprise(condition: str) -> None:
    for prefix in ("", "time-before ", "ipaddr ", "iprange ", "lnd-custom "):
        broken_caveat(prefix + condition, at(0, peer_host="127.0.0.1"))
