"""Sends: their order, what shares a request, and what is told when no answer comes."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from spaces_sdk.errors import (
    ConnectTimeoutError,
    InvalidRequestError,
    OutcomeUnknownError,
    PermissionDeniedError,
    SessionClosedError,
    UsageError,
)
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import RoomSession, SessionOptions
from spaces_sdk.testing.fake.refusals import refusal
from tests.support.clock import settle
from tests.support.fake_room import FakeApi
from tests.unit.session.conftest import World

pytestmark = pytest.mark.unit


def contents(world: World) -> list[str]:
    return [message.content for message in sorted(world.room.messages.values(), key=lambda m: m.seq)]


async def sending(session: RoomSession, *texts: str) -> list[asyncio.Task[object]]:
    tasks: list[asyncio.Task[object]] = []
    for text in texts:
        tasks.append(asyncio.create_task(session.send(text)))
        await asyncio.sleep(0)
    return tasks


async def test_one_send_is_one_call(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    message = await session.send("hello", metadata={"a": 1})
    assert (message.content, message.user_id) == ("hello", api.user_id)
    assert api.calls[-1] == "insert_message"


async def test_sends_that_queue_up_share_a_request_and_keep_their_order(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    gate = api.gate("insert_message")
    texts = [str(number) for number in range(120)]
    tasks = await sending(session, *texts)
    gate.set()
    await asyncio.gather(*tasks)
    assert contents(world) == texts
    assert [call for call in api.calls if call.startswith("insert")] == ["insert_message"] + ["insert_messages"] * 3


async def test_one_bad_send_of_a_request_fails_alone(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    gate = api.gate("insert_message")
    tasks = await sending(session, "a", "b", "", "c")
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["Message", "Message", "InvalidRequestError", "Message"]
    assert contents(world) == ["a", "b", "c"]


async def test_the_same_id_is_stored_once(world: World) -> None:
    session = await world.live()
    key = uuid4()
    first = await session.send("a", message_id=key)
    again = await session.send("a", message_id=key)
    assert first == again
    assert contents(world) == ["a"]


async def test_no_answer_in_time_is_an_open_outcome_with_the_id(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    api.gate("insert_message")
    key = uuid4()
    first = asyncio.create_task(session.send("a", message_id=key, timeout_s=2))
    await settle()
    second = asyncio.create_task(session.send("b", timeout_s=1))
    await world.clock.advance(1.5)
    with pytest.raises(ConnectTimeoutError) as waited:
        await second
    assert "not sent" in waited.value.message
    await world.clock.advance(1)
    with pytest.raises(OutcomeUnknownError) as caught:
        await first
    assert caught.value.operation_id == key


async def test_an_open_outcome_of_a_shared_request_names_each_id(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    keys = [uuid4() for _ in range(3)]
    api.failures["insert_messages"] = OutcomeUnknownError("cannot send: no answer", operation_id=uuid4())
    tasks = [asyncio.create_task(session.send("x", message_id=key)) for key in keys]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [r.operation_id for r in results if isinstance(r, OutcomeUnknownError)] == keys


async def test_a_cancelled_send_that_waits_is_not_sent(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    gate = api.gate("insert_message")
    tasks = await sending(session, "a", "b", "c")
    tasks[1].cancel()
    await settle()
    gate.set()
    await asyncio.wait(tasks)
    assert contents(world) == ["a", "c"]


async def test_a_cancelled_send_on_its_way_does_not_stop_the_others(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    gate = api.gate("insert_message")
    tasks = await sending(session, "a", "b")
    await settle()
    tasks[0].cancel()
    await settle()
    gate.set()
    await asyncio.wait(tasks)
    assert contents(world) == ["a", "b"]


async def test_the_queue_is_bounded(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api, options=SessionOptions(send_queue_size=2))
    gate = api.gate("insert_message")
    tasks = await sending(session, "a")
    await settle()
    tasks += await sending(session, "b", "c")
    with pytest.raises(UsageError) as caught:
        await session.send("d")
    assert caught.value.code == "send_queue_full"
    gate.set()
    await asyncio.gather(*tasks)


async def test_the_end_of_the_session_ends_its_sends(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    api.gate("insert_message")
    tasks = await sending(session, "a")
    await settle()
    tasks += await sending(session, "b")
    await session.aclose()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [OutcomeUnknownError, SessionClosedError]


async def test_sends_work_without_a_channel(world: World) -> None:
    api = FakeApi(world.room)
    session, reader = await world.watched(api=api)
    world.room.faults.realtime_is_down = True
    world.room.faults.close_channels(CloseReason.SOCKET_LOST)
    await world.clock.advance(6)
    assert not session.is_connected
    await session.send("by post")
    await world.clock.advance(6)
    assert "2* by post" in reader.told


async def test_what_the_database_refuses_is_raised(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    api.failures["insert_message"] = refusal("muted")
    with pytest.raises(PermissionDeniedError):
        await session.send("a")
    await session.send("b")
    assert contents(world) == ["b"]


@pytest.mark.parametrize("arguments", [{"message_type": "shout"}, {"metadata": "no object"}, {"reply_to": "no id"}])
async def test_what_no_message_can_be_is_refused_before_anything_is_sent(
    world: World, arguments: dict[str, object]
) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    calls = len(api.calls)
    with pytest.raises(InvalidRequestError):
        await session.send("a", **arguments)  # pyright: ignore[reportArgumentType]
    assert len(api.calls) == calls
