"""Answers of a model on the real parts: an OpenAI-compatible server on loopback, the `openai` package, and a stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from spaces_sdk import Bot, Context, Message, ModelError, OpenAIModel
from spaces_sdk.events import MessageChunk, MessageReceived, MessageUpdated, ParticipantJoined, StateUpdated
from spaces_sdk.models import MessageStatus
from tests.integration.people import People, Visit
from tests.support.eventually import eventually
from tests.support.openai_server import Exchange, OpenAIServer, saying

pytestmark = pytest.mark.integration

WITHIN_S = 90.0


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer().running() as server:
        yield server


@asynccontextmanager
async def answering(people: People, server: OpenAIServer, errors: list[Exception]) -> AsyncGenerator[Visit]:
    """Ada in a room whose bot answers with a model of the server."""
    bot = Bot("Bea")
    async with OpenAIModel("small", server.url, "sk-test") as model:

        @bot.on_turn
        async def talk(ctx: Context) -> None:
            await ctx.answer(model)

        @bot.on_error
        async def failed(ctx: Context, error: Exception) -> None:
            errors.append(error)

        ada, account = await people.person("Ada"), await people.person("Bea", is_bot=True)
        room = await ada.spaces.rooms.create_room("Talk", mode="playful")
        visit = await people.enter(ada, room)
        task = asyncio.create_task(bot.start(account.spaces, room.room_code))
        await visit.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea")
        try:
            yield visit
        finally:
            task.cancel()
            await asyncio.wait({task})


async def ended(visit: Visit, question: Message) -> Message:
    """What became of the answer to it."""
    update = await visit.sees(
        MessageUpdated,
        lambda e: e.message.reply_to == question.id and e.message.status is not MessageStatus.STREAMING,
        within_s=WITHIN_S,
    )
    return update.message


async def test_the_hosts_change_of_mode_changes_the_next_answer(people: People, server: OpenAIServer) -> None:
    server.replies(saying("Ha", ", ha.", usage={"prompt_tokens": 12, "completion_tokens": 3}), saying("What is ha?"))
    async with answering(people, server, []) as visit:
        first = await ended(visit, await visit.session.send("why?"))
        await visit.session.update_room_state(mode="philosopher")
        await visit.sees(StateUpdated, lambda e: e.state.mode == "philosopher")
        second = await ended(visit, await visit.session.send("and why?"))
        modes = {mode.name: mode for mode in await visit.user.spaces.rooms.list_modes()}
    assert [first.content, second.content] == ["Ha, ha.", "What is ha?"]
    assert [first.metadata["mode"], second.metadata["mode"]] == ["playful", "philosopher"]
    figures = ("model", "finish_reason", "prompt_tokens", "completion_tokens", "tokens")
    assert [first.metadata[name] for name in figures] == ["small", "stop", 12, 3, "counted"]
    assert 0 <= first.metadata["first_token_ms"] <= first.metadata["total_ms"]
    systems = [request.body["messages"][0]["content"] for request in server.requests]
    for system, mode in zip(systems, ("playful", "philosopher"), strict=True):
        assert system.startswith(modes[mode].system_prompt)
    assert server.requests[1].body["messages"][1:] == [
        {"role": "user", "content": "<Ada> why?"},
        {"role": "assistant", "content": "Ha, ha."},
        {"role": "user", "content": "<Ada> and why?"},
    ]


@pytest.mark.parametrize("is_begun", [False, True])
async def test_who_stops_the_message_ends_the_models_work(people: People, server: OpenAIServer, is_begun: bool) -> None:
    async def hangs(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.say(*(["It is "] if is_begun else []))
        await exchange.hang()

    server.replies(hangs)
    errors: list[Exception] = []
    async with answering(people, server, errors) as visit:
        question = await visit.session.send("why?")
        growing = await visit.sees(MessageReceived, lambda e: e.message.reply_to == question.id)
        if is_begun:
            await visit.sees(MessageChunk, lambda e: e.message_id == growing.message.id)
        await visit.session.stop_stream(growing.message.id)
        stopped = await ended(visit, question)
        if server.exchanges:
            await asyncio.wait_for(server.exchanges[0].is_gone.wait(), WITHIN_S)
        server.replies(saying("Yes."))
        assert (await ended(visit, await visit.session.send("still there?"))).content == "Yes."
    assert (stopped.content, stopped.status) == ("It is " if is_begun else "", MessageStatus.STOPPED)
    assert errors == []


async def test_what_was_said_before_a_failure_stays(people: People, server: OpenAIServer) -> None:
    async def breaks_off(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.say("It is ", "what it ", "is, and")
        exchange.cut()

    async def refuses(exchange: Exchange) -> None:
        await exchange.respond(401, {"error": {"message": "no"}})

    server.replies(breaks_off, refuses)
    errors: list[Exception] = []
    async with answering(people, server, errors) as visit:
        half = await ended(visit, await visit.session.send("why?"))
        excused = await ended(visit, await visit.session.send("why?"))
        await eventually(lambda: len(errors) == 2, WITHIN_S, what=lambda: f"the second error, after {errors}")
    assert (half.content, half.status) == ("It is what it is, and", MessageStatus.STOPPED)
    assert (excused.content, excused.status) == ("Sorry, I cannot answer just now.", MessageStatus.FINAL)
    assert excused.metadata["finish_reason"] == "error"
    assert [error.code for error in errors if isinstance(error, ModelError)] == ["model_broken_off", "model_refused"]


async def test_the_longest_message_and_no_more(people: People, server: OpenAIServer) -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.begin()
        try:
            while True:
                await exchange.say("0123456789" * 500)
        except ConnectionError:
            exchange.is_gone.set()

    server.replies(endless)
    async with answering(people, server, []) as visit:
        whole = await ended(visit, await visit.session.send("why?"))
        await asyncio.wait_for(server.exchanges[0].is_gone.wait(), WITHIN_S)
    assert whole.content == "0123456789" * 20_000
    assert (whole.status, whole.metadata["finish_reason"]) == (MessageStatus.FINAL, "length")
