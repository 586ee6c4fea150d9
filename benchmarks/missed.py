"""How fast forwards are counted, stored and analysed.

    python benchmarks/missed.py --events 1000000 [--days 90] [--json]

Events are of a node with 100 channels: forwards between pairs of them, of which three in ten settle, two fail further
down and five are refused, as they come through the accounting into the database of `lens monitor`, in batches of 1,000.
Then the newest 200 are read, and 24 hours and 30 days analysed, from that database; and a window of refused payments is
analysed in memory, for 100 and for 10,000 channels. Limits are the issue's, for 10,000,000 events.
"""

import argparse
import json
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measuring import cpu_s, machine

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.columns import evidence_of
from lightninglens.analytics.missed.memory import ForwardMemory
from lightninglens.analytics.missed.opportunities import OpportunityOptions, find_opportunities
from lightninglens.app.missed import analyse
from lightninglens.core.channels import ChannelPolicy, ChannelState, Opener
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import NS_PER_DAY, Blocks, Msat, Ppm, Sat, UnixNs
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore

START_NS = 1_750_000_000 * 10**9
BATCH = 1_000
CHANNELS = 100
SETTLED, DOWNSTREAM = 0.3, 0.5
LIMITS = {
    "ingest_events_per_s": 5_000, "newest_200_s": 0.05, "day_s": 0.2, "month_s": 2.0, "memory_mb_per_1000": 0.2,
    "analysis_100_s": 0.02, "analysis_10000_s": 1.0,
}  # fmt: skip


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


def events(count: int, days: float, states: list[ChannelState]) -> Iterator[HtlcEvent]:
    """Yield about `count` events over `days`."""
    step_ns = int(days * NS_PER_DAY / count)
    numbers = [0] * len(states)
    made, now_ns = 0, START_NS
    while made < count:
        draws = uniforms(1, made, Stream.AMOUNT, 4)
        incoming, outgoing = (int(draw * len(states)) for draw in draws[:2])
        amount = int(1_000_000 * 10 ** (3 * float(draws[2])))
        refused = float(draws[3]) >= DOWNSTREAM
        settled = float(draws[3]) < SETTLED
        numbers[incoming] += 1

        def event(kind: HtlcEventKind, amount_msat: int) -> HtlcEvent:
            fails = kind is HtlcEventKind.LINK_FAIL
            return HtlcEvent(
                timestamp_ns=UnixNs(now_ns),  # noqa: B023 - used at once
                kind=kind,
                event_type=HtlcEventType.FORWARD,
                incoming_channel_id=states[incoming].channel_id,  # noqa: B023
                outgoing_channel_id=states[outgoing].channel_id,  # noqa: B023
                incoming_htlc_id=numbers[incoming],  # noqa: B023
                outgoing_htlc_id=0 if fails else numbers[incoming],  # noqa: B023
                incoming_amount_msat=Msat(amount_msat + amount_msat // 5_000),
                outgoing_amount_msat=Msat(amount_msat),
                incoming_timelock_blocks=900_200,
                outgoing_timelock_blocks=900_120,
                wire_failure=FailureCode.TEMPORARY_CHANNEL_FAILURE if fails else FailureCode.NONE,
                failure_detail=FailureDetail.INSUFFICIENT_BALANCE if fails else FailureDetail.UNKNOWN,
            )

        if refused:
            yield event(HtlcEventKind.LINK_FAIL, amount)
            made += 1
        else:
            yield event(HtlcEventKind.FORWARD, amount)
            now_ns += step_ns
            yield event(HtlcEventKind.SETTLE if settled else HtlcEventKind.FORWARD_FAIL, 0)
            made += 2
        now_ns += step_ns


def best(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the median wall time of a piece of work, once it has been done before."""
    work()
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return round(statistics.median(found), 4)


def stored(count: int, days: float) -> dict[str, Any]:
    """Measure writing a database and reading it."""
    states = channels(CHANNELS)
    with tempfile.TemporaryDirectory() as folder, ForwardStore(Path(folder) / FORWARDS_FILE) as store:
        accounting = HtlcAccounting(earlier=store)
        accounting.channels.see(states, UnixNs(START_NS), block_height=900_000)
        taken_s, before = 0.0, cpu_s()
        last_ns, batch, written = START_NS, 0, 0
        for event in events(count, days, states):
            began = time.perf_counter()
            accounting.take(event)
            batch += 1
            last_ns = event.timestamp_ns
            if batch == BATCH:
                store.write(Batch(changes=accounting.changes(last_ns), next_payment=accounting.next_payment))
                written, batch = written + batch, 0
            taken_s += time.perf_counter() - began
        store.write(
            Batch(
                changes=accounting.changes(last_ns + NS_PER_DAY),
                next_payment=accounting.next_payment,
                covered=(START_NS, last_ns),
            )
        )
        options = OpportunityOptions()
        return {
            "events": count,
            "days": days,
            "ingest_events_per_s": round(written / taken_s),
            "cpu_s_with_generating": round(cpu_s() - before, 1),
            "file_mb": round((Path(folder) / FORWARDS_FILE).stat().st_size / 1e6, 1),
            "newest_200_s": best(lambda: store.newest(200)),
            "day_s": best(lambda: analyse(store, states, now_ns=last_ns, hours=24, options=options)),
            "month_s": best(lambda: analyse(store, states, now_ns=last_ns, hours=720, options=options), 3),
        }


def in_memory(count: int, channel_count: int) -> dict[str, Any]:
    """Measure what counting takes of memory, and an analysis of it."""
    states = channels(channel_count)
    made = list(events(count, 1, states))
    tracemalloc.start()
    memory = ForwardMemory()
    accounting = HtlcAccounting(earlier=memory)
    accounting.channels.see(states, UnixNs(START_NS), block_height=900_000)
    before = tracemalloc.get_traced_memory()[0]
    for event in made:
        accounting.take(event)
    memory.take(accounting.changes(START_NS + 2 * NS_PER_DAY))
    used_mb = (tracemalloc.get_traced_memory()[0] - before) / 1e6
    tracemalloc.stop()
    by_id = {each.channel_id: each for each in states}
    peers = {each.channel_id: str(each.peer_id) for each in states}
    evidence = evidence_of(list(memory.sums.items()), list(memory.refused.values()), peers)
    return {
        "channels": channel_count,
        "events": count,
        "memory_mb_per_1000": round(used_mb / count * 1_000, 3),
        "refused_payments": len(memory.refused),
        "analysis_s": best(lambda: find_opportunities(evidence, by_id, observed_hours=24)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=90.0)
    parser.add_argument("--json", action="store_true", help="the only form; for the sake of scripts")
    given = parser.parse_args()
    result = {
        "machine": machine(),
        "limits": LIMITS,
        "stored": stored(given.events, given.days),
        "in_memory": [in_memory(20_000, 100), in_memory(200_000, 10_000)],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
