"""What the tests of the RoomManager share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest_asyncio

from tests.support.rooms_bench import RoomsBench


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[RoomsBench]:
    async with aclosing(RoomsBench()) as bench:
        yield bench
