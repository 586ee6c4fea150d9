"""A model written only from the source documents moves a balance through the feed."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

TRANSACTION = {"sender": str, "receiver": str, "amount": int, "success": bool, "description": str}
CHANNEL = {"remote_pubkey": str, "capacity": int, "local_balance": int, "remote_balance": int}


def assert_documented(values: dict[str, Any], keys: dict[str, type]) -> None:
    for key, kind in keys.items():
        assert type(values[key]) is kind, (key, values[key])


class DocumentClient:
    """Knows the README's formats and nothing else; whatever else is sent it does not look at."""

    def __init__(self) -> None:
        self.channels: dict[str, list[dict[str, Any]]] = {}
        self.transactions: list[dict[str, Any]] = []

    def take(self, text: str) -> None:
        message = json.loads(text)
        match message["type"]:
            case "state_update":
                self.channels.update(message["data"]["channels"])
                self.transactions += message["data"]["transactions"]
            case "channel_update":
                self.channels.update(message["data"])
            case "transaction":
                self.transactions.append(message["data"])
        for channels in self.channels.values():
            for channel in channels:
                assert_documented(channel, CHANNEL)
                assert 0 <= channel["local_balance"] + channel["remote_balance"] <= channel["capacity"]
        for transaction in self.transactions:
            assert_documented(transaction, TRANSACTION)

    def total(self, node: str) -> int:
        return sum(int(channel["local_balance"]) for channel in self.channels[node])


@pytest.mark.asyncio
@pytest.mark.promise("A1.3")
@pytest.mark.promise("A0.31")
@pytest.mark.promise("A1.4")
@pytest.mark.promise("A1.4a")
@pytest.mark.promise("A1.5")
@pytest.mark.promise("A1.7")
@pytest.mark.promise("A1.8")
@pytest.mark.promise("A1.9")
async def test_a_client_of_the_documents_moves_a_balance(start: Any) -> None:
    async with start() as running:
        model = DocumentClient()
        async with connect(f"ws://localhost:{running.options.feed.port}") as feed:
            model.take(str(await feed.recv()))
            assert set(model.channels) == {"lnd-alice", "lnd-bob", "lnd-carol", "lnd-dave", "lnd-eve"}
            before = {node: model.total(node) for node in model.channels}
            first = model.channels["lnd-alice"][0]
            assert first["local_balance"] == 996_530  # 1,000,000 less commitment fee and anchors
            suggestion = {"from_node": "lnd-alice", "to_node": "lnd-bob", "amount": 200_000, "confidence": 0.85}
            await feed.send(json.dumps({"type": "rebalance_suggestion", "suggestion": suggestion}))
            async with asyncio.timeout(20):
                while not model.transactions or model.channels["lnd-alice"][0]["local_balance"] > 797_000:
                    model.take(str(await feed.recv()))
        (moved,) = model.transactions
        assert moved["success"]
        assert (moved["sender"], moved["receiver"], moved["amount"]) == ("lnd-alice", "lnd-alice", 200_000)
        after = {node: model.total(node) for node in model.channels}
        # Alice paid the fee and nothing else; the fee is with those who forwarded.
        assert 0 < before["lnd-alice"] - after["lnd-alice"] <= 5
        assert all(after[node] >= before[node] - 5 for node in after)


@pytest.mark.asyncio
@pytest.mark.promise("A1.6")
@pytest.mark.promise("A1.14")
async def test_payments_arrive_as_the_documents_show_them(start: Any) -> None:
    async with start(traffic=True, lab={"speed": 500.0}) as running:
        model = DocumentClient()
        async with connect(f"ws://localhost:{running.options.feed.port}") as feed, asyncio.timeout(20):
            while len(model.transactions) < 20:
                model.take(str(await feed.recv()))
        assert {transaction["sender"] for transaction in model.transactions} <= set(model.channels)
        assert len({transaction["description"] for transaction in model.transactions}) > 3
