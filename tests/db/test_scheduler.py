"""The local stack's scheduler: what pg_cron does on a hosted project, done from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from spaces_sdk.local.scheduler import run_schedule
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import open_space
from tests.support.eventually import eventually

pytestmark = pytest.mark.db


@asynccontextmanager
async def scheduled(db: Database) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(run_schedule(db.superuser_url, sweep_interval_s=0.05))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_sweeps_and_cleans(fresh_db: Database) -> None:
    db = fresh_db
    space, closed = await open_space(db), await open_space(db)
    bob = await space.newcomer("bob")
    await closed.call(closed.host, "update_room_state", p_changes={"is_active": False})
    await space.expire(bob)

    async def is_done() -> bool:
        return len(named(await space.broadcasts(), "room:participant-left")) == 1 and await db.column(
            "select id from public.rooms"
        ) == [space.id]

    async with scheduled(db):
        await eventually(is_done, what="the scheduler has swept and cleaned")


async def test_a_run_that_fails_is_tried_again(fresh_db: Database, caplog: pytest.LogCaptureFixture) -> None:
    db = fresh_db
    space = await open_space(db)
    bob = await space.newcomer("bob")
    await space.expire(bob)
    await db.sql("alter function spaces.sweep_rooms() rename to swept_elsewhere")

    async def has_failed() -> bool:
        return "a scheduled run failed" in caplog.text

    async def is_swept() -> bool:
        return (await space.participant(bob))["is_online"] is False

    async with scheduled(db):
        await eventually(has_failed, what="a run has failed")
        await db.sql("alter function spaces.swept_elsewhere() rename to sweep_rooms")
        await eventually(is_swept, what="the next run has swept")
