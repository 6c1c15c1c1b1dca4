"""Sessions on a Realtime that loses what the real one loses: what nobody was told is found and told all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import psycopg
import pytest
import pytest_asyncio

from spaces_sdk.events import CaughtUp, MessageReceived
from spaces_sdk.local.realtime.replication import APPLICATION_NAME
from spaces_sdk.local.stack import LocalStack
from tests.integration.people import WITHIN_S, LocalPeople, Visit
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

LOST = 5
LOSSY = {"SPACES_REALTIME_FAITHFUL_LOSS": "1", "SPACES_REALTIME_FAITHFUL_RECONNECT_BASE_S": "5"}
TERMINATE = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"
STREAMS = "select count(*) from pg_stat_replication where application_name = %s"


@pytest_asyncio.fixture(loop_scope="session")
async def lossy_people() -> AsyncGenerator[LocalPeople]:
    """People on a stack of their own that loses broadcasts."""
    async with LocalStack.temporary(realtime_env=LOSSY) as stack:
        made = LocalPeople(stack)
        try:
            yield made
        finally:
            await made.aclose()


async def _streams(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> object:
    row = await (await connection.execute(STREAMS, (APPLICATION_NAME,))).fetchone()
    return row and row[0]


def _heard(visit: Visit) -> list[str]:
    return [e.message.content for e in visit.events if isinstance(e, MessageReceived) and e.message.user_id is not None]


async def test_what_was_lost_with_the_stream_is_found_by_the_session(lossy_people: LocalPeople) -> None:
    people = lossy_people
    async with people.short_leases(20, 2):
        ada, bob = await asyncio.gather(people.person("Ada"), people.person("Bob"))
        room = await ada.spaces.rooms.create_room("Lossy")
        speaker, listener = await people.enter(ada, room), await people.enter(bob, room.room_code)
        await speaker.session.send("before")
        await listener.sees(MessageReceived, lambda event: event.message.content == "before")
        async with people.sql() as connection:

            async def is_gone() -> bool:
                return await _streams(connection) == 0

            await connection.execute(TERMINATE, (APPLICATION_NAME,))
            await eventually(is_gone, WITHIN_S)
            for number in range(LOST):
                await ada.spaces.rooms.insert_message(room.id, f"lost {number}")
            assert await _streams(connection) == 0, "they were written while nobody followed"

            async def is_back() -> bool:
                return await _streams(connection) == 1

            await eventually(is_back, WITHIN_S)
        await speaker.session.send("after")
        expected = ["before", *(f"lost {number}" for number in range(LOST)), "after"]
        await eventually(lambda: _heard(listener) == expected, WITHIN_S, what=lambda: str(_heard(listener)))
        assert any(caught.to_pos > caught.from_pos for caught in listener.of(CaughtUp))
