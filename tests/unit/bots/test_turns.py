"""Whose turn it is: what the database grants, puts off or refuses, a host's pick, and an answer that is stopped."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from spaces_sdk.bots import Bot, Context
from spaces_sdk.bots.purposes import purpose_of
from spaces_sdk.errors import RemovedError, UsageError
from spaces_sdk.events import MessageReceived, MessageUpdated, ParticipantJoined
from spaces_sdk.models import Kind, MessageStatus, MessageType
from spaces_sdk.testing import Comes, Passes, Talk, dialog
from spaces_sdk.turns import TurnOutcome
from tests.support.replica import Replicas

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


def host(_: int = 0) -> Bot:
    bot = Bot("Bea")

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        ctx.count_tokens(7)
        ctx.count_tokens(5)
        await ctx.reply(f"heard {ctx.message.content}")

    @bot.command
    async def ping(ctx: Context) -> None:
        await ctx.reply("pong")

    return bot


async def test_it_answers_people_and_neither_commands_nor_bots() -> None:
    async with Talk(host(), ["ada"]) as talk:
        assert await talk.say("ada", "hi") == ["heard hi"]
        assert await talk.say("ada", "!ping") == ["pong"]
        other = talk.room.come("Otto").model_copy(update={"kind": Kind.BOT})
        talk.room.store(other, "beep", MessageType.AI_RESPONSE)
        assert await talk.answers() == []


async def test_a_bot_has_one_turn() -> None:
    bot = host()

    async def another(_: Context) -> None: ...

    with pytest.raises(UsageError, match="`on_turn` already"):
        bot.on_turn()(another)
    with pytest.raises(UsageError, match="not an async"):
        bot.on_turn(lambda ctx: None)  # pyright: ignore


async def test_what_it_cost_is_told_when_it_ends() -> None:
    async with Replicas(host) as stage:
        replica = await stage.start()
        said = await stage.say("hi")
        await stage.say("!ping")
        told = [(turn.position, turn.purpose, turn.outcome, turn.tokens) for turn in replica.line.finished]
        assert told[0] == (said.seq, "answer", TurnOutcome.DONE, 12)
        assert told[1][1:] == ("command:ping", TurnOutcome.DONE, None)
        assert stage.room.rows.used[2] == 12
        assert replica.errors == []


async def test_who_says_nothing_declines_also_by_an_error() -> None:
    def make(_: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_turn
        async def answer(ctx: Context) -> None:
            if ctx.message.content == "fail":
                raise ValueError("a mistake")
            if ctx.message.content == "stream":
                async with ctx.stream():
                    pass
            if ctx.message.content == "speak":
                await ctx.reply("well")

        return bot

    async with Replicas(make) as stage:
        replica = await stage.start()
        for content in ("hi", "fail", "speak", "stream"):
            await stage.say(content)
        told = [turn.outcome for turn in replica.line.finished]
        assert told == [TurnOutcome.DECLINED, TurnOutcome.DECLINED, TurnOutcome.DONE, TurnOutcome.DONE]
        assert stage.room.rows.used[1] == 2, "what was declined is no answer of the day"


async def test_who_takes_over_and_says_nothing_declines_nothing() -> None:
    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_turn
        async def answer(ctx: Context) -> None:
            if number == 1:
                await ctx.reply("well")
                await ctx.sleep(3600)

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        said = await stage.say("hi")
        first.kill()
        second = await stage.start()
        await stage.clock.advance(30)
        assert [(turn.position, turn.outcome) for turn in second.line.finished] == [(said.seq, TurnOutcome.DONE)]


async def test_a_cool_down_waits_and_a_refusal_is_silence() -> None:
    async with Replicas(host) as stage:
        replica = await stage.start()
        stage.room.steer(settings={"spaces": {"bot_cooldown_s": 20}})
        first, second = await stage.say("hi"), await stage.say("and?")
        otto = stage.room.come("Otto").model_copy(update={"kind": Kind.BOT})
        beep = stage.room.store(otto, "beep", MessageType.AI_RESPONSE)
        await stage.clock.advance(19.9)
        assert stage.said == ["heard hi"]
        await stage.clock.advance(0.2)
        assert stage.said == ["heard hi", "heard and?"]
        await stage.clock.advance(60)
        claimed = [claim.position for claim in replica.line.claimed]
        assert claimed.count(beep.seq) == 1, "what is refused is asked once"
        assert set(claimed) == {first.seq, second.seq, beep.seq}
        assert stage.said == ["heard hi", "heard and?"]


async def test_a_pick_of_the_host_is_answered_once_whenever_it_came() -> None:
    async with Replicas(host) as stage:
        first = await stage.start()
        await stage.start()
        otto = stage.room.come("Otto").model_copy(update={"kind": Kind.BOT})
        beep = stage.room.store(otto, "beep", MessageType.AI_RESPONSE)
        await stage.clock.advance(1)
        assert stage.said == []
        stage.room.pick(beep)
        await stage.clock.advance(1)
        assert stage.said == ["heard beep"]
        for replica in (first, stage.all[1]):
            await replica.leave()
        for _ in range(1200):
            stage.room.store(otto, "more", MessageType.AI_RESPONSE)
        picked = stage.room.store(otto, "the one", MessageType.AI_RESPONSE)
        for _ in range(300):
            stage.room.store(otto, "more", MessageType.AI_RESPONSE)
        stage.room.pick(picked)
        await stage.start()
        await stage.clock.advance(1)
        assert stage.said == ["heard beep", "heard the one"]
        await stage.start()
        await stage.clock.advance(30)
        assert stage.said == ["heard beep", "heard the one"]


async def test_a_pick_of_what_is_not_to_be_found_is_silence(caplog: pytest.LogCaptureFixture) -> None:
    async with Replicas(host) as stage:
        replica = await stage.start()
        message = await stage.say("hi")
        stage.room.pick(message)
        stage.room.change(message, status=MessageStatus.DELETED, content="")
        await stage.clock.advance(1)
        assert stage.said == ["heard hi"]
        assert replica.errors == []


async def test_who_stops_an_answer_ends_what_the_handler_waits_for() -> None:
    told: list[str] = []

    def make(_: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_turn
        async def answer(ctx: Context) -> None:
            async with ctx.stream() as out:
                await out.write("well")
                try:
                    await asyncio.Event().wait()  # a model that hangs
                except asyncio.CancelledError:
                    told.append("cancelled")
                    raise
            told.append(f"stopped: {out.is_stopped}, {out.message.content}")

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        await stage.start()
        await stage.say("hi")
        [message] = stage.room.said
        stage.room.stop(message.id)
        await stage.clock.advance(0)
        assert told == ["cancelled", "stopped: True, well"]
        await stage.clock.advance(60)
        assert [m.status for m in stage.room.said] == [MessageStatus.STOPPED], "and nobody begins it again"
        assert first.errors == []


async def test_removed_in_the_midst_of_an_answer_it_ends_cleanly() -> None:
    async with Replicas(lambda _: _hanging()) as stage:
        replica = await stage.start()
        await stage.say("hi")
        stage.room.backend.tables.remove(stage.room.rows, stage.bot_id, "kicked")
        await stage.clock.advance(1)
        with pytest.raises(RemovedError):
            await replica.task
        assert replica.errors == []


def _hanging() -> Bot:
    bot = Bot("Bea")

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("well")
            await ctx.sleep(1000)

    return bot


async def test_what_a_claimed_call_says_has_ids_of_its_own() -> None:
    mine = uuid4()

    def make(_: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def answer(ctx: Context) -> None:
            for _ in range(2):
                await ctx.send("twice")
                await ctx.send("once", message_id=mine)

        return bot

    async with Replicas(make) as stage:
        await stage.start()
        await stage.say("hi")
        assert stage.said == ["twice", "once", "twice"]
        assert len({m.id for m in stage.room.said}) == 3


@pytest.mark.parametrize("tokens", [-1, 0.5, float("nan"), True, "7"])
async def test_tokens_are_whole_and_not_taken_back(tokens: int) -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def answer(ctx: Context) -> None:
        ctx.count_tokens(10**12)
        assert ctx.tokens == 999_999_999, "as much as the database takes"
        ctx.count_tokens(tokens)

    with pytest.raises(UsageError, match="a whole number"):
        await dialog(bot, [("ada", "hi", None)])


async def test_a_dialogue_with_turns() -> None:
    await dialog(host(), [("ada", "hi", "heard hi"), Comes("bob"), ("bob", "!ping", "pong"), Passes(60)])


# -- names -----------------------------------------------------------------------------------------------


def test_names_are_those_of_the_functions_and_fit() -> None:
    async def hello(_: Context) -> None: ...

    assert purpose_of("message", purpose_of) == "message:purpose_of"
    assert purpose_of("message", hello).startswith("message:test_names_are_those")
    assert purpose_of("message", hello, "Hallo, Welt!") == "message:hallo_welt_"
    long = purpose_of("participantjoined", hello, "x" * 100)
    assert len(long) == 60
    assert long != purpose_of("participantjoined", hello, "x" * 101)


def test_two_handlers_of_one_name() -> None:
    bot = Bot("Bea")

    async def hello(ctx: Context) -> None: ...
    async def joined(ctx: Context, event: object) -> None: ...

    bot.on_message(hello)
    with pytest.raises(UsageError, match="claimed as 'message:"):
        bot.on_message(hello)
    bot.on_message(claim=False)(hello)
    bot.on_message(claim=False)(hello)
    bot.on_message(name="other")(hello)
    bot.on(ParticipantJoined)(joined)
    bot.on(MessageReceived)(joined)
    bot.on(MessageUpdated, name="x")(joined)
    with pytest.raises(UsageError, match="another name"):
        bot.on(MessageUpdated, name="X")(joined)
