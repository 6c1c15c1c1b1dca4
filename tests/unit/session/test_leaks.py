"""A thousand joins and leaves: no task, no timer, no channel, no growth."""

from __future__ import annotations

import asyncio
import gc

import pytest

from spaces_sdk.errors import OutcomeUnknownError
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import RoomSession, SessionOptions
from tests.support.clock import settle
from tests.support.fake_room import FakeApi
from tests.unit.session.conftest import World

pytestmark = pytest.mark.stress

VISITS = 1000
WARM = 100
# What two runs of the collector may differ by; one object a visit would be 900.
TOLERATED = 200


async def visit(world: World, api: FakeApi, number: int) -> None:
    """Join, hear and say something, meet one trouble or another, and go, one way or another."""
    session = world.session(api=api, options=SessionOptions(queue_while_offline=number % 2 == 0))
    if number % 10 == 9:
        entering = asyncio.create_task(session.__aenter__())
        await settle(number % 7)
        entering.cancel()
        await asyncio.wait({entering})
        return
    async with session:
        reader = world.read(session)
        await session.send("hello")
        await trouble(world, session, api, number)
        await settle(number % 5)
    await reader.stop()


async def trouble(world: World, session: RoomSession, api: FakeApi, number: int) -> None:
    match number % 5:
        case 0:
            world.room.faults.lose(1)
            world.room.post("a")
            world.room.post("b")
        case 1:
            world.room.faults.close_channels(CloseReason.SOCKET_LOST)
        case 2:
            api.lost_answers["insert_message"] = OutcomeUnknownError("no answer", operation_id=session.connection_id)
            waiting = asyncio.create_task(session.send("lost"))
            await settle(3)
            waiting.cancel()
            await asyncio.wait({waiting})
        case 3:
            async with session.stream(message_type="user_text") as out:
                await out.write("a part")
        case _:
            events = session.events()
            await anext(events)


def forget(world: World, api: FakeApi) -> None:
    """The room's own memory is not the session's."""
    world.sessions.clear()
    world.readers.clear()
    world.room.messages.clear()
    world.room.leases.clear()
    world.room.silent_steps.clear()
    api.calls.clear()
    api.parts.clear()
    api.lost_answers.clear()


def sessions() -> list[RoomSession]:
    """All that are in memory."""
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, RoomSession)]


async def test_a_thousand_visits_leave_nothing(world: World) -> None:
    api = FakeApi(world.room)
    others = sessions()  # what other tests in this process have left behind
    tasks, sleepers, objects = asyncio.all_tasks(), world.clock.sleepers, 0
    for number in range(VISITS):
        await visit(world, api, number)
        forget(world, api)
        if number == WARM:
            await settle()
            gc.collect()
            objects = len(gc.get_objects())
    await settle()
    assert asyncio.all_tasks() == tasks
    assert world.clock.sleepers == sleepers
    assert world.room.faults.channels == []
    gc.collect()
    assert len(gc.get_objects()) - objects < TOLERATED
    assert not [session for session in sessions() if all(session is not other for other in others)]
