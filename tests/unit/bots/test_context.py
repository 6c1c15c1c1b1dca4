"""What a context does when it speaks: limits of the room, and the kind of the account."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from spaces_sdk.bots import Bot, Context
from spaces_sdk.errors import RateLimitedError, UsageError
from spaces_sdk.models import Kind, Message, MessageType, Participant
from spaces_sdk.testing import MemoryRoom, Talk, VirtualClock

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


class StrictRoom(MemoryRoom):
    """Refuses the next sends for want of room under the limit, and says that the account is a person's."""

    refusals = 0

    async def send(self, content: str, **more: Any) -> Message:
        if self.refusals:
            self.refusals -= 1
            raise RateLimitedError("cannot send: too many", retry_after_s=7.0)
        return await super().send(content, **more)


class PersonsRoom(MemoryRoom):
    """The bot runs with the account of a person."""

    @property
    def me(self) -> Participant:
        return super().me.model_copy(update={"kind": Kind.HUMAN})


@pytest.mark.parametrize(("refusals", "answers"), [(2, ["hi"]), (3, [])])
async def test_over_the_limit_it_waits_and_tries_three_times(refusals: int, answers: list[str]) -> None:
    clock, bot, errors = VirtualClock(), Bot("Bea"), list[Exception]()

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.message.content)

    room = StrictRoom(clock, "Bea", ["ada"])
    room.refusals = refusals
    task = asyncio.create_task(bot.serve(room, clock=clock, on_unhandled=errors.append).run())
    room.say("ada", "hi")
    await clock.advance(13.9)
    assert room.said == []
    await clock.advance(0.1)
    assert [message.content for message in room.said] == answers
    assert [type(error) for error in errors] == ([] if answers else [RateLimitedError])
    room.end()
    await task


async def test_with_the_account_of_a_person_it_writes_as_people_do() -> None:
    clock, bot = VirtualClock(), Bot("Bea")

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.message.content)

    room = PersonsRoom(clock, "Bea", ["ada"])
    task = asyncio.create_task(bot.serve(room, clock=clock).run())
    room.say("ada", "hi")
    await clock.advance(0)
    assert [message.message_type for message in room.said] == [MessageType.USER_TEXT]
    room.end()
    await task


async def test_there_is_no_message_where_none_was_said() -> None:
    bot = Bot("Bea")

    @bot.on_ready
    async def ready(ctx: Context) -> None:
        assert ctx.message

    async with Talk(bot, ["ada"]) as talk:
        with pytest.raises(UsageError, match="not called for one"):
            await talk.answers()
