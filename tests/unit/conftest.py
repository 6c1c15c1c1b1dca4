"""What the unit tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest_asyncio
from hypothesis import HealthCheck, settings

from tests.support.rooms_bench import RoomsBench

# How long an example takes on a busy machine is not what a property tests. Each run draws other examples.
settings.register_profile("spaces", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spaces")


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[RoomsBench]:
    async with aclosing(RoomsBench()) as bench:
        yield bench
