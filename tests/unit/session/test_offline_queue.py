"""`queue_while_offline`: sends that wait for the database, in order, in sight, and within a bound."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from spaces_sdk.errors import (
    ConnectError,
    OutcomeUnknownError,
    RateLimitedError,
    SendCancelledError,
    SendQueueFullError,
    SessionClosedError,
    SpacesError,
)
from spaces_sdk.events import ConnectionState
from spaces_sdk.models import Message
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import RoomSession, SessionOptions
from spaces_sdk.testing.fake.refusals import refusal
from tests.support.clock import settle
from tests.support.fake_room import FakeApi
from tests.unit.session.conftest import World

pytestmark = pytest.mark.unit

QUEUEING = SessionOptions(queue_while_offline=True)
DOWN = ConnectError("cannot reach the database")
Sends = list[asyncio.Task[Message]]


def contents(world: World) -> list[str]:
    return [message.content for message in sorted(world.room.messages.values(), key=lambda m: m.seq)]


def sends_of(api: FakeApi) -> list[str]:
    return [call for call in api.calls if call.startswith("insert")]


async def sending(session: RoomSession, *texts: str, timeout_s: float = 10.0) -> Sends:
    tasks = [asyncio.create_task(session.send(text, timeout_s=timeout_s)) for text in texts]
    await settle()
    return tasks


async def outage(world: World, api: FakeApi) -> None:
    """The network is gone."""
    api.down, world.room.faults.realtime_is_down = DOWN, True
    world.room.faults.close_channels(CloseReason.SOCKET_LOST)
    await settle()


async def back(world: World, api: FakeApi) -> None:
    api.down, world.room.faults.realtime_is_down = None, False
    await world.clock.advance(10)


async def queueing(world: World, options: SessionOptions = QUEUEING) -> tuple[RoomSession, FakeApi]:
    api = FakeApi(world.room)
    return await world.live(api=api, options=options), api


async def outcomes(tasks: Sends) -> list[str]:
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [result.content if isinstance(result, Message) else type(result).__name__ for result in results]


async def test_sends_wait_for_the_database_and_go_in_order(world: World) -> None:
    session, api = await queueing(world)
    await outage(world, api)
    tasks = await sending(session, "a", "b", "c")
    await world.clock.advance(120)  # far over their timeout, which stands still
    assert not session.is_connected
    assert (sends_of(api), any(task.done() for task in tasks)) == ([], False)
    await back(world, api)
    assert await outcomes(tasks) == ["a", "b", "c"] == contents(world)
    assert sends_of(api) == ["insert_messages"]
    assert (session.stats.sends, session.stats.send_requests, session.pending) == (3, 1, [])


async def test_without_it_a_send_fails_as_long_as_the_database_is_away(world: World) -> None:
    session, api = await queueing(world, SessionOptions())
    await outage(world, api)
    assert await outcomes(await sending(session, "a")) == ["ConnectError"]


async def test_a_session_that_lives_by_polling_sends(world: World) -> None:
    session, _ = await queueing(world)
    world.room.faults.realtime_is_down = True
    world.room.faults.close_channels(CloseReason.SOCKET_LOST)
    await world.clock.advance(6)
    assert session.connection_state is ConnectionState.DEGRADED
    assert await outcomes(await sending(session, "a")) == ["a"]


async def test_what_waits_is_seen_and_can_be_taken_back(world: World) -> None:
    session, api = await queueing(world)
    await outage(world, api)
    began = world.clock.now()
    tasks = await sending(session, "a", "b")
    await world.clock.advance(5)
    tasks += await sending(session, "c")
    first, second, third = session.pending
    assert [each.content for each in (first, second, third)] == ["a", "b", "c"]
    assert [each.since - began for each in (first, third)] == [timedelta(0), timedelta(seconds=5)]
    assert not second.is_on_its_way
    assert (second.cancel(), second.cancel()) == (True, False)
    await settle()
    with pytest.raises(SendCancelledError):
        await tasks[1]
    await back(world, api)
    assert await outcomes(tasks) == ["a", "SendCancelledError", "c"]
    assert set(world.room.messages) == {first.id, third.id}
    assert not first.cancel()


async def test_what_is_on_its_way_cannot_be_taken_back(world: World) -> None:
    session, api = await queueing(world, SessionOptions())
    gate = api.gate("insert_message")
    tasks = await sending(session, "a") + await sending(session, "b")
    on_its_way, waiting = session.pending
    assert (on_its_way.is_on_its_way, waiting.is_on_its_way) == (True, False)
    assert (on_its_way.cancel(), waiting.cancel()) == (False, True)
    gate.set()
    assert await outcomes(tasks) == ["a", "SendCancelledError"]


async def test_one_whose_caller_has_gone_is_not_sent(world: World) -> None:
    session, api = await queueing(world)
    await outage(world, api)
    tasks = await sending(session, "a", "b")
    tasks[0].cancel()
    await settle()
    assert [each.content for each in session.pending] == ["b"]
    await back(world, api)
    assert contents(world) == ["b"]


async def test_the_bound_is_told(world: World) -> None:
    session, api = await queueing(world, SessionOptions(queue_while_offline=True, send_queue_size=2))
    await outage(world, api)
    tasks = await sending(session, "a", "b")
    with pytest.raises(SendQueueFullError) as caught:
        await session.send("c")
    assert (caught.value.code, caught.value.retryable) == ("send_queue_full", True)
    await back(world, api)
    assert await outcomes(tasks) == ["a", "b"]


async def test_one_whose_answer_was_lost_with_the_network_is_stored_once(world: World) -> None:
    session, api = await queueing(world)
    key = uuid4()
    gate = api.gate("insert_message")
    api.lost_answers["insert_message"] = OutcomeUnknownError("cannot send: no answer", operation_id=key)
    tasks = [asyncio.create_task(session.send("a", message_id=key))]
    await settle()
    tasks += await sending(session, "b")
    await outage(world, api)
    api.down = None
    gate.set()
    await settle()
    api.down = DOWN
    assert contents(world) == ["a"]
    assert next((each.id, each.is_on_its_way) for each in session.pending) == (key, False)
    await world.clock.advance(60)
    await back(world, api)
    assert await outcomes(tasks) == ["a", "b"] == contents(world)


async def test_one_that_may_be_stored_is_never_said_not_to_be(world: World) -> None:
    session, api = await queueing(world)
    gate = api.gate("insert_message")
    api.lost_answers["insert_message"] = OutcomeUnknownError("cannot send: no answer", operation_id=uuid4())
    tasks = await sending(session, "a")
    await outage(world, api)
    api.down = None
    gate.set()
    await settle()
    api.failures["insert_message"] = DOWN
    await back(world, api)
    assert contents(world) == ["a"]
    assert await outcomes(tasks) == ["OutcomeUnknownError"]


async def test_an_answer_that_was_lost_while_live_is_an_open_outcome(world: World) -> None:
    session, api = await queueing(world)
    api.lost_answers["insert_message"] = OutcomeUnknownError("cannot send: no answer", operation_id=uuid4())
    assert await outcomes(await sending(session, "a")) == ["OutcomeUnknownError"]


@pytest.mark.parametrize("way", ["leave", "kick"])
async def test_at_the_end_of_the_session_each_is_told(world: World, way: str) -> None:
    session, api = await queueing(world)
    gate = api.gate("insert_message")
    api.lost_answers["insert_message"] = OutcomeUnknownError("cannot send: no answer", operation_id=uuid4())
    tasks = await sending(session, "a") + await sending(session, "b")
    await outage(world, api)
    api.down = None
    gate.set()
    await settle()
    assert len(session.pending) == 2
    if way == "leave":
        await session.aclose()
    else:
        world.room.kick(api.user_id)
        await world.clock.advance(10)
    assert await outcomes(tasks) == ["OutcomeUnknownError", "SessionClosedError"]
    assert session.pending == []
    with pytest.raises(SessionClosedError):
        await session.send("c")


async def test_the_limit_of_messages_makes_them_wait(world: World) -> None:
    session, api = await queueing(world)
    api.tokens = 20
    await outage(world, api)
    texts = [str(number) for number in range(60)]
    tasks = await sending(session, *texts)
    await back(world, api)
    for _ in range(20):
        api.tokens += 5
        await world.clock.advance(1)
    assert await outcomes(tasks) == texts == contents(world)
    assert session.stats.send_requests <= 30  # most of them while nothing was let through


async def test_an_outage_in_a_pause_of_the_limit_holds_the_rest(world: World) -> None:
    session, api = await queueing(world)
    api.tokens = 0
    tasks = await sending(session, "a", "b", timeout_s=3)
    await outage(world, api)
    await world.clock.advance(30)
    api.tokens = 2
    assert len(session.pending) == 2
    await back(world, api)
    assert await outcomes(tasks) == ["a", "b"] == contents(world)


async def test_without_it_the_limit_is_raised_for_each_alone(world: World) -> None:
    session, api = await queueing(world, SessionOptions())
    gate = api.gate("insert_message")
    api.tokens = 2
    tasks = await sending(session, "a") + await sending(session, "b", "c", "d")
    gate.set()
    assert await outcomes(tasks) == ["a", "b", "RateLimitedError", "RateLimitedError"]
    error = tasks[2].exception()
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s > 0


async def test_a_refusal_is_raised_for_its_caller_only(world: World) -> None:
    session, api = await queueing(world)
    await outage(world, api)
    tasks = await sending(session, "a", "", "c")
    await back(world, api)
    assert await outcomes(tasks) == ["a", "InvalidRequestError", "c"]


async def test_the_deadline_runs_on_where_it_stood(world: World) -> None:
    session, api = await queueing(world)
    await outage(world, api)
    tasks = await sending(session, "a", "b", timeout_s=3)
    api.gate("insert_messages")
    await back(world, api)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    ids: list[UUID] = [result.operation_id for result in results if isinstance(result, OutcomeUnknownError)]
    assert len(ids) == 2
    await session.aclose()


async def test_two_sends_at_once_with_one_id_are_one_message(world: World) -> None:
    session, api = await queueing(world, SessionOptions())
    gate, key = api.gate("insert_message"), uuid4()
    tasks = await sending(session, "first")
    tasks += [asyncio.create_task(session.send("twin", message_id=key)) for _ in range(2)]
    tasks += await sending(session, "last")
    gate.set()
    assert await outcomes(tasks) == ["first", "twin", "twin", "last"]
    assert contents(world) == ["first", "twin", "last"]


@pytest.mark.parametrize("error", [refusal("muted"), refusal("kicked")])
async def test_what_would_not_help_is_not_repeated(world: World, error: SpacesError) -> None:
    session, api = await queueing(world)
    api.failures["insert_message"] = error
    assert await outcomes(await sending(session, "a")) == ["PermissionDeniedError"]
    assert sends_of(api) == ["insert_message"]
