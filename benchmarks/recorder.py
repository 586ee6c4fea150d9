"""What recording a node takes: the share of a core, and how memory grows.

    python benchmarks/recorder.py --minutes 20 [--events-per-second 100]

The recorder of `lens monitor` reads LND's messages as its client does behind the connection, looks at 100 channels
each minute, reads the book each five minutes and writes each second. Making the messages is in the CPU time; TLS and
HTTP/2 are not. Growth is the slope of a line through the resident memory of the second half.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from measuring import cpu_s, machine
from missed import CHANNELS, Traffic, channels

from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import SystemClock
from lightninglens.core.forwards import Forward, ForwardPage, Gap
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind
from lightninglens.core.ids import NodeId
from lightninglens.core.node import NodeInfo
from lightninglens.core.ports import NodeReader
from lightninglens.core.units import NS_PER_SECOND, Msat, UnixNs
from lightninglens.nodes.lnd.client.events import Source, htlc_events
from lightninglens.nodes.lnd.contract import routerrpc
from lightninglens.operate.recording import Recording
from lightninglens.storage.forwards import FORWARDS_FILE, ForwardStore

LIMITS = {"core_share": 0.10, "memory_mib_per_hour": 1.0}
SAMPLE_S = 5.0
STEP_S = 0.05
BOOK_S = 900
KINDS = {
    HtlcEventKind.FORWARD: "forward_event",
    HtlcEventKind.SETTLE: "settle_event",
    HtlcEventKind.FORWARD_FAIL: "forward_fail_event",
    HtlcEventKind.LINK_FAIL: "link_fail_event",
}


class Node:
    """A node that forwards at a steady rate."""

    def __init__(self, events_per_second: float) -> None:
        self._states = channels(CHANNELS)
        self._rate = events_per_second
        self._settled: deque[Forward] = deque()

    async def info(self) -> NodeInfo:
        """Return who it is."""
        return NodeInfo(node_id=NodeId("02" + "00" * 32), alias="node", channel_count=CHANNELS, block_height=900_000)

    async def channels(self) -> Sequence[ChannelState]:
        """Return its channels."""
        return self._states

    async def forwarding_history(
        self, *, since_ns: int = 0, until_ns: int | None = None
    ) -> AsyncGenerator[ForwardPage, None]:
        """Yield what settled lately."""
        end_ns = UnixNs(until_ns or SystemClock().now_ns())
        found = tuple(each for each in self._settled if since_ns <= each.settled_ns < end_ns)
        yield ForwardPage(forwards=found, covered_from_ns=UnixNs(since_ns), covered_until_ns=end_ns)

    def htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
        """Yield events as LND's client does."""

        async def settled(_from_ns: int, _to_ns: int) -> tuple[Forward, ...]:
            return ()

        return htlc_events(Source(subscribe=self._messages, settled=settled, clock=SystemClock(), unnoticed_s=60.0))

    async def _messages(self) -> AsyncGenerator[routerrpc.HtlcEvent, None]:
        yield routerrpc.HtlcEvent(subscribed_event=routerrpc.SubscribedEvent())
        began = time.monotonic()
        for told, event in enumerate(Traffic(self._states, uniform=False).events(10**12, 1.0)):
            if told > (time.monotonic() - began) * self._rate:
                await asyncio.sleep(STEP_S)
            yield routerrpc.HtlcEvent.FromString(self._message(event).SerializeToString())

    def _message(self, event: HtlcEvent) -> routerrpc.HtlcEvent:
        now_ns = SystemClock().now_ns()
        if event.kind is HtlcEventKind.SETTLE:
            self._note(event, now_ns)
        info = routerrpc.HtlcInfo(
            incoming_amt_msat=event.incoming_amount_msat,
            outgoing_amt_msat=event.outgoing_amount_msat,
            incoming_timelock=event.incoming_timelock_blocks,
            outgoing_timelock=event.outgoing_timelock_blocks,
        )
        has_info = event.kind in {HtlcEventKind.FORWARD, HtlcEventKind.LINK_FAIL}
        name = KINDS[event.kind]
        made = routerrpc.HtlcEvent(
            incoming_channel_id=event.incoming_channel_id,
            outgoing_channel_id=event.outgoing_channel_id,
            incoming_htlc_id=event.incoming_htlc_id,
            outgoing_htlc_id=event.outgoing_htlc_id,
            timestamp_ns=now_ns,
            event_type=routerrpc.HtlcEvent.FORWARD,
        )
        getattr(made, name).SetInParent()
        if has_info:
            getattr(made, name).info.CopyFrom(info)
        if event.kind is HtlcEventKind.LINK_FAIL:
            made.link_fail_event.wire_failure = int(event.wire_failure)
            made.link_fail_event.failure_detail = int(event.failure_detail)
        return made

    def _note(self, event: HtlcEvent, now_ns: int) -> None:
        self._settled.append(
            Forward(
                settled_ns=UnixNs(now_ns),
                incoming_channel_id=event.incoming_channel_id,
                outgoing_channel_id=event.outgoing_channel_id,
                incoming_amount_msat=Msat(2_000),
                outgoing_amount_msat=Msat(1_000),
                incoming_htlc_id=event.incoming_htlc_id,
                outgoing_htlc_id=event.outgoing_htlc_id,
            )
        )
        while self._settled[0].settled_ns < now_ns - BOOK_S * NS_PER_SECOND:
            self._settled.popleft()


def resident_mib() -> float:
    """Return the memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(minutes: float, events_per_second: float, folder: Path) -> dict[str, Any]:
    """Record for some minutes."""
    with ForwardStore(folder / FORWARDS_FILE) as store:
        recording = Recording(cast("NodeReader", Node(events_per_second)), store, SystemClock())
        task = asyncio.create_task(recording.run())
        await asyncio.sleep(10)
        began, cpu_before, events_before = time.monotonic(), cpu_s(), recording.events
        times_h, memory_mib = [], []
        while time.monotonic() - began < minutes * 60:
            await asyncio.sleep(SAMPLE_S)
            times_h.append((time.monotonic() - began) / 3_600)
            memory_mib.append(resident_mib())
        share = (cpu_s() - cpu_before) / (time.monotonic() - began)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        half = len(times_h) // 2
        growth = float(np.polyfit(times_h[half:], memory_mib[half:], 1)[0])
        return {
            "minutes": minutes,
            "events": recording.events - events_before,
            "core_share": round(share, 4),
            "resident_mib": [round(memory_mib[at], 1) for at in (0, half, -1)],
            "memory_mib_per_hour": round(growth, 2),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--events-per-second", type=float, default=100.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(given.minutes, given.events_per_second, Path(folder)))
    verdict = {name: f"{'met' if found[name] <= limit else 'NOT MET'}, limit {limit}" for name, limit in LIMITS.items()}
    print(json.dumps({"machine": machine()} | found | {"verdicts": verdict}, indent=2))


if __name__ == "__main__":
    main()
