"""How fast forwards are counted, stored and analysed, and what memory they take.

    python benchmarks/missed.py --events 10000000 [--days 90] [--worst] [--store FILE]

Events are of a node with 100 peers, of which the n-th has 1/n of the weight of the first (with --worst all the same,
so that hardly two events share a sum): of what it is asked to forward three in ten settle, two fail further down and
five are refused. They come through the accounting into the database of `lens monitor` in batches of 1,000, which is
packed each hour of their time as the recorder does. Then the newest 200 are read, and 24 hours and 30 days analysed,
from that database; and what a program without a database keeps in memory is measured and analysed, for 100 and for
10,000 channels. A --store that is there already is only read. The limits are those for 10,000,000 events. Times are of
the wall; beside them stands the CPU time of the middle one, which is what they are on a machine that does nothing else.
"""

import argparse
import json
import statistics
import tempfile
import time
import tracemalloc
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from measuring import cpu_s, machine, spread

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.memory import ForwardMemory
from lightninglens.analytics.missed.opportunities import OpportunityOptions, find_opportunities
from lightninglens.app.missed import analyse
from lightninglens.core.channels import ChannelPolicy, ChannelState, Opener
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, Blocks, Msat, Ppm, Sat, UnixNs
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore

START_NS = 1_750_000_000 * 10**9
BATCH = 1_000
CHANNELS = 100
SETTLED, DOWNSTREAM = 0.3, 0.5
DRAWN_AT_ONCE = 10_000
LIMITS = {
    "ingest_events_per_s": 5_000, "newest_200_s": 0.05, "day_s": 0.2, "month_s": 2.0, "memory_mb_per_1000": 0.2,
    "analysis_100_s": 0.02, "analysis_10000_s": 1.0,
}  # fmt: skip
"""Of events each second at least, of the others at most."""


def channels(count: int) -> list[ChannelState]:
    """Return channels of 5,000,000 sat, each with a peer of its own."""
    policy = ChannelPolicy(
        base_fee_msat=Msat(0),
        fee_rate_ppm=Ppm(200),
        time_lock_delta_blocks=Blocks(80),
        min_htlc_msat=Msat(1_000),
        max_htlc_msat=Msat(5_000_000_000),
    )
    return [
        ChannelState(
            channel_id=ChannelId.of(800_000, place + 1, 0),
            peer_id=NodeId(f"02{place:064x}"),
            peer_alias=f"peer {place}",
            capacity_sat=Sat(5_000_000),
            local_msat=Msat(100_000_000),
            remote_msat=Msat(4_900_000_000),
            commit_fee_sat=Sat(0),
            unsettled_msat=Msat(0),
            pending_htlcs=0,
            local_reserve_sat=Sat(50_000),
            remote_reserve_sat=Sat(50_000),
            opener=Opener.LOCAL,
            active=True,
            outbound_msat=Msat(50_000_000),
            inbound_msat=Msat(4_800_000_000),
            local_policy=policy,
            remote_policy=policy,
        )
        for place in range(count)
    ]


