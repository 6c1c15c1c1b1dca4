"""Several processes of one bot: each call is made once, whichever of them die, and when."""

from __future__ import annotations

import asyncio
import logging

import pytest

from spaces_sdk.bots import Bot, Context
from spaces_sdk.errors import RateLimitedError
from spaces_sdk.events import MessageReceived, ParticipantJoined, SignalReceived
from spaces_sdk.models import MessageStatus
from tests.support.clock import settle
from tests.support.replica import Replicas

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

LEASE_S = 15.0


def slow(number: int) -> Bot:
    """Answers after 10 seconds, and again after another 10."""
    bot = Bot("Bea")

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.sleep(10)
        await ctx.reply(f"{number} heard {ctx.message.content}")
        await ctx.sleep(10)
        await ctx.send("that is all")

    return bot


def streaming(number: int) -> Bot:
    """An answer that grows for 20 seconds."""
    bot = Bot("Bea")

    @bot.on_message
    async def answer(ctx: Context) -> None:
        async with ctx.stream() as out:
            for part in ("so ", "it ", "is"):
                await out.write(f"{number}:{part}")
                await ctx.sleep(5)
        await ctx.sleep(5)
        await ctx.send("that is all")

    return bot


def busy(_: int) -> Bot:
    """A handler that takes 10 seconds, one that takes none, and a command."""
    bot = Bot("Bea")

    @bot.on_message
    async def long(ctx: Context) -> None:
        await ctx.sleep(10)
        await ctx.reply(f"long {ctx.message.content}")

    @bot.on_message
    async def short(ctx: Context) -> None:
        await ctx.reply(f"short {ctx.message.content}")

    @bot.command
    async def ping(ctx: Context) -> None:
        await ctx.reply("pong")

    return bot


async def test_each_call_is_made_in_one_of_them() -> None:
    counted: list[int] = []

    def make(number: int) -> Bot:
        bot = busy(number)

        @bot.on(ParticipantJoined)
        async def welcome(ctx: Context, event: ParticipantJoined) -> None:
            await ctx.send(f"welcome {event.participant.display_name}")

        @bot.on_message(claim=False)
        async def count(_: Context) -> None:
            counted.append(number)

        @bot.on(SignalReceived)
        async def typing(_: Context, __: SignalReceived) -> None:
            counted.append(10 * number)

        return bot

    async with Replicas(make) as stage:
        await stage.start()
        await stage.start()
        stage.room.come("eve")
        for text in ("1", "2", "!ping", "!pign"):
            await stage.say(text)
        ada = stage.room.find("ada")
        assert ada is not None
        stage.room.rows.signal(ada.user_id, "typing")
        await stage.clock.advance(60)
        assert sorted(stage.said) == [
            "long 1",
            "long 2",
            "pong",
            "short 1",
            "short 2",
            "there is no command !pign; did you mean !ping?",
            "welcome eve",
        ]
        assert sorted(counted) == [1, 1, 2, 2, 10, 20]


async def test_a_busy_one_leaves_the_next_call_to_the_others() -> None:
    async with Replicas(slow) as stage:
        await stage.start()
        await stage.start()
        await stage.say("a")
        await stage.say("b")
        await stage.clock.advance(11)
        assert sorted(stage.said) == ["1 heard a", "2 heard b"]
        await stage.clock.advance(20)


@pytest.mark.parametrize(
    ("killed_after_s", "said"),
    [
        (5, ["2 heard hi", "that is all"]),  # between claim and answer
        (15, ["1 heard hi", "that is all"]),  # between the first answer and the second
    ],
)
async def test_one_that_dies_is_taken_over_and_nothing_is_said_twice(
    killed_after_s: float, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "spaces_sdk.bots")
    async with Replicas(slow) as stage:
        first = await stage.start()
        await stage.start()
        question = await stage.say("hi")
        await stage.clock.advance(killed_after_s)
        first.kill()
        await stage.clock.advance(LEASE_S + 5 + 21)
        assert stage.said == said
        assert f"answer in TALKED: takes over step {question.seq}, attempt 2" in caplog.text


async def test_one_that_dies_after_its_answer_and_before_it_could_say_so() -> None:
    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def answer(ctx: Context) -> None:
            await ctx.reply(f"{number} heard {ctx.message.content}")
            if number == 1:
                first.kill()

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        await stage.start()
        await stage.say("hi")
        await stage.clock.advance(30)
        assert stage.said == ["1 heard hi"]
        assert stage.position == stage.room.head, "over the question and the answer"


async def test_in_the_middle_of_a_stream_the_other_begins_another() -> None:
    async with Replicas(streaming) as stage:
        first = await stage.start()
        await stage.start()
        question = await stage.say("is it?")
        await stage.clock.advance(7)
        first.kill()
        await stage.clock.advance(LEASE_S + 5 + 21)
        told = [(m.content, m.status, m.reply_to) for m in stage.room.said]
        assert told == [
            ("1:so 1:it ", MessageStatus.STOPPED, question.id),
            ("2:so 2:it 2:is", MessageStatus.FINAL, question.id),
            ("that is all", MessageStatus.FINAL, None),
        ]


