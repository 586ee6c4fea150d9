"""Who may talk to a service on this machine: exact lists of Host and Origin, never patterns.

A page of any web site that is open in the user's browser can send requests to
127.0.0.1. It cannot choose its Origin, and after DNS rebinding its Host is not
ours; so both are compared, whole, with what our own addresses look like. A
dashboard that another web server serves is named in `service.allowed_origins`.
"""

from urllib.parse import urlsplit

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
HTTP_PORT = 80
_DEFAULT_PORTS = {"http": HTTP_PORT, "https": 443}


def allowed_hosts(port: int) -> frozenset[str]:
    """Return the Host headers that a service on this port answers to."""
    hosts = {f"{host}:{port}" for host in LOOPBACK_HOSTS}
    return frozenset(hosts | set(LOOPBACK_HOSTS) if port == HTTP_PORT else hosts)


def allowed_origins(port: int) -> frozenset[str]:
    """Return the Origins of pages that a service on this port has served."""
    return frozenset(f"http://{host}" for host in allowed_hosts(port))


def exact_origin(text: str) -> str:
    """Return an origin as a browser sends it; raises ValueError where the text is not one."""
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r} has a port that is none") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"{text!r} is not an origin: write it like https://lens.example or http://localhost:8080")
    if "*" in text:
        raise ValueError(f"{text!r}: origins are exact; name each, without a pattern")
    if text != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError(f"{text!r} is more than an origin: leave out the path, and the slash at its end")
    if text != text.lower() or not text.isascii():
        raise ValueError(f"{text!r}: browsers send origins in lower case, international names as xn--")
    if port == _DEFAULT_PORTS[parts.scheme]:
        raise ValueError(f"{text!r}: browsers leave out :{port}; leave it out, too")
    return text


def refusal(
    hosts: list[str], origins: list[str], *, answered_hosts: frozenset[str], trusted_origins: frozenset[str]
) -> str | None:
    """Return why a request with these headers is refused, or None.

    There must be exactly one Host, and at most one Origin: programs send none,
    browsers always one. `null`, which sandboxed pages send, is on no list.
    """
    if len(hosts) != 1 or hosts[0] not in answered_hosts:
        return "this service answers only under its own address on this machine"
    if len(origins) > 1 or (origins and origins[0] not in trusted_origins):
        return "a page of another origin may not use this service"
    return None
