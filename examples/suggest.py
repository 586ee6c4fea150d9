"""A model of your own: where a node can hardly send on one of its channels, it suggests a rebalance.

Start `lens up --demand settlements --speed 20`, then `python examples/suggest.py`.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect

EMPTY, FULL, MOST_SAT, CONFIDENCE = 0.25, 0.5, 400_000, 0.6  # a rule of thumb, and how far it trusts itself


def suggest(node, channels):
    """Return what may help a node: out over its fullest channel; the service takes it back in over the emptiest."""
    empty, *_, full = sorted(channels, key=lambda channel: channel["local_balance"])
    if empty["local_balance"] < EMPTY * empty["capacity"] and full["local_balance"] > FULL * full["capacity"]:
        amount = min((full["local_balance"] - empty["local_balance"]) // 2, MOST_SAT)
        return {"from_node": node, "to_node": full["remote_pubkey"], "amount": amount, "confidence": CONFIDENCE}
    return None


async def main(url):
    """Suggest whenever a node's channels have changed, one thing at a time for each node, until the lab ends."""
    under_way = set()
    async with connect(url) as feed:
        async for text in feed:
            message = json.loads(text)
            if message["type"] == "rebalance_result":
                under_way.discard(message["data"]["from_node"])
            for node, channels in message["data"].items() if message["type"] == "channel_update" else ():
                if node not in under_way and (suggestion := suggest(node, channels)):
                    under_way.add(node)
                    await feed.send(json.dumps({"type": "rebalance_suggestion", "suggestion": suggestion}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:6789"))
