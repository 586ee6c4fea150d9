"""A model of your own: it suggests moving money in a circle of three nodes when more of their channels can send after.

Start `lens up --demand settlements --speed 20`, then `python examples/suggest.py`.
"""

import asyncio
import contextlib
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

NEEDED, LEAST_GAIN, CONFIDENCE = 400_000, 50_000, 0.6  # sat that a side should hold; a rule of thumb, so 0.6


def gain(local, circle, amount):
    """Return how many sat more of what each side should hold are there after a circle."""
    sides = [(local[way], -amount) for way in circle] + [(local[way[::-1]], amount) for way in circle]
    return sum(min(before + change, NEEDED) - min(before, NEEDED) for before, change in sides)


def best_suggestion(local):
    """Return the best circle: out over a channel, and back, by the service's rule, over the emptiest other one."""
    choices = [(0, "", "", 0)]
    for node, out in local:
        peers = [peer for own, peer in local if own == node and peer != out]
        back = min(peers, key=lambda peer: local[node, peer], default=out)
        circle = [(node, out), (out, back), (back, node)]
        choices += [
            (gain(local, circle, amount), node, out, amount)
            for amount in (100_000, 200_000, 300_000)
            if all(local.get(way, 0) > amount + 20_000 for way in circle)
        ]
    gained, node, out, amount = max(choices)
    wish = {"from_node": node, "to_node": out, "amount": amount, "confidence": CONFIDENCE}
    return wish if gained >= LEAST_GAIN else None


async def main(url):
    """Suggest whenever balances have changed, one thing at a time, until the lab ends."""
    local, under_way = {}, False
    async with connect(url) as feed:
        async for text in feed:
            message = json.loads(text)
            if message["type"] in {"state_update", "channel_update"}:
                nodes = message["data"].get("channels", message["data"])
                local |= {(node, one["remote_node"]): one["local_balance"] for node in nodes for one in nodes[node]}
            under_way = under_way and message["type"] != "rebalance_result"
            if not under_way and (wish := best_suggestion(local)):
                under_way = True
                await feed.send(json.dumps({"type": "rebalance_suggestion", "suggestion": wish}))


if __name__ == "__main__":
    with contextlib.suppress(ConnectionClosedOK):  # the lab has ended
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:6789"))
