"""Messages that grow, on the real parts: who is there, who comes late and who was cut off read the same text."""

from __future__ import annotations

import asyncio

import pytest

from spaces_sdk.errors import ConflictError, PermissionDeniedError
from spaces_sdk.events import GapDetected, MessageChunk, MessageReceived, MessageUpdated, SignalKind, SignalReceived
from spaces_sdk.models import Message, MessageStatus, MessageType, Room
from spaces_sdk.session import MessageWriter
from tests.integration.people import WITHIN_S, LocalPeople, People, Visit
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

TOKENS = [f"{number} " for number in range(300)]


async def scene(people: People) -> tuple[Room, Visit, Visit, Visit]:
    """Ada's room, with Ada, Bob and a bot in it."""
    ada, bob = await people.person("Ada"), await people.person("Bob")
    bot = await people.person("Bot", is_bot=True)
    room = await ada.spaces.rooms.create_room("Live")
    return (
        room,
        await people.enter(ada, room),
        await people.enter(bob, room.room_code),
        await people.enter(bot, room.room_code),
    )


def text_of(visit: Visit, message: Message) -> str | None:
    found = visit.session.find_message(message.id)
    return None if found is None else found.content


def heard(visit: Visit, message: Message) -> str:
    """The text as the events told it, each part where the one before ended."""
    text = ""
    for event in visit.events:
        match event:
            case MessageReceived(message=row) | MessageUpdated(message=row) if row.id == message.id:
                text = row.content
            case MessageChunk() if event.message_id == message.id:
                assert event.offset <= len(text), "a hole"
                text = event.added_to(text)
            case _:
                pass
    return text


async def speak(out: MessageWriter, tokens: list[str], pause_s: float = 0.01) -> None:
    for token in tokens:
        await out.write(token)
        await asyncio.sleep(pause_s)


async def speak_and_be_heard(out: MessageWriter, tokens: list[str], visit: Visit) -> None:
    """In parts: what follows is written when somebody has heard what was."""
    for start in range(0, len(tokens), 25):
        await speak(out, tokens[start : start + 25])
        ends = tokens[: start + 25][-1]
        await eventually(
            lambda end=ends: heard(visit, out.message).endswith(end), WITHIN_S, what=lambda end=ends: f"…{end}"
        )


async def agree(visits: list[Visit], message: Message) -> None:
    """All hold that row, and their readers came to the same text."""
    for visit in visits:
        await eventually(
            lambda v=visit: v.session.find_message(message.id) == message and heard(v, message) == message.content,
            WITHIN_S,
            what=lambda v=visit: f"{message} for {v.user.name}: {v.session.find_message(message.id)}",
        )


async def test_who_comes_late_reads_the_same_text(people: People) -> None:
    room, ada, bob, bot = await scene(people)
    question = await ada.session.send("count!")
    late: list[Visit] = []
    async with bot.session.stream(reply_to=question.id, metadata={"model": "canned"}) as out:
        await speak_and_be_heard(out, TOKENS[:100], ada)
        late.append(await people.enter(await people.person("Eve"), room.room_code))
        seen = text_of(late[0], out.message)
        assert seen, "the beginning, from the join or the first sync"
        await speak_and_be_heard(out, TOKENS[100:200], ada)
        late.append(await people.enter(await people.person("Dan"), room.room_code))
        await speak(out, TOKENS[200:])
        out.metadata["finish_reason"] = "stop"
    message = out.message
    assert (message.content, message.status) == ("".join(TOKENS), MessageStatus.FINAL)
    assert message.metadata == {"model": "canned", "finish_reason": "stop"}
    await agree([ada, bob, bot], message)
    for visit in late:
        await eventually(
            lambda v=visit: v.session.find_message(message.id) == message, WITHIN_S, what="the whole message"
        )
    parts = ada.of(MessageChunk)
    assert len(parts) > 5
    assert not ada.of(GapDetected), "nothing was lost, so nothing was said to be"


async def test_who_is_cut_off_reads_the_same_text(local_people: LocalPeople) -> None:
    _, ada, bob, bot = await scene(local_people)
    async with bot.session.stream() as out:
        await speak(out, TOKENS[:50])
        await local_people.stack.stop_part("realtime")
        try:
            await speak(out, TOKENS[50:150])
        finally:
            await local_people.stack.start_part("realtime")
        await speak(out, TOKENS[150:], 0.03)
    await agree([ada, bob, bot], out.message)
    assert out.message.content == "".join(TOKENS)


@pytest.mark.parametrize("who", ["asker", "host"])
async def test_whoever_may_stops_it_within_one_part(people: People, who: str) -> None:
    room, ada, bob, bot = await scene(people)
    question = await bob.session.send("count!")
    stopper = bob if who == "asker" else ada
    outs: list[MessageWriter] = []

    async def answer() -> None:
        async with bot.session.stream(reply_to=question.id) as out:
            outs.append(out)
            while True:
                await out.write("more ")
                await asyncio.sleep(0.01)

    answering = asyncio.create_task(answer())
    part = await stopper.sees(MessageChunk)
    with pytest.raises(PermissionDeniedError):
        await (await people.enter(await people.person("Eve"), room.room_code)).session.stop_stream(part.message_id)
    stopped = await stopper.session.stop_stream(part.message_id)
    await asyncio.wait_for(answering, WITHIN_S)
    (out,) = outs
    assert out.is_stopped
    assert stopped.status is MessageStatus.STOPPED
    assert stopped.content
    await agree([ada, bob, bot], stopped)


async def test_a_writer_that_dies_leaves_a_stopped_message(local_people: LocalPeople) -> None:
    room, ada, _, bot = await scene(local_people)
    begun = await bot.user.spaces.rooms.begin_stream(room.id)
    await bot.user.spaces.rooms.append_stream(room.id, begun.message.id, 0, "so far")
    async with local_people.sql() as connection:
        await connection.execute(
            "update spaces.streams set expires_at = now() where message_id = %s", (begun.message.id,)
        )
    await local_people.enter(await local_people.person("Eve"), room.room_code)  # a join sweeps
    ended = await ada.sees(MessageUpdated)
    assert (ended.message.content, ended.message.status) == ("so far", MessageStatus.STOPPED)
    late = await bot.user.spaces.rooms.append_stream(room.id, begun.message.id, 6, "!")
    assert (late.status, late.length) == (MessageStatus.STOPPED, 6)


async def test_what_people_may_write_bit_by_bit(people: People) -> None:
    room, ada, bob, _ = await scene(people)
    with pytest.raises(PermissionDeniedError):
        async with bob.session.stream():
            pytest.fail("an answer is for bots")
    async with bob.session.stream(message_type=MessageType.USER_VOICE) as out:
        await out.write("um, hello")
    await agree([ada, bob], out.message)
    begun = await bob.user.spaces.rooms.begin_stream(room.id, message_type="user_text")
    with pytest.raises(ConflictError) as caught:
        await bob.user.spaces.rooms.append_stream(room.id, begun.message.id, 5, "x")
    assert "0 characters" in caught.value.message


async def test_typing_and_speaking(people: People) -> None:
    _, ada, bob, _ = await scene(people)
    assert await bob.session.typing()
    assert await bob.session.speaking()
    assert await bob.session.signal("my_app.cursor", {"x": 3}, ttl_s=1)
    for kind, ttl_s in ((SignalKind.TYPING, 5.0), (SignalKind.SPEAKING, 2.0), ("my_app.cursor", 1.0)):
        signal = await ada.sees(SignalReceived, lambda e, kind=kind: e.kind == kind)
        assert (signal.user_id, signal.ttl_s) == (bob.user.user_id, ttl_s)