class Traffic:
    """Events that a node with these channels sees."""

    def __init__(self, states: Sequence[ChannelState], *, uniform: bool) -> None:
        self._states = states
        self._numbers = [0] * len(states)
        self._upto = list(accumulate(1.0 if uniform else 1 / (place + 1) for place in range(len(states))))

    def events(self, count: int, days: float) -> Iterator[HtlcEvent]:
        """Yield about `count` events over `days`."""
        step_ns = int(days * NS_PER_DAY / count)
        made, now_ns = 0, START_NS
        for first, second, size, fate in _draws():
            incoming, outgoing = self._peer(first), self._peer(second)
            amount_msat = int(1_000_000 * 10 ** (3 * size))
            self._numbers[incoming] += 1
            if fate >= DOWNSTREAM:
                yield self._event(HtlcEventKind.LINK_FAIL, incoming, outgoing, amount_msat, now_ns)
            else:
                yield self._event(HtlcEventKind.FORWARD, incoming, outgoing, amount_msat, now_ns)
                made, now_ns = made + 1, now_ns + step_ns
                ending = HtlcEventKind.SETTLE if fate < SETTLED else HtlcEventKind.FORWARD_FAIL
                yield self._event(ending, incoming, outgoing, 0, now_ns)
            made, now_ns = made + 1, now_ns + step_ns
            if made >= count:
                return

    def _peer(self, draw: float) -> int:
        return bisect(self._upto, draw * self._upto[-1])

    def _event(self, kind: HtlcEventKind, incoming: int, outgoing: int, amount_msat: int, now_ns: int) -> HtlcEvent:
        fails = kind is HtlcEventKind.LINK_FAIL
        return HtlcEvent(
            timestamp_ns=UnixNs(now_ns),
            kind=kind,
            event_type=HtlcEventType.FORWARD,
            incoming_channel_id=self._states[incoming].channel_id,
            outgoing_channel_id=self._states[outgoing].channel_id,
            incoming_htlc_id=self._numbers[incoming],
            outgoing_htlc_id=0 if fails else self._numbers[incoming],
            incoming_amount_msat=Msat(amount_msat + amount_msat // 5_000),
            outgoing_amount_msat=Msat(amount_msat),
            incoming_timelock_blocks=900_200,
            outgoing_timelock_blocks=900_120,
            wire_failure=FailureCode.TEMPORARY_CHANNEL_FAILURE if fails else FailureCode.NONE,
            failure_detail=FailureDetail.INSUFFICIENT_BALANCE if fails else FailureDetail.UNKNOWN,
        )


def _draws() -> Iterator[list[float]]:
    block = 0
    while True:
        yield from uniforms(1, block, Stream.AMOUNT, 4 * DRAWN_AT_ONCE).reshape(-1, 4).tolist()
        block += 1


def timed(work: Callable[[], object], repeats: int = 5) -> dict[str, float]:
    """Return the spread of the wall times of a piece of work, once it has been done before, and its CPU time."""
    work()
    wall_s, used_s = [], []
    for _ in range(repeats):
        began, cpu_before = time.perf_counter(), cpu_s()
        work()
        wall_s.append(round(time.perf_counter() - began, 4))
        used_s.append(round(cpu_s() - cpu_before, 4))
    return spread(wall_s) | {"cpu_median": statistics.median(used_s)}


def build(path: Path, count: int, days: float, *, uniform: bool) -> dict[str, Any]:
    """Write a database, and measure that."""
    states = channels(CHANNELS)
    with ForwardStore(path) as store:
        accounting = HtlcAccounting(earlier=store)
        accounting.channels.see(states, UnixNs(START_NS), block_height=900_000)
        taken_s, cpu_before, written, packed_hour = 0.0, cpu_s(), 0, 0
        batch: list[HtlcEvent] = []
        for event in Traffic(states, uniform=uniform).events(count, days):
            batch.append(event)
            if len(batch) < BATCH:
                continue
            began = time.perf_counter()
            for each in batch:
                accounting.take(each)
            now_ns = event.timestamp_ns
            store.write(
                Batch(
                    changes=accounting.changes(now_ns),
                    next_payment=accounting.next_payment,
                    covered=(START_NS, now_ns),
                )
            )
            if now_ns // NS_PER_HOUR > packed_hour:
                store.pack(now_ns=now_ns)
                packed_hour = now_ns // NS_PER_HOUR
            taken_s += time.perf_counter() - began
            written += len(batch)
            batch.clear()
    return {"ingest_events_per_s": round(written / taken_s), "cpu_s_with_generating": round(cpu_s() - cpu_before, 1)}


def read(path: Path) -> dict[str, Any]:
    """Measure reading and analysing a database."""
    states, options = channels(CHANNELS), OpportunityOptions()
    began = time.perf_counter()
    with ForwardStore(path) as store:
        opened_s = time.perf_counter() - began
        now_ns = store.covered_until_ns() or 0
        month = store.recorded(since_ns=now_ns - 30 * NS_PER_DAY, until_ns=now_ns)
        return {
            "open_s": round(opened_s, 2),
            "file_mb": round(path.stat().st_size / 1e6, 1),
            "rows_of_the_month": {
                "sums": len(month.sums),
                "history": len(month.history),
                "refused": len(month.refused),
            },
            "newest_200_s": timed(lambda: store.newest(200)),
            "day_s": timed(lambda: analyse(store, states, now_ns=now_ns, hours=24, options=options)),
            "month_s": timed(lambda: analyse(store, states, now_ns=now_ns, hours=720, options=options), 3),
        }


def in_memory(count: int, channel_count: int, *, uniform: bool) -> dict[str, Any]:
    """Measure what counting a day takes of memory, and an analysis of it."""
    states = channels(channel_count)
    tracemalloc.start()
    memory = ForwardMemory()
    accounting = HtlcAccounting(earlier=memory)
    accounting.channels.see(states, UnixNs(START_NS), block_height=900_000)
    before = tracemalloc.get_traced_memory()[0]
    for number, event in enumerate(Traffic(states, uniform=uniform).events(count, 1)):
        accounting.take(event)
        if number % BATCH == 0:
            memory.take(accounting.changes(event.timestamp_ns))
    memory.take(accounting.changes(START_NS + 2 * NS_PER_DAY))
    used_mb = (tracemalloc.get_traced_memory()[0] - before) / 1e6
    tracemalloc.stop()
    by_id = {each.channel_id: each for each in states}
    evidence = memory.evidence({each.channel_id: str(each.peer_id) for each in states})
    return {
        "events": count,
        "refused_payments": len(evidence.refused.incoming),
        "memory_mb_per_1000": round(used_mb / count * 1_000, 3),
        f"analysis_{channel_count}_s": timed(lambda: find_opportunities(evidence, by_id, observed_hours=24)),
    }


def verdicts(figures: dict[str, Any]) -> dict[str, list[str]]:
    """Return each figure, by the median where there is a spread, with its limit and whether it is kept."""
    said: dict[str, list[str]] = {}
    for name, limit in LIMITS.items():
        for value in (part[name] for part in figures.values() if isinstance(part, dict) and name in part):
            middle = value["median"] if isinstance(value, dict) else value
            kept = middle >= limit if name == "ingest_events_per_s" else middle <= limit
            cpu = f" ({value['cpu_median']:g} of CPU)" if isinstance(value, dict) else ""
            said.setdefault(name, []).append(f"{middle:g}{cpu}, limit {limit:g}: {'met' if kept else 'NOT MET'}")
    return said


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=90.0)
    parser.add_argument("--worst", action="store_true", help="all pairs of peers with the same weight")
    parser.add_argument("--store", type=Path, help="build the database here, or only read it if it is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.store or Path(folder) / FORWARDS_FILE
        built = {} if path.exists() else build(path, given.events, given.days, uniform=given.worst)
        figures = {
            "machine": machine(),
            "events": given.events,
            "days": given.days,
            "peers": "uniform" if given.worst else "weights 1/rank",
            "built": built,
            "read": read(path),
            "in_memory_100": in_memory(20_000, 100, uniform=given.worst),
            "in_memory_10000": in_memory(200_000, 10_000, uniform=given.worst),
        }
    print(json.dumps(figures | {"verdicts": verdicts(figures)}, indent=2))


if __name__ == "__main__":
    main()