async def test_a_stream_that_is_whole_is_passed_over() -> None:
    async with Replicas(streaming) as stage:
        first = await stage.start()
        await stage.start()
        await stage.say("is it?")
        await stage.clock.advance(16)
        assert stage.said == ["1:so 1:it 1:is"]
        first.kill()
        await stage.clock.advance(LEASE_S)
        assert stage.said == ["1:so 1:it 1:is"]
        assert len(stage.room.said) == 1
        await stage.clock.advance(10)
        assert stage.said == ["1:so 1:it 1:is", "that is all"]


async def test_three_deaths_in_one_stream() -> None:
    async with Replicas(streaming) as stage:
        await stage.start()
        await stage.say("is it?")
        for _ in range(3):
            await stage.clock.advance(7)
            stage.all[-1].kill()
            await stage.start()
            await stage.clock.advance(LEASE_S)
        await stage.clock.advance(60)
        assert stage.said == ["4:so 4:it 4:is", "that is all"]
        assert len({m.id for m in stage.room.said}) == 5


async def test_one_that_leaves_gives_back_what_it_has_begun() -> None:
    async with Replicas(slow) as stage:
        first = await stage.start()
        await stage.start()
        await stage.say("hi")
        await stage.clock.advance(1)
        await first.leave()
        await stage.clock.advance(5 + 10)
        assert stage.said == ["2 heard hi"]
        await stage.clock.advance(20)


async def test_a_long_call_keeps_its_turn() -> None:
    called: list[int] = []

    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def answer(ctx: Context) -> None:
            called.append(number)
            await ctx.sleep(100)
            await ctx.reply(str(number))

        return bot

    async with Replicas(make) as stage:
        await stage.start()
        await stage.start()
        await stage.say("hi")
        await stage.clock.advance(130)
        assert (stage.said, called) == (["1"], [1])


async def test_one_that_is_cut_off_is_taken_over_and_ends_its_call() -> None:
    ended: list[int] = []

    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def answer(ctx: Context) -> None:
            try:
                await ctx.sleep(60)
            except asyncio.CancelledError:
                ended.append(number)
                raise
            await ctx.reply(str(number))

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        await stage.start()
        await stage.say("hi")
        first.line.is_offline = True
        await stage.clock.advance(LEASE_S + 10)
        first.line.is_offline = False
        await stage.clock.advance(15)
        assert ended == [1]
        await stage.clock.advance(60)
        assert stage.said == ["2"]
        assert (first.errors, stage.all[1].errors) == ([], [])


@pytest.mark.parametrize("lost", [1, 2, 3, 5])
async def test_lost_answers_of_claims_change_nothing(lost: int) -> None:
    async with Replicas(busy) as stage:
        first = await stage.start()
        first.lose_answers(lost)
        for text in ("1", "2"):
            await stage.say(text)
        await stage.clock.advance(60)
        assert sorted(stage.said) == ["long 1", "long 2", "short 1", "short 2"]
        assert first.line.lost == 0
        assert stage.position == stage.room.head, "over the questions and the answers"


async def test_over_the_limit_claims_wait_and_go_together() -> None:
    async with Replicas(busy) as stage:
        first = await stage.start()
        first.line.failures["turns"] = [RateLimitedError("too many", retry_after_s=7.0)]
        for index in range(30):
            await stage.say(str(index))
        await stage.clock.advance(6.9)
        assert stage.said == []
        await stage.clock.advance(0.1)
        await settle(1000)
        assert len(stage.said) == 30, "the short ones"
        await stage.clock.advance(400)
        assert len(stage.said) == 60


async def test_what_is_taken_over_is_done_in_the_rooms_order() -> None:
    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def answer(ctx: Context) -> None:
            if number == 1 and ctx.message.content == "5":
                await ctx.sleep(1000)
            await ctx.reply(f"{number}:{ctx.message.content}")

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        for index in range(5):
            await stage.say(str(index))
        await stage.start()
        await stage.clock.advance(1)
        for index in range(5, 15):
            stage.room.say("ada", str(index))
        await stage.clock.advance(1)
        first.kill()
        await stage.clock.advance(LEASE_S + 10)
        assert stage.said[5:] == [f"2:{index}" for index in range(5, 15)]


async def test_what_was_answered_to_one_that_died_reaches_the_other() -> None:
    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.command
        async def ask(ctx: Context) -> None:
            await ctx.send("your name?")
            answer = await ctx.wait_for(MessageReceived, timeout_s=60)
            await ctx.sleep(1000 if number == 1 else 0)
            await ctx.send(f"hi {answer.message.content}")

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        await stage.start()
        await stage.say("!ask")
        await stage.say("Ann")
        first.kill()
        await stage.clock.advance(LEASE_S + 5)
        assert stage.said == ["your name?", "hi Ann"]


async def test_timers_run_in_one_of_them() -> None:
    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.every(seconds=30)
        async def remind(ctx: Context) -> None:
            await ctx.send(f"{number} reminds")

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        await stage.start()
        await stage.clock.advance(61)
        assert stage.said == ["1 reminds", "1 reminds"]
        await first.leave()
        await stage.clock.advance(5 + 30)
        assert stage.said[2:] == ["2 reminds"]
        third = await stage.start()
        stage.all[1].kill()
        await stage.clock.advance(LEASE_S + 5 + 30)
        assert stage.said[3:] == ["3 reminds"]
        await stage.start()
        third.line.is_offline = True
        await stage.clock.advance(LEASE_S + 10)
        third.line.is_offline = False
        await stage.clock.advance(15)
        said = len(stage.said)
        await stage.clock.advance(60)
        assert stage.said[said:] == ["4 reminds"] * 2
