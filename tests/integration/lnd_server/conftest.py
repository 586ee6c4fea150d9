"""A served lab for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.support.lnd import Served, serving_lab


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Served]:
    """The lab with half of each channel's money on either side."""
    async with serving_lab(tmp_path) as served:
        yield served
