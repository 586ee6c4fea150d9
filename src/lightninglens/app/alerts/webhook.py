"""Telling a web address of alerts: queued, signed, tried again with growing pauses, and never waited for.

Each alert is one POST of JSON, `{"version": 1, "alert": {...}}`. With a secret,
`X-LightningLens-Signature` is `sha256=` and the HMAC-SHA256, in hexadecimal, of
the value of `X-LightningLens-Timestamp`, a full stop and the body.
"""

import asyncio
import hashlib
import hmac
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import orjson
import structlog

from lightninglens import __version__
from lightninglens.app.alerts.telling import AlertTeller
from lightninglens.app.events import Alert
from lightninglens.core.clock import Clock
from lightninglens.core.units import NS_PER_SECOND

log = structlog.get_logger(__name__)

SIGNATURE = "X-LightningLens-Signature"
TIMESTAMP = "X-LightningLens-Timestamp"

_GIVE_UP = (400, 401, 403, 404, 405, 410, 413, 415, 422)
"""Answers that the same request would get again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """Where alerts are sent, and how patiently."""

    url: str
    secret: str | None = field(default=None, repr=False)
    timeout_s: float = 5.0
    tries: int = 6
    pause_s: float = 1.0
    """Before the second try; each further pause is twice as long."""
    most_pause_s: float = 60.0


class Webhook(AlertTeller):
    """Posts each alert to a web address."""

    name = "webhook"

    def __init__(self, options: WebhookOptions, clock: Clock) -> None:
        super().__init__()
        self._options = options
        self._clock = clock

    async def tell(self, alert: Alert) -> bool:
        """Post an alert, again and again with growing pauses, and return whether it was taken."""
        body = orjson.dumps({"version": 1, "alert": alert})
        pause_s = self._options.pause_s
        problem = ""
        for number in range(1, self._options.tries + 1):
            status, problem = await asyncio.to_thread(_post, self._options, body, self._headers(body))
            if 200 <= status < 300:
                return True
            if status in _GIVE_UP:
                break
            if number < self._options.tries:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._options.most_pause_s)
        # Only the host is named: the rest of the address may be a secret.
        host = urlsplit(self._options.url).hostname
        log.warning("an alert could not be sent to the webhook", host=host, alert=alert.alert_id, problem=problem)
        return False

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": f"LightningLens/{__version__}"}
        headers[TIMESTAMP] = str(self._clock.now_ns() // NS_PER_SECOND)
        if self._options.secret is not None:
            headers[SIGNATURE] = "sha256=" + signature(self._options.secret, headers[TIMESTAMP], body)
        return headers


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body in hexadecimal."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _post(options: WebhookOptions, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """Send one request and return its status with a word on it; 0 when there was no answer. Follows no redirect."""
    address = urlsplit(options.url)
    try:
        connection = _connect(address, options.timeout_s)
        try:
            path = (address.path or "/") + (f"?{address.query}" if address.query else "")
            connection.request("POST", path, body, dict(headers))
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return 0, f"{type(problem).__name__}: {problem}"
    return status, f"answered {status}"


def _connect(address: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = address.hostname or ""
    if address.scheme == "https":
        return http.client.HTTPSConnection(host, address.port, timeout=timeout_s, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, address.port, timeout=timeout_s)
