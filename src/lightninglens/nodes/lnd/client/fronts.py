"""The client under the name that the source documents give it.

async with AsyncLNDgRPCClient(lnd_dir="~/.lnd") as client:
    for forward in await client.get_forwarding_history(hours=24):
        print(forward.fee_msat)
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from lightninglens.core.clock import Clock, SystemClock
from lightninglens.core.errors import ConfigError
from lightninglens.core.forwards import Forward, Gap
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_HOUR
from lightninglens.nodes.lnd.client.place import GRPC_PORT, LndOptions
from lightninglens.nodes.lnd.client.reader import LndReader


class AsyncLNDgRPCClient:
    """Reads an LND node: `LndReader` with the documented names. It cannot move a satoshi."""

    def __init__(
        self,
        lnd_dir: str | Path | None = None,
        *,
        grpc_host: str = f"localhost:{GRPC_PORT}",
        network: str | None = None,
        tls_cert: str | Path | None = None,
        macaroon: str | Path | None = None,
        allow_broad_macaroon: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """Take where the node is; nothing is opened yet."""
        self._clock = clock or SystemClock()
        self._options = LndOptions(
            lnd_dir=Path(lnd_dir) if lnd_dir is not None else None,
            grpc_host=grpc_host,
            network=network,
            tls_cert=Path(tls_cert) if tls_cert is not None else None,
            macaroon=Path(macaroon) if macaroon is not None else None,
            allow_broad_macaroon=allow_broad_macaroon,
        )
        self._stack = AsyncExitStack()
        self._opened: LndReader | None = None

    async def __aenter__(self) -> Self:
        """Connect; raises as `LndReader.at` does."""
        self._opened = await self._stack.enter_async_context(LndReader.at(self._options, self._clock))
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Close the connection."""
        self._opened = None
        await self._stack.aclose()

    @property
    def reader(self) -> LndReader:
        """The reader behind it; raises ConfigError outside `async with`."""
        if self._opened is None:
            raise ConfigError("the client is not connected: use it as `async with AsyncLNDgRPCClient(...) as client`")
        return self._opened

    async def get_info(self) -> NodeInfo:
        """Return who the node is."""
        return await self.reader.info()

    async def get_forwarding_history(self, *, hours: float = 24.0) -> tuple[Forward, ...]:
        """Return the forwards that settled in the last hours, oldest first."""
        until_ns = self._clock.now_ns()
        pages = self.reader.forwarding_history(since_ns=until_ns - int(hours * NS_PER_HOUR), until_ns=until_ns)
        return tuple([each async for page in pages for each in page.forwards])

    def subscribe_htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
        """Yield HTLC events as they happen, and a gap where some were missed."""
        return self.reader.htlc_events()
