"""What a test does to the fake backend: its faults, its users, its time. Its rules: tests/contract_suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
import pytest_asyncio

from spaces_sdk.clock import SystemClock
from spaces_sdk.errors import ConnectError, ConnectionLostError, OutcomeUnknownError, RoomFullError, UsageError
from spaces_sdk.models import Room
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import RoomSession
from spaces_sdk.testing import FakeBackend

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


@pytest_asyncio.fixture
async def backend(no_task_left: None) -> AsyncIterator[FakeBackend]:
    async with FakeBackend() as backend:
        yield backend


async def jam(backend: FakeBackend) -> tuple[Room, RoomSession, RoomSession]:
    """A room with two in it."""
    ada, bob = backend.user("ada"), backend.user("bob")
    room = await ada.rooms.create_room("Jam")
    here, there = ada.join(room.room_code), bob.join(room.room_code)
    await here.__aenter__()
    await there.__aenter__()
    await backend.clock.advance(0)
    return room, here, there


def said(session: RoomSession) -> list[str]:
    return [message.content for message in session.messages if message.user_id]


Break = Callable[[FakeBackend, RoomSession], Awaitable[None]]


async def _lose(backend: FakeBackend, there: RoomSession) -> None:
    backend.faults.lose(1, after=1)
    for text in "abc":
        await there.send(text)


async def _double(backend: FakeBackend, there: RoomSession) -> None:
    backend.faults.double(2)
    for text in "abc":
        await there.send(text)


async def _reorder(backend: FakeBackend, there: RoomSession) -> None:
    backend.faults.hold()
    for text in "abc":
        await there.send(text)
    await backend.clock.advance(0)
    backend.faults.release(reverse=True)


async def _close(backend: FakeBackend, there: RoomSession) -> None:
    backend.faults.realtime_is_down = True
    backend.faults.close_channels(CloseReason.SOCKET_LOST)
    for text in "abc":
        await there.send(text)
    await backend.clock.advance(20)
    backend.faults.realtime_is_down = False


async def _overflow(backend: FakeBackend, there: RoomSession) -> None:
    backend.faults.lose(3)
    for text in "abc":
        await there.send(text)
    backend.faults.overflow(3)


@pytest.mark.parametrize("broken", [_lose, _double, _reorder, _close, _overflow])
async def test_what_happens_to_broadcasts_is_repaired(backend: FakeBackend, broken: Break) -> None:
    _, here, there = await jam(backend)
    await broken(backend, there)
    await backend.clock.advance(30)
    assert said(here) == said(there) == ["a", "b", "c"]


async def test_a_lost_answer_is_asked_for_again_and_stored_once(backend: FakeBackend) -> None:
    room, here, _ = await jam(backend)
    backend.faults.lose_answers(2)
    sending = asyncio.create_task(here.send("once"))
    await backend.clock.advance(0.1)
    assert not sending.done()
    await backend.clock.advance(1)
    assert (await sending).content == "once"
    assert len([m for m in backend.room(room).rows if m.content == "once"]) == 1


async def test_a_write_whose_answers_are_all_lost_is_open(backend: FakeBackend) -> None:
    room, here, _ = await jam(backend)
    key = uuid4()
    backend.faults.lose_answers(1000)
    sending = asyncio.create_task(here.send("perhaps", message_id=key, timeout_s=5))
    await backend.clock.advance(5.1)
    with pytest.raises(OutcomeUnknownError) as unknown:
        await sending
    assert unknown.value.operation_id == key
    assert backend.room(room).messages[key].content == "perhaps"
    with pytest.raises(ConnectionLostError):
        await here.signal("typing")
    backend.faults.lose_answers(0)


async def test_a_database_that_is_away_is_waited_for(backend: FakeBackend) -> None:
    room, _, _ = await jam(backend)
    rooms = backend.user("ada").rooms
    backend.faults.database_is_down = True
    short = asyncio.create_task(rooms.insert_message(room.id, "short", timeout_s=3))
    long = asyncio.create_task(rooms.insert_message(room.id, "long", timeout_s=30))
    await backend.clock.advance(4)
    with pytest.raises(ConnectError):
        await short
    backend.faults.database_is_down = False
    await backend.clock.advance(3)
    assert (await long).content == "long"


async def test_leases_and_places(backend: FakeBackend) -> None:
    room, here, there = await jam(backend)
    rows = backend.room(room)
    rows.is_full = True
    with pytest.raises(RoomFullError):
        await backend.user("eve").join(room.room_code).__aenter__()
    rows.is_full = False
    rows.expire_leases(publish=False)
    backend.sweep()
    await backend.clock.advance(60)
    assert here.is_connected
    assert there.is_connected, "both have taken their places again"


async def test_users_and_replicas(backend: FakeBackend) -> None:
    room, here, _ = await jam(backend)
    assert backend.user("ada") is backend.user("ada")
    other = backend.replica("ada")
    assert other.user_id == backend.user("ada").user_id
    async with other.join(room.id) as session:
        assert session.connection_id != here.connection_id
        assert [p.display_name for p in session.participants if p.is_online] == ["ada", "bob"]
    assert here.is_connected
    with pytest.raises(UsageError, match="no user 'eve'"):
        backend.replica("eve")
    with pytest.raises(UsageError, match="a room or an invitation"):
        backend.user("ada").join()


async def test_time_of_ones_own_is_not_turned() -> None:
    async with FakeBackend(clock=SystemClock()) as backend:
        await backend.user("ada").rooms.create_room("Jam")
        with pytest.raises(UsageError, match="cannot turn the clock"):
            _ = backend.clock


async def test_the_same_seed_makes_the_same_ids() -> None:
    async def made() -> str:
        async with FakeBackend(seed=7) as backend:
            return (await backend.user("ada").rooms.create_room("Jam")).room_code

    assert await made() == await made()


async def test_it_closes_what_is_left_open_also_when_nobody_answers() -> None:
    async with FakeBackend() as backend:
        _, here, there = await jam(backend)
        backend.faults.database_is_down = True
    assert not here.is_connected
    assert not there.is_connected
