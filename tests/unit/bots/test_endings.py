"""Handlers that hold on: the bot ends all the same, and a test of it says what is wrong."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest

from spaces_sdk.bots import Bot, Context
from spaces_sdk.errors import PermissionDeniedError, RemovedError
from spaces_sdk.testing import Passes, Talk, dialog
from tests.support.replica import Replicas

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


async def test_a_handler_that_keeps_its_cancellation_to_itself_is_not_called_again() -> None:
    called: list[str] = []

    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def stubborn(ctx: Context) -> None:
            called.append(f"{number}:{ctx.message.content}")
            with suppress(asyncio.CancelledError):
                await ctx.sleep(100 if number == 1 else 0)

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        for text in ("a", "b", "c"):
            await stage.say(text)
        told_at = stage.clock.monotonic()
        await first.leave()
        assert stage.clock.monotonic() - told_at < 5
        await stage.start()
        await stage.clock.advance(10)
        assert called == ["1:a", "2:a", "2:b", "2:c"]


async def test_a_timer_that_keeps_its_cancellation_to_itself_ends() -> None:
    ticks: list[int] = []

    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.every(seconds=10)
        async def tick(ctx: Context) -> None:
            ticks.append(number)
            with suppress(asyncio.CancelledError):
                await ctx.sleep(30 if number == 1 else 0)

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        await stage.start()
        await stage.clock.advance(11)
        first.line.is_offline = True
        await stage.clock.advance(25)
        first.line.is_offline = False
        await stage.clock.advance(60)
        assert ticks[0] == 1
        assert set(ticks[1:]) == {2}


async def test_an_on_error_that_is_cancelled_from_inside_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.message.content)
        raise ValueError("a mistake")

    @bot.on_error
    async def report(_: Context, __: Exception) -> None:
        await asyncio.sleep(0.01)
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    heard: list[str] = []

    @bot.on_error
    async def count(_: Context, error: Exception) -> None:
        heard.append(str(error))

    async with Talk(bot, ["ada"]) as talk:
        for text in ("a", "b"):
            talk.room.say("ada", text)
        assert await talk.say("ada", "c") == ["a", "b", "c"]
    assert heard == ["a mistake"] * 3
    assert caplog.text.count("on_error failed itself") == 3


async def test_a_handler_that_goes_on_for_ever_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "spaces_sdk.bots")
    end = asyncio.Event()

    def make(number: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def endless(ctx: Context) -> None:
            while number == 1 and not end.is_set():
                try:
                    await end.wait()
                except asyncio.CancelledError:
                    continue
            await ctx.reply(str(number))

        return bot

    async with Replicas(make) as stage:
        first = await stage.start()
        await stage.start()
        await stage.say("hi")
        told_at = stage.clock.monotonic()
        await first.leave()
        assert 5 <= stage.clock.monotonic() - told_at < 10
        assert "handlers are left behind" in caplog.text
        await stage.clock.advance(10)
        assert stage.said == ["2"]
        end.set()
        await stage.clock.advance(1)


async def test_one_handler_waits_for_two_things_at_once() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def both(ctx: Context) -> None:
        await asyncio.gather(ctx.sleep(1), ctx.sleep(2))
        await ctx.reply("now")

    await dialog(bot, [("ada", "hi", None), Passes(1), Passes(1, "now")], within_s=1)


async def test_a_dialogue_says_that_a_handler_does_not_end() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def hang(_: Context) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"Bea is still at work after 0\.05 s"):
        await dialog(bot, [("ada", "hi", None)], within_s=0.05)


@pytest.mark.parametrize("has_on_error", [False, True])
async def test_removed_it_may_say_something_before_it_hears_so(
    caplog: pytest.LogCaptureFixture, has_on_error: bool
) -> None:
    caplog.set_level(logging.INFO, "spaces_sdk.bots")
    heard: list[Exception] = []

    def make(_: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def late(ctx: Context) -> None:
            await ctx.sleep(1)
            await ctx.send("As you wish.")

        async def on_error(ctx: Context, error: Exception) -> None:
            heard.append(error)

        if has_on_error:
            bot.on_error(on_error)
        return bot

    async with Replicas(make) as stage:
        replica = await stage.start()
        await stage.say("hi")
        stage.room.backend.faults.hold()
        stage.room.backend.tables.remove(stage.room.rows, stage.bot_id, "kicked")
        await stage.clock.advance(2)
        stage.room.backend.faults.release()
        await stage.clock.advance(1)
        with pytest.raises(RemovedError):
            await replica.task
        assert [*replica.errors, *heard] == []
    assert "not given back" not in caplog.text


async def test_a_refusal_of_another_room_is_a_failure_of_the_handler() -> None:
    def make(_: int) -> Bot:
        bot = Bot("Bea")

        @bot.on_message
        async def look(_: Context) -> None:
            raise PermissionDeniedError("cannot look: of another room", code="kicked", status=403)

        return bot

    async with Replicas(make) as stage:
        replica = await stage.start()
        await stage.say("hi")
        await stage.clock.advance(10)
        assert [str(error) for error in replica.errors] == ["cannot look: of another room"]


async def test_an_on_error_knows_which_handler_failed() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def talk(_: Context) -> None:
        raise ValueError("a mistake")

    @bot.command(name="roll")
    async def roll_a_die(_: Context) -> None:
        raise ValueError("another")

    @bot.every(minutes=1)
    async def tick(_: Context) -> None:
        raise ValueError("a third")

    @bot.on_error
    async def report(ctx: Context, error: Exception) -> None:
        await ctx.send(f"{ctx.handler}: {error}")

    await dialog(
        bot, [("ada", "hi", "talk: a mistake"), ("ada", "!roll", "roll: another"), Passes(60, "tick: a third")]
    )
