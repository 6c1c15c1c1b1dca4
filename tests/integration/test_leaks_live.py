"""Joins and leaves on the real parts: no task, no socket, no thread stays."""

from __future__ import annotations

import asyncio
import threading

import psutil
import pytest

from tests.integration.people import LocalPeople
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

VISITS = 25


def held() -> dict[str, int]:
    """What this process holds."""
    process = psutil.Process()
    return {"files": process.num_fds(), "threads": threading.active_count(), "tasks": len(asyncio.all_tasks())}


async def test_visits_leave_nothing(local_people: LocalPeople) -> None:
    ada = await local_people.person("Ada")
    room = await ada.spaces.rooms.create_room("Leaks")
    async with local_people.sql() as connection:
        await connection.execute(
            "update spaces.limits set capacity = capacity * 100, refill_per_s = refill_per_s * 100"
            " where action = 'join'"
        )
    try:
        before: dict[str, int] = {}
        for number in range(VISITS):
            async with ada.spaces.join(room.id, display_name="Ada") as session:
                await session.signal("app.here")
            if number == 4:  # the pools of HTTP and Realtime are as large as they get
                before = held()

        async def is_no_more() -> bool:
            await ada.spaces.rooms.is_host(room.id)  # at which HTTP closes what has been idle for too long
            return all(count <= before[kind] for kind, count in held().items())

        await eventually(is_no_more, what=lambda: f"{held()}, and after 5 visits {before}")
    finally:
        async with local_people.sql() as connection:
            await connection.execute(
                "update spaces.limits set capacity = capacity / 100, refill_per_s = refill_per_s / 100"
                " where action = 'join'"
            )
