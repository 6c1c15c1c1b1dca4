"""What a context does when it speaks: limits of the room, and the kind of the account."""

from __future__ import annotations

from uuid import uuid4

import pytest

from spaces_sdk.bots import Bot, Context
from spaces_sdk.errors import OutcomeUnknownError, RateLimitedError, UsageError
from spaces_sdk.models import Kind, MessageType
from spaces_sdk.testing import Talk
from tests.support.replica import Replicas

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


def echo(_: int = 0) -> Bot:
    bot = Bot("Bea")

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.reply(ctx.message.content)

    return bot


@pytest.mark.parametrize(("refusals", "answers"), [(2, ["hi"]), (3, [])])
async def test_over_the_limit_it_waits_and_tries_three_times(refusals: int, answers: list[str]) -> None:
    async with Replicas(echo) as stage:
        too_many = [RateLimitedError("cannot send: too many", retry_after_s=7.0) for _ in range(refusals)]
        replica = await stage.start(insert_message=too_many)
        await stage.say("hi")
        await stage.clock.advance(13.9)
        assert stage.said == []
        await stage.clock.advance(0.1)
        assert stage.said == answers
        assert [type(error) for error in replica.errors] == ([] if answers else [RateLimitedError])


async def test_what_gets_no_answer_is_said_again() -> None:
    async with Replicas(echo) as stage:
        replica = await stage.start(insert_message=[OutcomeUnknownError("no answer", operation_id=uuid4())])
        await stage.say("hi")
        await stage.clock.advance(1)
        assert (stage.said, replica.errors) == (["hi"], [])


async def test_with_the_account_of_a_person_it_writes_as_people_do() -> None:
    async with Talk(echo(), ["ada"]) as talk:
        talk.room.rows.set_kind(talk.room.bot.user_id, Kind.HUMAN)
        assert await talk.say("ada", "hi") == ["hi"]
        assert [message.message_type for message in talk.messages] == [MessageType.USER_TEXT]


async def test_there_is_no_message_where_none_was_said() -> None:
    bot = Bot("Bea")

    @bot.on_ready
    async def ready(ctx: Context) -> None:
        assert ctx.message

    async with Talk(bot, ["ada"]) as talk:
        with pytest.raises(UsageError, match="not called for one"):
            await talk.answers()
