"""Messages that grow, as those see them who listen: no hole, no repetition, the same text for all."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces_sdk.events import GapDetected, GapReason, MessageChunk, MessageReceived, MessageUpdated, RoomJoined
from spaces_sdk.models import Message, MessageStatus, SyncPage
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import RoomSession, SessionOptions
from tests.support.clock import settle
from tests.support.fake_room import FakeApi, LooseRoom
from tests.unit.session.conftest import Reader, SleepyClock, World

pytestmark = pytest.mark.unit


def text_of(session: RoomSession, message_id: UUID) -> str:
    message = session.find_message(message_id)
    assert message is not None
    return message.content


def chunks(reader: Reader) -> list[tuple[int, str]]:
    return [(event.offset, event.text) for event in reader.events if isinstance(event, MessageChunk)]


def gaps(reader: Reader) -> list[GapReason]:
    return [event.reason for event in reader.events if isinstance(event, GapDetected)]


def heard(reader: Reader, message_id: UUID) -> str:
    """The text of a message for somebody who has nothing but the events; each part must follow the one before."""
    text, is_known = "", False
    for event in reader.events:
        match event:
            case RoomJoined(messages=messages):
                for message in messages:
                    if message.id == message_id:
                        text, is_known = message.content, True
            case MessageReceived(message=message) | MessageUpdated(message=message) if message.id == message_id:
                text, is_known = message.content, True
            case MessageChunk() if event.message_id == message_id:
                assert is_known, "a part before its message"
                assert event.offset == len(text), "a hole or a repetition"
                text = event.added_to(text)
            case _:
                pass
    return text


async def test_a_listener_sees_it_grow(world: World) -> None:
    session, reader = await world.watched()
    message = world.room.begin()
    world.room.append(message.id, 0, "Hel")
    world.room.append(message.id, 3, "lo 🌍")
    world.room.append(message.id, 3, "lo 🌍")
    await settle()
    assert text_of(session, message.id) == "Hello 🌍"
    assert session.messages[-1].status is MessageStatus.STREAMING
    assert chunks(reader) == [(0, "Hel"), (3, "lo 🌍")]
    world.room.finish(message.id, text="!", metadata={"finish_reason": "stop"})
    await settle()
    final = session.find_message(message.id)
    assert final is not None
    assert (final.content, final.status, final.metadata) == (
        "Hello 🌍!",
        MessageStatus.FINAL,
        {"finish_reason": "stop"},
    )
    assert gaps(reader) == []


async def test_what_comes_twice_is_told_once(world: World) -> None:
    session, reader = await world.watched()
    message = world.room.begin()
    world.room.faults.double(3)
    for number in range(3):
        world.room.append(message.id, number, "abc"[number])
    await settle()
    assert chunks(reader) == [(0, "a"), (1, "b"), (2, "c")]
    assert text_of(session, message.id) == "abc"


async def test_a_part_that_is_lost_is_fetched_when_the_next_one_shows_it(world: World) -> None:
    session, reader = await world.watched()
    message = world.room.begin()
    world.room.append(message.id, 0, "one ")
    world.room.faults.lose(1)
    world.room.append(message.id, 4, "two ")
    await settle()
    assert text_of(session, message.id) == "one "
    world.room.append(message.id, 8, "three")
    await world.clock.advance(1)
    assert text_of(session, message.id) == "one two three"
    assert gaps(reader) == [GapReason.CHUNK_MISSING]
    assert heard(reader, message.id) == "one two three"
    assert session.is_connected


class SlowApi(FakeApi):
    """Its answers to a sync are as old as the question."""

    async def sync_room(self, room_id: UUID | str, after: int, **arguments: Any) -> SyncPage:
        page = self.room.sync(after, arguments["to"], arguments["cursor"])
        await super().sync_room(room_id, after, **arguments)
        return page


async def test_a_part_that_is_lost_while_the_gap_is_mended_is_fetched_too(world: World) -> None:
    api = SlowApi(world.room)
    session, reader = await world.watched(api=api)
    message = world.room.begin()
    world.room.faults.lose(1)
    world.room.append(message.id, 0, "a")
    gate = api.gate("sync_room")
    world.room.append(message.id, 1, "b")
    await settle()
    world.room.faults.lose(1)
    world.room.append(message.id, 2, "c")
    world.room.append(message.id, 3, "d")
    await settle()
    assert text_of(session, message.id) == ""
    gate.set()
    await world.clock.advance(1)
    assert text_of(session, message.id) == "abcd"
    assert heard(reader, message.id) == "abcd"
    assert session.is_connected


async def test_parts_that_overtake_their_message_wait_for_it(world: World) -> None:
    session, reader = await world.watched()
    world.room.faults.hold()
    message = world.room.begin()
    world.room.append(message.id, 0, "one ")
    world.room.append(message.id, 4, "two")
    world.room.faults.release(reverse=True)
    await world.clock.advance(2)
    assert text_of(session, message.id) == "one two"
    assert heard(reader, message.id) == "one two"
    assert session.is_connected


async def test_a_part_of_a_message_that_is_no_longer_kept_is_nobodys_gap(world: World) -> None:
    api = FakeApi(world.room)
    session, reader = await world.watched(api=api, options=SessionOptions(message_count=3))
    message = world.room.begin()
    for number in range(5):
        world.room.post(str(number))
    await settle()
    calls = len(api.calls)
    world.room.append(message.id, 0, "long ago")
    await settle()
    assert session.find_message(message.id) is None
    assert (gaps(reader), api.calls[calls:]) == ([], [])


async def test_who_comes_late_has_the_beginning_and_then_the_rest(world: World) -> None:
    message = world.room.begin()
    world.room.append(message.id, 0, "one ")
    api = FakeApi(world.room)
    gate = api.gate("sync_room")
    session = world.session(api=api)
    task = asyncio.create_task(session.__aenter__())
    await settle()
    world.room.append(message.id, 4, "two ")  # after the join's answer; perhaps before the channel
    gate.set()
    await world.clock.advance(1)
    await task
    reader = world.read(session)
    world.room.append(message.id, 8, "three")
    await settle()
    assert text_of(session, message.id) == "one two three"
    assert heard(reader, message.id) == "one two three"


async def test_without_a_channel_it_grows_with_each_poll(world: World) -> None:
    session, reader = await world.watched()
    message = world.room.begin()
    world.room.append(message.id, 0, "one ")
    await settle()
    world.room.faults.realtime_is_down = True
    world.room.faults.close_channels(CloseReason.SOCKET_LOST)
    await world.clock.advance(1)
    world.room.append(message.id, 4, "two ")
    await world.clock.advance(10)
    assert text_of(session, message.id) == "one two "
    world.room.faults.realtime_is_down = False
    world.room.append(message.id, 8, "three")
    await world.clock.advance(10)
    assert session.is_connected
    assert heard(reader, message.id) == text_of(session, message.id) == "one two three"


async def test_a_reader_that_fell_behind_gets_all_of_it(world: World) -> None:
    session = await world.live(options=SessionOptions(buffer_size=16))
    message = world.room.begin()
    for number in range(40):
        world.room.append(message.id, number, str(number % 10))
        await settle()
    reader = world.read(session)
    await world.clock.advance(1)
    text = ""
    for event in reader.events:
        match event:
            case MessageReceived(message=row):
                text = row.content
            case MessageChunk():
                text = event.added_to(text)
            case _:
                pass
    assert text == text_of(session, message.id) == "0123456789" * 4


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(0, 40), min_size=1, max_size=40))
async def test_whatever_the_wire_does_all_end_with_the_same_text(seed: int, sizes: list[int]) -> None:
    random = Random(seed)  # noqa: S311
    clock = SleepyClock()
    room = LooseRoom(clock, page_rows=random.choice([1, 3, 200]))
    world = World(clock, room)
    try:
        first, reader = await world.watched()
        messages = [room.begin() for _ in range(random.choice([1, 1, 2, 3]))]
        wholes = {message.id: "" for message in messages}
        for number, size in enumerate(sizes):
            _disturb(room, random)
            message_id = random.choice(messages).id
            part = "".join(random.choice("abcé🌍 \n") for _ in range(size))
            offset = len(wholes[message_id])
            again = random.randint(0, offset)
            wholes[message_id] += part
            room.append(message_id, offset, part)
            if random.random() < 0.3:
                room.append(message_id, again, wholes[message_id][again:])
            if random.random() < 0.1:
                room.post(f"{number}")
            if random.random() < 0.1:
                room.faults.close_channels(CloseReason.SOCKET_LOST)
            if random.random() < 0.1 and len(world.sessions) < 4:
                _calm(room)
                await world.live()
            await clock.advance(random.choice([0, 0, 0.1, 2]))
        _calm(room)
        for message_id in wholes:  # the next part shows what was lost
            wholes[message_id] += "."
            room.append(message_id, len(wholes[message_id]) - 1, ".")
        room.post("the end")
        await clock.advance(10)
        for session in world.sessions:
            assert {message_id: text_of(session, message_id) for message_id in wholes} == wholes
        assert {message_id: heard(reader, message_id) for message_id in wholes} == wholes
        ended: list[Message] = [room.finish(message_id, text="!") for message_id in wholes]
        await clock.advance(5)
        for session in world.sessions:
            assert [session.find_message(message.id) for message in ended] == ended
        assert first.is_connected
    finally:
        await world.end()


def _disturb(room: LooseRoom, random: Random) -> None:
    match random.choice(["", "", "", "lose", "double", "hold", "release", "mix"]):
        case "lose":
            room.faults.lose(random.randint(1, 3))
        case "double":
            room.faults.double(random.randint(1, 3))
        case "hold":
            room.faults.hold()
        case "release":
            room.faults.release()
        case "mix":
            room.faults.release(reverse=True)
        case _:
            pass


def _calm(room: LooseRoom) -> None:
    room.faults.lose(0)
    room.faults.double(0)
    room.faults.release()
