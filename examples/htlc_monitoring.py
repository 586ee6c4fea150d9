"""Watch an LND node for a while, and show what it failed to earn.

    python examples/htlc_monitoring.py --lnd-dir ~/.lnd --network mainnet --seconds 3600

It only reads: `lens node bake --role monitor` makes the macaroon that it needs.
"""

import argparse
import asyncio

from lightninglens.core.forwards import Gap
from lightninglens.core.htlc import HtlcEvent
from lightninglens.nodes.lnd.client import AsyncLNDgRPCClient
from lightninglens.operate.htlc_monitor import HTLCMonitor, OpportunityAnalyzer


def show(item: HtlcEvent | Gap) -> None:
    """Print an event, or that some were missed."""
    if isinstance(item, Gap):
        print(f"events were missed: {item.reason}")
    else:
        print(f"{item.kind.name.lower()} {item.incoming_channel_id} -> {item.outgoing_channel_id}")


async def main() -> None:
    """Monitor, then analyse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lnd-dir", default=None)
    parser.add_argument("--network", default=None)
    parser.add_argument("--grpc-host", default="localhost:10009")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    async with AsyncLNDgRPCClient(lnd_dir=given.lnd_dir, network=given.network, grpc_host=given.grpc_host) as client:
        forwards = await client.get_forwarding_history(hours=24)
        print(f"{len(forwards)} forwards settled in the last day")
        async with HTLCMonitor(grpc_client=client, history_hours=24, min_failure_count=1, min_missed_sats=0) as monitor:
            monitor.register_callback(show)
            print("monitoring", flush=True)
            await asyncio.sleep(given.seconds)
            print(monitor.get_summary_stats())
            analyzer = OpportunityAnalyzer(monitor, None, 0, 24)
            for each in await analyzer.analyze_opportunities():
                print(f"{each.channel_id}: {each.total_failures} failures, urgency {each.urgency_score:.0f}")
                print(f"  documented {each.missed_revenue_sats:.2f} sats, expected {each.expected_msat / 1_000:.2f}")
                print(f"  {each.recommended_action}")
            await analyzer.export_opportunities_json(await analyzer.get_top_opportunities(), "opportunities.json")


if __name__ == "__main__":
    asyncio.run(main())
