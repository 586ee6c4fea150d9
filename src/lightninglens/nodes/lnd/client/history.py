"""ForwardingHistory, read in pages to its end: the same forwards whatever the size of a page.

Source: LND `rpcserver.go`, `ForwardingHistory`; `channeldb/forwarding_log.go`.
"""

from collections.abc import AsyncGenerator

from lightninglens.core.forwards import Forward, ForwardPage
from lightninglens.core.units import NS_PER_SECOND, UnixNs
from lightninglens.nodes.lnd.client.records import forward
from lightninglens.nodes.lnd.client.session import Session
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning

PAGE_FORWARDS = 10_000
"""LND's greatest is 50,000; a page of this size is about 1 MB."""
HISTORY_TIMEOUT_S = 60.0


async def forwarding_history(
    session: Session, *, since_ns: int = 0, until_ns: int | None = None, page_size: int = PAGE_FORWARDS
) -> AsyncGenerator[ForwardPage, None]:
    """Yield the settled forwards from `since_ns` up to before `until_ns` (None: now), oldest first.

    The node's slice is in whole seconds, so a little more is asked for and left
    out here. Its end is fixed at the first question: what settles meanwhile
    shifts nothing.
    """
    end_ns = session.clock.now_ns() if until_ns is None else until_ns
    covered_ns, offset = UnixNs(since_ns), 0
    while True:
        said = await session.call(
            Lightning.ForwardingHistory,
            lnrpc.ForwardingHistoryRequest(
                start_time=max(since_ns, 0) // NS_PER_SECOND,
                end_time=max(end_ns, 1) // NS_PER_SECOND + 1,
                index_offset=offset,
                num_max_events=page_size,
            ),
            timeout_s=HISTORY_TIMEOUT_S,
        )
        found = [forward(event) for event in said.forwarding_events]
        is_last = not found
        page = tuple(each for each in found if since_ns <= each.settled_ns < end_ns)
        reached_ns = UnixNs(end_ns if is_last else max(covered_ns, min(found[-1].settled_ns + 1, end_ns)))
        yield ForwardPage(forwards=page, covered_from_ns=covered_ns, covered_until_ns=reached_ns)
        if is_last:
            return
        covered_ns, offset = reached_ns, offset + len(found)


async def all_forwards(session: Session, *, since_ns: int, until_ns: int) -> tuple[Forward, ...]:
    """Return the settled forwards of a time, oldest first."""
    pages = forwarding_history(session, since_ns=since_ns, until_ns=until_ns)
    return tuple([each async for page in pages for each in page.forwards])
