"""What a bot handles after it was away: each message once, as far back as it is told."""

from __future__ import annotations

import logging

import pytest

from spaces_sdk.bots import Bot, Context
from spaces_sdk.errors import ConnectError, PermissionDeniedError, UsageError
from spaces_sdk.events import MessageReceived
from spaces_sdk.models import MessageStatus, MessageType
from spaces_sdk.realtime.events import CloseReason
from tests.support.clock import settle
from tests.support.replica import Replicas

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

LEASE_S = 15.0


def echo(_: int) -> Bot:
    bot = Bot("Bea", missed_count=10)

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.reply(f"heard {ctx.message.content}")

    @bot.command
    async def ping(ctx: Context) -> None:
        await ctx.reply("pong")

    return bot


def slow(number: int) -> Bot:
    """One handler that takes 10 seconds beside one that takes none."""
    bot = Bot("Bea")

    @bot.on_message
    async def long(ctx: Context) -> None:
        await ctx.sleep(10)
        await ctx.reply(f"{number} long {ctx.message.content}")

    @bot.on_message
    async def short(ctx: Context) -> None:
        await ctx.reply(f"short {ctx.message.content}")

    return bot


async def test_the_first_time_nothing_was_missed() -> None:
    async with Replicas(echo) as stage:
        await stage.say("before")
        await stage.start()
        await stage.say("after")
        await stage.clock.advance(60)
        assert stage.said == ["heard after"]


async def test_what_was_missed_is_handled_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "spaces_sdk.bots")
    async with Replicas(echo) as stage:
        first = await stage.start()
        await stage.say("1")
        await first.leave()
        await stage.say("2")
        await stage.say("!ping")
        await stage.start()
        await stage.say("3")
        await stage.clock.advance(60)
        assert stage.said == ["heard 1", "heard 2", "pong", "heard 3"]
        assert "room TALKED: handles what was missed (2) and what was begun (0)" in caplog.text
        for _ in range(2):
            await stage.all[-1].leave()
            await stage.start()
            await stage.clock.advance(60)
        assert stage.said == ["heard 1", "heard 2", "pong", "heard 3"]


async def test_not_more_than_so_many_and_not_older_than_so_much() -> None:
    def make(_: int) -> Bot:
        bot = Bot("Bea", missed_within_s=60, missed_count=3)

        @bot.on(MessageReceived)
        async def answer(ctx: Context, event: MessageReceived) -> None:
            await ctx.reply(f"heard {event.message.content}")

        return bot

    async with Replicas(make) as stage:
        await (await stage.start()).leave()
        await stage.say("old")
        await stage.clock.advance(61)
        await stage.say("one")
        await (await stage.start()).leave()
        assert stage.said == ["heard one"]
        for index in range(5):
            await stage.say(str(index))
        await stage.start()
        await stage.clock.advance(1)
        assert stage.said == ["heard one", "heard 2", "heard 3", "heard 4"]


async def test_more_than_the_session_brings_is_read_from_the_history() -> None:
    def make(_: int) -> Bot:
        bot = Bot("Bea", missed_count=95)

        @bot.on_message
        async def answer(ctx: Context) -> None:
            await ctx.session.react(ctx.message.id, "👍")

        @bot.on_message(claim=False)
        async def count(_: Context) -> None:
            pytest.fail("what was said before is nothing that this replica has seen")

        return bot

    async with Replicas(make) as stage:
        await (await stage.start()).leave()
        for index in range(100):
            await stage.say(str(index))
        bea = stage.room.find("Bea")
        assert bea is not None
        for _ in range(250):
            stage.room.store(bea, "the bot's own", MessageType.AI_RESPONSE)
        await stage.start()
        await settle(2000)
        liked = [m.content for m in stage.room.rows.rows if m.reactions]
        assert liked == [str(index) for index in range(5, 100)]


async def test_what_was_begun_by_one_that_died_is_begun_again() -> None:
    async with Replicas(slow) as stage:
        first = await stage.start()
        await stage.say("1")
        await stage.clock.advance(5)
        first.kill()
        await stage.start()
        assert stage.said == ["short 1"]
        await stage.clock.advance(LEASE_S + 10)
        assert stage.said == ["short 1", "2 long 1"]


async def test_the_kept_position_waits_for_the_slowest_handler() -> None:
    async with Replicas(slow) as stage:
        first = await stage.start()
        for text in ("1", "2", "3"):
            await stage.say(text)
        await stage.clock.advance(1)
        assert stage.said == ["short 1", "short 2", "short 3"]
        first.kill()
        await stage.start()
        await stage.clock.advance(LEASE_S + 40)
        assert sorted(stage.said) == ["2 long 1", "2 long 2", "2 long 3", "short 1", "short 2", "short 3"]


async def test_a_message_that_grew_meanwhile_is_not_lost() -> None:
    async with Replicas(echo) as stage:
        first = await stage.start()
        ada = stage.room.find("ada")
        assert ada is not None
        growing = stage.room.store(ada, "", MessageType.USER_VOICE, status=MessageStatus.STREAMING)
        await stage.say("meanwhile", "bob")
        assert stage.position == growing.seq - 1
        first.kill()
        await stage.start()
        await stage.clock.advance(LEASE_S + 5)
        growing = stage.room.change(growing, content="um, hello", status=MessageStatus.FINAL)
        await stage.clock.advance(1)
        assert stage.said == ["heard meanwhile", "heard um, hello"]
        await stage.say("and on", "bob")
        await stage.all[-1].leave()
        assert stage.position == stage.room.head


async def test_what_a_session_replays_after_a_long_outage_is_too_old() -> None:
    counted: list[str] = []

    def make(_: int) -> Bot:
        bot = Bot("Bea", missed_within_s=60)

        @bot.on_message
        async def answer(ctx: Context) -> None:
            await ctx.reply(f"heard {ctx.message.content}")

        @bot.on_message(claim=False)
        async def count(ctx: Context) -> None:
            counted.append(ctx.message.content)

        return bot

    async with Replicas(make) as stage:
        await stage.start()
        faults = stage.room.backend.faults
        for text, away_s in (("lately", 20), ("long ago", 80)):
            faults.database_is_down = faults.realtime_is_down = True
            faults.close_channels(CloseReason.SOCKET_LOST)
            await stage.say(text)
            await stage.clock.advance(away_s)
            faults.database_is_down = faults.realtime_is_down = False
            await stage.clock.advance(30)
        assert counted == ["lately", "long ago"]
        assert stage.said == ["heard lately"]


async def test_coming_in_is_tried_again_and_a_refusal_ends_it() -> None:
    async with Replicas(echo) as stage:
        first = await stage.start()
        await first.leave()
        await stage.say("1")
        await stage.start(enter_turns=[ConnectError("no network"), ConnectError("no network")])
        await stage.say("2")
        await stage.clock.advance(30)
        assert stage.said == ["heard 1", "heard 2"]
        third = await stage.start(enter_turns=[PermissionDeniedError("kicked", code="kicked", status=403)])
        assert isinstance(third.task.exception(), PermissionDeniedError)


@pytest.mark.parametrize("bounds", [{"missed_within_s": -1.0}, {"missed_count": -1}, {"missed_within_s": float("nan")}])
def test_bounds_below_nothing(bounds: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="missed"):
        Bot("Bea", **bounds)  # pyright: ignore[reportArgumentType]
