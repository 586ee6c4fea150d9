"""What every request passes first: whose it is, how large it is, and the headers of every answer."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightninglens.app.origins import allowed_hosts, allowed_origins, refusal
from lightninglens.app.secrets import read_secret
from lightninglens.core.errors import LensError

TOKEN_FILE = "token"  # noqa: S105 - a file's name
TOKEN_BYTES = 32
MAX_BODY_BYTES = 65_536
_POLICY_VIOLATION = 1008

CONTENT_POLICY = (
    "default-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none';"
    " img-src 'self' data:; connect-src 'self' ws:; style-src 'self' 'unsafe-inline'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def error_body(what: str, where: str, what_to_do: str) -> dict[str, Any]:
    """Return the one shape that all errors have."""
    return {"error": {"what": what, "where": where, "what_to_do": what_to_do}}


class Token:
    """The secret that changes of state need. Only its hash is kept in memory."""

    def __init__(self, path: Path) -> None:
        """Read the token from a file, making one of 256 bits where there is none; raises LensError."""
        self.path = path
        if not path.exists():
            _make_token(path)
        self._digest = hashlib.sha256(read_secret(path).encode()).digest()

    def fits(self, authorization: str | None) -> bool:
        """Tell whether an Authorization header carries this token; takes the same time for any wrong one."""
        scheme, _, given = (authorization or "").partition(" ")
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(digest, self._digest) and scheme.lower() == "bearer"


def _make_token(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as problem:
        raise LensError(f"{path}: the token cannot be written: {problem.strerror}") from None
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as problem:
        # A token file that is empty because the disk was full must not remain.
        path.unlink(missing_ok=True)
        raise LensError(f"{path}: the token cannot be written: {problem.strerror}") from None


class OriginGuard:
    """Refuse requests and WebSockets that are not addressed to us, or come from a page that we did not serve."""

    def __init__(self, app: ASGIApp, *, port: int, more_origins: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._hosts = allowed_hosts(port)
        self._origins = allowed_origins(port) | more_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        problem = refusal(
            _header_values(scope, b"host"),
            _header_values(scope, b"origin"),
            answered_hosts=self._hosts,
            trusted_origins=self._origins,
        )
        if problem is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": problem})
        else:
            body = error_body(problem, "headers Host and Origin", "open the address that `lens up` printed")
            await JSONResponse(body, status_code=403)(scope, receive, send)


class SecurityHeaders:
    """Add the headers that keep a browser from being talked into anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add to what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuse bodies over 64 KiB, whatever Content-Length says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, which is small, before passing on."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                body = error_body(f"the body is larger than {MAX_BODY_BYTES} bytes", "body", "send less")
                await JSONResponse(body, status_code=413)(scope, receive, send)
                return
            chunks.append(chunk)
            if not message.get("more_body", False):
                break
        whole: Message | None = {"type": "http.request", "body": b"".join(chunks), "more_body": False}

        async def replay() -> Message:
            nonlocal whole
            if whole is not None:
                message, whole = whole, None
                return message
            return await receive()

        await self._app(scope, replay, send)


def _header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
