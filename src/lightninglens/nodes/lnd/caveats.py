"""The conditions that LND knows on a macaroon: until when, from where, and those of its middleware.

`time_before` and the others write a condition; `broken_caveat` judges one. A
condition that is not known is broken: a narrowed macaroon never allows more than
its maker wanted.
"""

import datetime as dt
import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from lightninglens.core.units import NS_PER_SECOND

TIME_BEFORE = "time-before"
IP_ADDRESS = "ipaddr"
IP_RANGE = "iprange"
CUSTOM = "lnd-custom"

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MAX_TIME_NS = (dt.datetime(9999, 12, 31, tzinfo=dt.UTC) - _EPOCH).days * 86_400 * NS_PER_SECOND

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What caveats are judged by: the time, who calls, and which custom caveats a registered middleware handles."""

    now_ns: int
    peer_host: str = ""
    """Host part of the caller's address; empty when it is not known."""
    custom_caveats: frozenset[str] = frozenset()


def time_before(time_ns: int) -> str:
    """Return the condition that it is used before `time_ns` (Unix time); raises ValueError outside 1970 to 9999."""
    if not 0 <= time_ns <= _MAX_TIME_NS:
        raise ValueError(f"{time_ns} ns is no time between 1970 and 9999")
    seconds, fraction = divmod(time_ns, NS_PER_SECOND)
    moment = _EPOCH + dt.timedelta(seconds=seconds)
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{TIME_BEFORE} {moment:%Y-%m-%dT%H:%M:%S}{digits}Z"


def ip_address(address: str) -> str:
    """Return the condition that it is used from one address; raises ValueError for what is none."""
    return f"{IP_ADDRESS} {ipaddress.ip_address(address)}"


def ip_range(network: str) -> str:
    """Return the condition that it is used from a range such as `10.0.0.0/8`; raises ValueError for what is none."""
    return f"{IP_RANGE} {_network(network)}"


def custom(name: str, condition: str = "") -> str:
    """Return a condition for a middleware of LND; raises ValueError for an empty name or one with a space."""
    if not name or " " in name:
        raise ValueError(f"{name!r} cannot name a custom caveat: it is empty or has a space")
    return " ".join(filter(None, (CUSTOM, name, condition)))


def expiry_ns(conditions: Iterable[str]) -> int | None:
    """Return the earliest time of these conditions at which a macaroon expires, or None when none names a time."""
    times = [_time_ns(rest) for name, _, rest in map(_parts, conditions) if name == TIME_BEFORE]
    known = [time for time in times if time is not None]
    return min(known, default=None)


def broken_caveat(condition: str, circumstances: Circumstances) -> str:
    """Return why a condition does not hold, in LND's words, or an empty text when it holds."""
    if not condition:
        return 'cannot parse caveat "": empty caveat'
    name, _, rest = _parts(condition)
    if not name:
        return f"cannot parse caveat {_quoted(condition)}: caveat starts with space character"
    judge = _JUDGES.get(name)
    problem = judge(rest, circumstances) if judge else "caveat not recognized"
    return f"caveat {_quoted(condition)} not satisfied: {problem}" if problem else ""


def _parts(condition: str) -> tuple[str, str, str]:
    return condition.partition(" ")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _time_ns(text: str) -> int | None:
    """Return a time of RFC 3339 in Unix ns, or None for what is none."""
    match = _TIME.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    try:
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return None
    offset_s = 0
    if sign:
        if int(offset_hours) > 24 or int(offset_minutes) > 60:
            return None
        offset_s = (int(offset_hours) * 3_600 + int(offset_minutes) * 60) * (-1 if sign == "-" else 1)
    since = moment - _EPOCH
    seconds = since.days * 86_400 + since.seconds - offset_s
    return seconds * NS_PER_SECOND + int((fraction or "0")[:9].ljust(9, "0"))


def _judge_time(text: str, circumstances: Circumstances) -> str:
    limit_ns = _time_ns(text)
    if limit_ns is None:
        return f'parsing time {_quoted(text)} as "2006-01-02T15:04:05.999999999Z07:00": cannot parse it'
    return "" if circumstances.now_ns < limit_ns else "macaroon has expired"


def _judge_address(text: str, circumstances: Circumstances) -> str:
    wanted, found = _address(text), _address(circumstances.peer_host)
    return "" if wanted is not None and wanted == found else "macaroon locked to different IP address"


def _judge_range(text: str, circumstances: Circumstances) -> str:
    try:
        network = _network(text)
    except ValueError:
        return f"unable to parse macaroon IP range: invalid CIDR address: {text}"
    found = _address(circumstances.peer_host)
    inside = found is not None and found.version == network.version and found in network
    return "" if inside else "macaroon locked to different IP range"


def _judge_custom(text: str, circumstances: Circumstances) -> str:
    if text != text.strip():
        return "unexpected white space found in caveat condition"
    if not text:
        return "expected custom caveat, got empty string"
    name = text.partition(" ")[0]
    if name in circumstances.custom_caveats:
        return ""
    return f"cannot accept macaroon with custom caveat '{name}', no middleware registered to handle it"


_JUDGES = {TIME_BEFORE: _judge_time, IP_ADDRESS: _judge_address, IP_RANGE: _judge_range, CUSTOM: _judge_custom}


def _address(text: str) -> Address | None:
    """Return an address, an IPv4 one that is written in IPv6 as IPv4, or None for what is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return None
        return found.ipv4_mapped or found
    return found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if not re.fullmatch(r"[^/]+/\d{1,3}", text, re.ASCII):
        raise ValueError(f"{text[:80]!r} is not a range of addresses such as 10.0.0.0/8")
    return ipaddress.ip_network(text, strict=False)
