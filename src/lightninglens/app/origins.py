"""Who may talk to a service on this machine: exact lists of Host and Origin, never patterns.

A page of any web site that is open in the user's browser can send requests to
127.0.0.1. It cannot choose its Origin, and after DNS rebinding its Host is not
ours; so both are compared, whole, with what our own addresses look like.
"""

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
HTTP_PORT = 80


def allowed_hosts(port: int) -> frozenset[str]:
    """Return the Host headers that a service on this port answers to."""
    hosts = {f"{host}:{port}" for host in LOOPBACK_HOSTS}
    return frozenset(hosts | set(LOOPBACK_HOSTS) if port == HTTP_PORT else hosts)


def allowed_origins(port: int) -> frozenset[str]:
    """Return the Origins of pages that a service on this port has served."""
    return frozenset(f"http://{host}" for host in allowed_hosts(port))


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
