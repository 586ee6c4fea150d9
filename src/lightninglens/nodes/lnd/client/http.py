"""As much of an HTTP/1.1 client as LND's REST proxy needs, over TLS with one root, answers whole or line by line.

The product serves HTTP and does not otherwise ask for it, so no client library is
among its dependencies; what is here is one request per connection.
Source: RFC 9112.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lightninglens.nodes.lnd.client.place import Target

MAX_LINE_BYTES = 64 << 10
MAX_HEADERS = 100
MAX_STREAM_LINE_BYTES = 1 << 20


class HttpProblem(Exception):
    """What came back is no answer of HTTP, or too large."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The head of an answer, and its body to be read once."""

    status: int
    headers: Mapping[str, str]
    _reader: asyncio.StreamReader

    async def body(self, most: int) -> bytes:
        """Return the whole body; raises HttpProblem when it is over `most` bytes or breaks off."""
        parts, size = [], 0
        async for part in self._parts():
            size += len(part)
            if size > most:
                raise HttpProblem(f"the answer is over {most >> 20} MiB")
            parts.append(part)
        return b"".join(parts)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of an endless body; raises HttpProblem for one over 1 MiB."""
        rest = b""
        async for part in self._parts():
            *whole, rest = (rest + part).split(b"\n")
            if len(rest) > MAX_STREAM_LINE_BYTES:
                raise HttpProblem("a line of the stream is over 1 MiB")
            for line in filter(None, whole):
                yield line
        if rest:
            yield rest

    async def _parts(self) -> AsyncIterator[bytes]:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := await self._chunk_size():
                yield await self._exactly(size)
                await self._reader.readline()
            return
        left = self.headers.get("content-length")
        if left is not None:
            if not left.isdigit():
                raise HttpProblem("its length is no number")
            yield await self._exactly(int(left))
            return
        while part := await self._reader.read(MAX_LINE_BYTES):
            yield part

    async def _chunk_size(self) -> int:
        line = await self._reader.readline()
        try:
            return int(line.split(b";")[0].strip(), 16)
        except ValueError:
            raise HttpProblem("it breaks off" if not line else "a chunk has no size") from None

    async def _exactly(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except asyncio.IncompleteReadError:
            raise HttpProblem("it breaks off") from None


@asynccontextmanager
async def asked(
    target: Target, context: ssl.SSLContext | None, verb: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> AsyncIterator[HttpResponse]:
    """Send one request and give the answer within the block; raises OSError, ssl.SSLError and HttpProblem."""
    reader, writer = await asyncio.open_connection(
        target.host,
        target.port,
        ssl=context,
        limit=MAX_LINE_BYTES,
        server_hostname=target.host if context else None,
    )
    try:
        said = {"Host": str(target), "Accept": "application/json", "Connection": "close", **headers}
        if body:
            said |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"{verb} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        yield await _read_head(reader)
    finally:
        # Not after a `close`: where the other side has closed too, Python 3.11.2 then has nothing left to abort.
        with contextlib.suppress(OSError, ssl.SSLError):
            writer.transport.abort()


async def _read_head(reader: asyncio.StreamReader) -> HttpResponse:
    headers: dict[str, str] = {}
    try:
        first = (await reader.readline()).split(None, 2)
        while (line := (await reader.readline()).strip()) and len(headers) < MAX_HEADERS:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip().lower()
    except ValueError:  # a line that is longer than the reader's limit
        first = []
    if len(first) < 2 or not first[0].startswith(b"HTTP/1.") or not first[1].isdigit():
        raise HttpProblem("what answers does not speak HTTP/1.1")
    return HttpResponse(int(first[1]), headers, reader)
