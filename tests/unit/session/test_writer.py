"""Writing a message bit by bit: how often it is sent, how it ends, and who else may end it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any
from uuid import UUID, uuid4

import pytest

from spaces_sdk.errors import (
    ConnectionLostError,
    InvalidRequestError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitedError,
    SessionClosedError,
    SpacesError,
    StreamStoppedError,
    UsageError,
)
from spaces_sdk.models import BegunStream, Message, MessageStatus
from spaces_sdk.session import MessageWriter, RoomSession
from spaces_sdk.testing.fake.refusals import refusal
from tests.support.clock import settle
from tests.support.fake_room import FakeApi
from tests.unit.session.conftest import World

pytestmark = pytest.mark.unit

LONGEST_S = 120.0
"""What nothing takes here by the world's clock; then it is cancelled."""

Body = Callable[[MessageWriter], Coroutine[Any, Any, None]]


async def write(world: World, session: RoomSession, body: Body, **arguments: Any) -> MessageWriter:
    """Write a message while the clock runs; the writer after its block."""
    out = session.stream(**arguments)

    async def run() -> None:
        async with out:
            await body(out)

    task = asyncio.create_task(run())
    for _ in range(int(LONGEST_S / 0.05)):
        if task.done():
            break
        await world.clock.advance(0.05)
    else:
        task.cancel()
    await task
    return out


def stored(world: World, out: MessageWriter) -> Message:
    return world.room.messages[out.message_id]


