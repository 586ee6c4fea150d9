"""The example in examples/ runs against a lab as a third party's program would."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from lightninglens.app.rebalancing import FEED
from lightninglens.core.records import JournalState

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.asyncio
@pytest.mark.promise("A1.4")
@pytest.mark.promise("A1.4a")
@pytest.mark.promise("A1.5")
@pytest.mark.promise("A1.14c")
@pytest.mark.promise("A0.35")
async def test_a_third_partys_model_rebalances_through_the_feed(start: Any) -> None:
    """In half an hour of the lab's time it moves money several times, and a node's sum falls by fees only."""
    world = {"demand": "settlements", "seed": 5}
    async with start(traffic=True, world=world, lab={"speed": 200.0, "duration_s": 1_800.0}) as running:
        url = f"ws://localhost:{running.options.feed.port}"
        model = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "examples/suggest.py"), url, stderr=asyncio.subprocess.PIPE
        )
        _, rebalancing = await running.service.state.wait_until_ready()
        try:
            async with asyncio.timeout(60):
                while sum(_succeeded(record) for record in rebalancing._executor.records) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            if model.returncode is None:
                model.terminate()
            _, problems = await model.communicate()
    assert b"Error" not in problems, problems.decode()
    done = [record for record in rebalancing._executor.records if _succeeded(record)]
    assert {record.author for record in done} == {FEED}
    assert all(0 < record.fee_msat <= record.change.max_fee_msat for record in done)


def _succeeded(record: Any) -> bool:
    return record.state is JournalState.SUCCEEDED
