"""What the unit tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from hypothesis import HealthCheck, settings

from tests.support.clock import settle

# How long an example takes on a busy machine is not what a property tests. Each run draws other examples.
settings.register_profile("spaces", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spaces")


@pytest_asyncio.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fails a test that leaves a task behind."""
    before = asyncio.all_tasks()
    yield
    await settle()
    left = {task.get_name() for task in asyncio.all_tasks() - before - {asyncio.current_task()}}
    assert left == set(), "tasks left"