async def test_tokens_share_parts_the_first_goes_at_once_and_then_ten_a_second(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    started = world.clock.monotonic()

    async def body(out: MessageWriter) -> None:
        for number in range(100):
            await out.write(f"{number} ")
            await world.clock.sleep(0.01)

    question = world.room.post("count!")
    out = await write(world, session, body, reply_to=question.id, metadata={"model": "small"})
    whole = "".join(f"{number} " for number in range(100))
    message = stored(world, out)
    assert (message.content, message.status, message.reply_to) == (whole, MessageStatus.FINAL, question.id)
    assert out.message == message
    assert not out.is_stopped
    times = [at - started for at, _, _ in api.parts]
    assert times[0] < 0.02
    assert all(later - earlier >= 0.0999 for earlier, later in itertools.pairwise(times))
    assert 8 <= len(api.parts) <= 11
    assert api.calls.count("finish_stream") == 1


async def test_a_full_room_is_told_less_often(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    for number in range(30):
        world.room.bring(f"guest {number}")
    await settle()

    async def body(out: MessageWriter) -> None:
        for _ in range(100):
            await out.write("x")
            await world.clock.sleep(0.02)

    await write(world, session, body)
    listeners = sum(participant.is_online for participant in session.participants)
    assert listeners > 30
    pause_s = (listeners + 1) / 80
    times = [at for at, _, _ in api.parts]
    assert all(later - earlier >= pause_s - 1e-6 for earlier, later in itertools.pairwise(times))


async def test_a_long_text_goes_in_parts_that_the_database_takes(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    text = "0123456789" * 4_500

    async def body(out: MessageWriter) -> None:
        await out.write(text)
        assert out.length == len(text)
        await out.write("!")

    out = await write(world, session, body)
    assert stored(world, out).content == text + "!"
    assert max(len(part) for _, _, part in api.parts) == 8_000
    assert [offset for _, offset, _ in api.parts] == list(range(0, 40_000, 8_000))


async def test_the_writers_metadata_goes_with_the_end(world: World) -> None:
    session = await world.live()

    async def body(out: MessageWriter) -> None:
        await out.write("done")
        out.metadata["finish_reason"] = "stop"

    assert stored(world, await write(world, session, body)).metadata == {"finish_reason": "stop"}


async def test_nothing_written_is_stopped(world: World) -> None:
    session = await world.live()

    async def body(out: MessageWriter) -> None:
        await out.write("")

    out = await write(world, session, body)
    assert (stored(world, out).status, out.is_stopped) == (MessageStatus.STOPPED, True)


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnknownError("cannot go on: no answer", operation_id=uuid4()),
        ConnectionLostError("cannot go on: cut"),
        RateLimitedError("cannot go on: too many", retry_after_s=1.5),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("is_carried_out", [True, False])
async def test_a_part_without_an_answer_is_sent_again_and_stored_once(
    world: World, error: SpacesError, is_carried_out: bool
) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)

    async def body(out: MessageWriter) -> None:
        for number in range(10):
            if number == 3:
                (api.lost_answers if is_carried_out else api.failures)["append_stream"] = error
            await out.write(str(number))
            await world.clock.sleep(0.2)

    out = await write(world, session, body)
    assert (stored(world, out).content, stored(world, out).status) == ("0123456789", MessageStatus.FINAL)


async def test_an_end_without_an_answer_is_sent_again(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)

    async def body(out: MessageWriter) -> None:
        await out.write("done")
        api.failures["finish_stream"] = OutcomeUnknownError("cannot finish: no answer", operation_id=uuid4())

    out = await write(world, session, body)
    assert stored(world, out).status is MessageStatus.FINAL


async def test_no_answer_for_too_long_is_an_error(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)

    async def body(out: MessageWriter) -> None:
        api.down = ConnectionLostError("cannot go on: cut")
        while True:
            await out.write("x")
            await world.clock.sleep(1)

    with pytest.raises(ConnectionLostError):
        await write(world, session, body, timeout_s=5)
    api.down = None


@pytest.mark.parametrize("has_channel", [True, False])
async def test_when_somebody_stops_it_the_block_ends_and_what_follows_goes_on(world: World, has_channel: bool) -> None:
    session = await world.live()
    if not has_channel:
        world.room.faults.lose(1000)
    written: list[int] = []

    async def body(out: MessageWriter) -> None:
        for number in range(1000):
            await out.write(f"{number} ")
            written.append(number)
            await world.clock.sleep(0.05)
            if number == 20:
                world.room.finish(out.message_id, MessageStatus.STOPPED)
        pytest.fail("it should have ended")

    out = await write(world, session, body)
    world.room.faults.lose(0)
    assert out.is_stopped
    assert out.message == stored(world, out)
    assert out.message.status is MessageStatus.STOPPED
    assert len(written) <= 20 + 5, "within one part"


async def test_a_model_that_hangs_is_cancelled_with_its_message(world: World) -> None:
    session = await world.live()
    ended: list[str] = []

    async def watch(out: MessageWriter) -> None:
        await out.wait_ended()
        ended.append("told")

    async def body(out: MessageWriter) -> None:
        await out.write("Well")
        watching = asyncio.create_task(watch(out))
        await world.clock.sleep(0.5)
        world.room.finish(out.message_id, MessageStatus.STOPPED)
        stopped_at = world.clock.monotonic()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
            await watching
            assert world.clock.monotonic() - stopped_at < 0.1, "it was told, and did not have to ask"

    out = await write(world, session, body)
    assert (stored(world, out).content, out.is_stopped) == ("Well", True)
    assert sorted(ended) == ["cancelled", "told"]


async def test_one_that_is_ended_already_is_cancelled_at_its_first_wait(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    begun = world.room.begin(user_id=api.user_id)
    world.room.finish(begun.id, MessageStatus.STOPPED)

    async def body(out: MessageWriter) -> None:
        with pytest.raises(StreamStoppedError):
            await out.write("Well")
        await asyncio.Event().wait()

    out = await write(world, session, body, message_id=begun.id)
    assert (stored(world, out).content, out.is_stopped) == ("", True)


async def test_who_cancels_the_block_besides_is_heard(world: World) -> None:
    session = await world.live()
    out, is_cut = session.stream(), asyncio.Event()

    async def run() -> None:
        async with out:
            try:
                await asyncio.Event().wait()
            finally:
                is_cut.set()
                await asyncio.Event().wait()
        pytest.fail("the cancellation was lost")

    task = asyncio.create_task(run())
    await world.clock.advance(1)
    world.room.finish(out.message_id, MessageStatus.STOPPED)
    await is_cut.wait()
    task.cancel()
    await settle()
    assert task.cancelled()


async def test_a_failure_ends_a_model_that_hangs(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)

    async def body(out: MessageWriter) -> None:
        api.failures["append_stream"] = refusal("muted")
        await out.write("x")
        await asyncio.Event().wait()

    with pytest.raises(PermissionDeniedError):
        await write(world, session, body)


async def test_a_model_that_hangs_keeps_its_message_open(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)

    async def body(out: MessageWriter) -> None:
        await out.write("Well")
        await world.clock.sleep(35)
        await out.write(" …")

    await write(world, session, body)
    assert [text for _, _, text in api.parts[:4]] == ["Well", "", "", ""]
    gaps = [later[0] - earlier[0] for earlier, later in zip(api.parts, api.parts[1:], strict=False)]
    assert max(gaps) < world.room.config.stream_lease_s / 2


async def test_an_error_in_the_block_stops_the_message_and_goes_on(world: World) -> None:
    session = await world.live()
    outs: list[MessageWriter] = []

    async def body(out: MessageWriter) -> None:
        outs.append(out)
        await out.write("so far")
        await world.clock.sleep(0.5)
        raise LookupError("the model is gone")

    with pytest.raises(LookupError):
        await write(world, session, body)
    assert (stored(world, outs[0]).content, stored(world, outs[0]).status) == ("so far", MessageStatus.STOPPED)


async def test_a_cancellation_stops_the_message(world: World) -> None:
    session = await world.live()
    out = session.stream()

    async def run() -> None:
        async with out:
            await out.write("so far")
            await world.clock.sleep(60)

    task = asyncio.create_task(run())
    await world.clock.advance(1)
    task.cancel()
    await settle()
    assert task.cancelled()
    assert (stored(world, out).content, stored(world, out).status) == ("so far", MessageStatus.STOPPED)


async def test_a_cancellation_while_the_rest_is_sent_stops_the_message(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    api.gate("finish_stream")
    out = session.stream()

    async def run() -> None:
        async with out:
            await out.write("so far")
            await world.clock.sleep(1)

    task = asyncio.create_task(run())
    await world.clock.advance(2)
    task.cancel()
    await settle()
    assert task.cancelled()
    assert stored(world, out).status is MessageStatus.STOPPED


async def test_a_cancelled_beginning_leaves_no_open_message(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    out = session.stream()
    task = asyncio.create_task(out.__aenter__())
    gate = api.gate("begin_stream")
    await settle()
    world.room.begin(user_id=api.user_id, message_id=out.message_id)  # it was carried out
    task.cancel()
    await settle()
    gate.set()
    assert stored(world, out).status is MessageStatus.STOPPED


@pytest.mark.parametrize("is_told", [True, False])
async def test_who_is_removed_while_writing_hears_so(world: World, is_told: bool) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    outs: list[MessageWriter] = []

    async def body(out: MessageWriter) -> None:
        outs.append(out)
        await out.write("so far")
        await world.clock.sleep(0.5)
        world.room.faults.lose(0 if is_told else 3)
        world.room.kick(api.user_id)
        for _ in range(100):
            await out.write("x")
            await world.clock.sleep(0.05)

    refused = pytest.raises((PermissionDeniedError, SessionClosedError))
    with nullcontext() if is_told else refused:  # told, the block ends with the message
        await write(world, session, body)
    assert stored(world, outs[0]).status is MessageStatus.STOPPED


async def test_the_end_of_the_session_ends_its_messages(world: World) -> None:
    session = await world.live()
    outs: list[MessageWriter] = []

    async def body(out: MessageWriter) -> None:
        outs.append(out)
        await out.write("so far")
        await world.clock.sleep(0.5)
        await session.aclose()
        await out.write(" and on")

    with pytest.raises(SessionClosedError):
        await write(world, session, body)
    assert (stored(world, outs[0]).content, stored(world, outs[0]).status) == ("so far", MessageStatus.STOPPED)


async def test_what_cannot_be_written_is_refused_and_the_rest_stays(world: World) -> None:
    session = await world.live()

    async def body(out: MessageWriter) -> None:
        await out.write("x" * 150_000)
        for text in ("y" * 50_001, "\x00", "\ud800"):
            with pytest.raises(InvalidRequestError):
                await out.write(text)
        await out.write("y" * 50_000)

    out = await write(world, session, body)
    assert stored(world, out).content == "x" * 150_000 + "y" * 50_000
    with pytest.raises(UsageError):
        await out.write("more")
    with pytest.raises(UsageError):
        await out.__aenter__()
    with pytest.raises(InvalidRequestError):
        session.stream(message_type="shout")


@pytest.mark.parametrize("is_carried_out", [True, False])
@pytest.mark.parametrize("is_over_the_limit", [True, False])
async def test_a_beginning_without_an_answer_is_tried_again_and_made_once(
    world: World, is_over_the_limit: bool, is_carried_out: bool
) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    error = (
        RateLimitedError("cannot begin: too many", retry_after_s=1.5)
        if is_over_the_limit
        else OutcomeUnknownError("cannot begin: no answer", operation_id=uuid4())
    )
    (api.lost_answers if is_carried_out else api.failures)["begin_stream"] = error

    async def body(out: MessageWriter) -> None:
        await out.write("Well")

    out = await write(world, session, body)
    assert (stored(world, out).content, stored(world, out).status) == ("Well", MessageStatus.FINAL)
    assert api.calls.count("begin_stream") == 2


async def test_a_beginning_that_is_given_up_leaves_no_open_message(world: World) -> None:
    class LosingApi(FakeApi):
        async def begin_stream(self, room_id: UUID | str, **arguments: Any) -> BegunStream:
            await super().begin_stream(room_id, **arguments)
            raise OutcomeUnknownError("cannot begin: no answer", operation_id=uuid4())

    session = await world.live(api=LosingApi(world.room))
    out = session.stream(timeout_s=5)

    async def begin() -> None:
        with pytest.raises(OutcomeUnknownError):
            await out.__aenter__()

    task = asyncio.create_task(begin())
    while not task.done():
        await world.clock.advance(0.5)
    await task
    assert stored(world, out).status is MessageStatus.STOPPED


async def test_a_refused_beginning_is_raised(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    api.failures["begin_stream"] = refusal("muted")
    out = session.stream()
    with pytest.raises(PermissionDeniedError):
        await out.__aenter__()
    with pytest.raises(UsageError):
        _ = out.message


async def test_anybodys_message_is_stopped_by_its_id(world: World) -> None:
    session = await world.live(api=FakeApi(world.room, user_id=world.room.host))
    message = world.room.begin(user_id=world.room.bring("Carol"))
    world.room.append(message.id, 0, "so far")
    assert (await session.stop_stream(message.id)).status is MessageStatus.STOPPED


async def test_flush_returns_when_all_is_stored(world: World) -> None:
    session = await world.live()
    kept: list[str] = []

    async def body(out: MessageWriter) -> None:
        await out.flush()
        await out.write("one")
        await out.write(" two" * 3000)
        await out.flush()
        kept.append(stored(world, out).content)
        raise KeyError

    with pytest.raises(KeyError):
        await write(world, session, body)
    assert kept == ["one" + " two" * 3000]


async def test_flush_says_why_it_cannot(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)

    async def body(out: MessageWriter) -> None:
        api.failures["append_stream"] = refusal("muted")
        await out.write("one")
        await out.flush()

    with pytest.raises(PermissionDeniedError, match="muted"):
        await write(world, session, body)
