"""Handlers: who is called when, in which order, and what failures do."""

from __future__ import annotations

import asyncio
import logging

import pytest

from spaces_sdk.bots import Bot, CannedModel, ChatMessage, Context, HandlerOverflowError
from spaces_sdk.bots.lanes import MOST_WAITING
from spaces_sdk.errors import SessionClosedError, UsageError
from spaces_sdk.events import Event, MessageReceived, ParticipantJoined
from spaces_sdk.models import Kind, MessageStatus, MessageType, Role
from spaces_sdk.testing import Comes, Passes, Talk, dialog

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


async def test_events_by_class_and_messages_that_are_no_commands() -> None:
    bot = Bot("Bea")

    @bot.on(ParticipantJoined)
    async def hello(ctx: Context, event: ParticipantJoined) -> None:
        await ctx.send(f"welcome, {event.participant.display_name}, to {ctx.room.name}")

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(f"heard {ctx.message.content}")

    @bot.on_message()
    async def count(ctx: Context) -> None:
        page = await ctx.history(limit=1)
        await ctx.send(f"{len(ctx.participants)} here, {len(page.items)} read")

    @bot.command
    async def ping(ctx: Context) -> None:
        await ctx.reply("pong")

    await dialog(
        bot,
        [
            ("ada", "hi", ["heard hi", "2 here, 1 read"]),
            Comes("bob", "welcome, bob, to A room without a server"),
            ("ada", "!ping", "pong"),
        ],
    )


async def test_a_bot_hears_neither_itself_nor_bots_unless_asked() -> None:
    bot = Bot("Bea")
    heard: list[str] = []

    @bot.on(MessageReceived)
    async def people(_: Context, event: MessageReceived) -> None:
        heard.append(f"people {event.message.content}")

    @bot.on(MessageReceived, from_bots=True)
    async def all_others(_: Context, event: MessageReceived) -> None:
        heard.append(f"others {event.message.content}")

    @bot.on(MessageReceived, from_self=True)
    async def own(_: Context, event: MessageReceived) -> None:
        heard.append(f"own {event.message.content}")

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.reply("yes?")

    @bot.command
    async def ping(ctx: Context) -> None:
        await ctx.reply("pong")

    @bot.on_message(from_bots=True)
    async def listen(ctx: Context) -> None:
        heard.append(f"listen {ctx.message.content}")

    async with Talk(bot, ["ada"]) as talk:
        assert await talk.say("ada", "hi") == ["yes?"]
        assert heard == ["people hi", "others hi", "own hi", "listen hi", "own yes?"]
        other = talk.room.come("Otto").model_copy(update={"kind": Kind.BOT})
        await talk.answers()
        heard.clear()
        talk.room.store(other, "!ping", MessageType.AI_RESPONSE)
        assert await talk.answers() == []
        assert heard == ["others !ping", "listen !ping"]


async def test_an_answer_is_a_reply_of_a_bot() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def answer(ctx: Context) -> None:
        async with ctx.stream() as out:
            for word in ("so ", "it ", "is"):
                await out.write(word)
            out.metadata["model"] = "none"

    async with Talk(bot, ["ada"]) as talk:
        said = talk.room.say("ada", "is it?")
        assert await talk.answers() == ["so it is"]
        [answer_] = talk.messages
        assert (answer_.reply_to, answer_.message_type, answer_.sender_kind) == (said.id, "ai_response", "bot")
        assert answer_.metadata == {"model": "none", "finish_reason": "stop", "first_token_ms": 0, "total_ms": 0}


async def test_a_message_that_grows_is_heard_when_it_is_whole() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.message.content)

    async with Talk(bot, ["ada"]) as talk:
        ada = talk.room.find("ada")
        assert ada is not None
        growing = talk.room.store(ada, "", MessageType.USER_TEXT, status=MessageStatus.STREAMING)
        assert await talk.answers() == []
        growing = talk.room.change(growing, content="who", status=MessageStatus.FINAL)
        assert await talk.answers() == ["who"]
        talk.room.change(growing, content="who?")
        assert await talk.answers() == []


async def test_a_slow_handler_holds_up_no_other_and_keeps_its_own_order() -> None:
    bot = Bot("Bea")
    done: list[str] = []

    @bot.on_message
    async def slow(ctx: Context) -> None:
        await ctx.sleep(10 if ctx.message.content == "1" else 1)
        done.append(f"slow {ctx.message.content}")

    @bot.on_message
    async def fast(ctx: Context) -> None:
        done.append(f"fast {ctx.message.content}")

    async with Talk(bot, ["ada"]) as talk:
        await talk.clock.advance(0)
        for text in "12":
            talk.room.say("ada", text)
        await talk.clock.advance(0)
        assert done == ["fast 1", "fast 2"]
        await talk.wait(11)
        assert done == ["fast 1", "fast 2", "slow 1", "slow 2"]


async def test_a_full_queue_is_said_once_and_the_rest_goes_on() -> None:
    bot = Bot("Bea")
    handled: list[str] = []
    errors: list[Exception] = []

    @bot.on_message
    async def slow(ctx: Context) -> None:
        await ctx.sleep(1)
        handled.append(ctx.message.content)

    @bot.on_error
    async def failed(_: Context, error: Exception) -> None:
        errors.append(error)

    async with Talk(bot, ["ada"]) as talk:
        for index in range(MOST_WAITING + 11):
            talk.room.say("ada", str(index))
        await talk.clock.advance(2000)
        # One list of events is read in one go, so the first call has not begun when the queue is full.
        assert handled == [str(index) for index in range(MOST_WAITING)]
        assert [type(error) for error in errors] == [HandlerOverflowError]
        talk.room.say("ada", "later")
        await talk.wait(5)
        assert handled[-1] == "later"


async def test_what_a_handler_raises_goes_to_on_error_and_stops_nothing() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def bad(ctx: Context) -> None:
        if ctx.message.content == "cancel":
            raise asyncio.CancelledError
        raise ValueError(ctx.message.content)

    @bot.on_error()
    async def failed(ctx: Context, error: Exception) -> None:
        await ctx.reply(f"{type(error).__name__}: {error}")

    await dialog(
        bot,
        [
            ("ada", "one", "ValueError: one"),
            ("ada", "cancel", "RuntimeError: the handler was cancelled from inside"),
            ("ada", "two", "ValueError: two"),
        ],
    )


async def test_without_on_error_it_is_logged_and_a_dialogue_fails(caplog: pytest.LogCaptureFixture) -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def bad(_: Context) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await dialog(bot, [("ada", "hi", None)])

    async with Talk(bot, ["ada"]) as talk:
        async with talk.room.join() as session:
            with caplog.at_level(logging.ERROR, "spaces_sdk.bots"):
                task = asyncio.create_task(bot.serve(session).run())
                talk.room.say("ada", "hi")
                await talk.clock.advance(0)
                task.cancel()
                await asyncio.wait({task})
        talk.errors.clear()


async def test_an_on_error_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def bad(_: Context) -> None:
        raise ValueError("no")

    @bot.on_error
    async def worse(_: Context, error: Exception) -> None:
        raise KeyError("worse") from error

    await dialog(bot, [("ada", "hi", None), ("ada", "hi", None)])
    assert "on_error failed itself" in caplog.text


async def test_wait_for_takes_the_answer_of_the_right_person() -> None:
    bot = Bot("Bea")

    @bot.command
    async def ask(ctx: Context) -> None:
        await ctx.reply("your name?")
        try:
            said = await ctx.wait_for(MessageReceived, lambda e: e.message.user_id == ctx.message.user_id, timeout_s=30)
        except TimeoutError:
            await ctx.send("too late")
        else:
            await ctx.send(f"hello, {said.message.content}")

    await dialog(
        bot,
        [
            ("ada", "!ask", "your name?"),
            ("bob", "Bob", None),
            ("ada", "Ada L.", "hello, Ada L."),
            ("ada", "!ask", "your name?"),
            Passes(29),
            Passes(1, "too late"),
            ("ada", "Ada", None),
        ],
    )


async def test_wait_for_finds_what_came_while_the_question_was_sent() -> None:
    bot = Bot("Bea")

    @bot.command
    async def ask(ctx: Context) -> None:
        await ctx.reply("ready?")
        talk.room.say("ada", "yes")
        await ctx.sleep(1)
        await ctx.send((await ctx.wait_for(MessageReceived)).message.content)

    async with Talk(bot, ["ada"]) as talk:
        await talk.say("ada", "!ask")
        assert await talk.wait(1) == ["yes"]


async def test_a_check_that_fails_reaches_who_waits() -> None:
    bot = Bot("Bea")

    @bot.command
    async def ask(ctx: Context) -> None:
        def broken(_: Event) -> bool:
            raise ValueError("broken")

        await ctx.wait_for(Event, broken)

    with pytest.raises(ValueError, match="broken"):
        await dialog(bot, [("ada", "!ask", None), ("ada", "x", None)])


async def test_every_comes_after_each_pause() -> None:
    bot = Bot("Bea")

    @bot.every(minutes=5)
    async def remind(ctx: Context) -> None:
        await ctx.send("drink water")
        await ctx.sleep(60)

    await dialog(
        bot,
        [
            ("ada", "hi", None),
            Passes(299),
            Passes(1, "drink water"),
            Passes(359),
            Passes(1, "drink water"),
        ],
    )


async def test_hooks_of_the_beginning_and_the_end() -> None:
    bot = Bot("Bea")
    ended: list[str] = []

    @bot.on_ready
    async def ready(ctx: Context) -> None:
        await ctx.send("here I am")

    @bot.on_close()
    async def close(ctx: Context) -> None:
        await ctx.send("good-bye")

    @bot.on_message
    async def waits(ctx: Context) -> None:
        try:
            await ctx.wait_for(ParticipantJoined)
        except (SessionClosedError, asyncio.CancelledError):
            ended.append("waits")
            raise

    async with Talk(bot, ["ada"]) as talk:
        assert await talk.answers() == ["here I am"]
        await talk.say("ada", "hi")
    assert ended == ["waits"]
    assert [m.content for m in talk.messages] == ["here I am", "good-bye"]


async def test_a_closing_hook_that_hangs_is_left() -> None:
    bot = Bot("Bea")

    @bot.on_close
    async def close(_: Context) -> None:
        await asyncio.Event().wait()

    async with Talk(bot, ["ada"]) as talk:
        others = talk.clock.sleepers
        talk.stop()
        await talk.clock.advance(4.9)
        assert talk.clock.sleepers == others + 1
        await talk.clock.advance(0.2)
        assert talk.clock.sleepers == others


async def test_moderation_goes_through_the_session() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def strict(ctx: Context) -> None:
        assert ctx.author is not None
        await ctx.session.mute(ctx.author.user_id)
        await ctx.session.delete(ctx.message.id)

    async with Talk(bot, ["ada", "bob"], bot_role=Role.MODERATOR) as talk:
        await talk.say("bob", "spam")
        bob = talk.room.find("bob")
        assert bob is not None
        assert bob.is_muted
    async with Talk(bot, ["ada", "bob"]) as talk:
        with pytest.raises(Exception, match="neither host nor moderator"):
            await talk.say("bob", "spam")


async def test_a_dialogue_that_goes_otherwise_shows_itself() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.message.content)

    with pytest.raises(AssertionError, match=r"expected \['b'\], got \['a'\].*\nada: a\nBea: a"):
        await dialog(bot, [("ada", "a", "b")])
    assert await dialog(bot, [("ada", "a", "a")]) == ["ada: a", "Bea: a"]


def test_what_cannot_be_registered() -> None:
    bot = Bot("Bea")
    with pytest.raises(UsageError, match="class of events"):
        bot.on("message")  # pyright: ignore[reportArgumentType, reportUnknownMemberType]
    with pytest.raises(UsageError, match="not an async"):
        bot.on_message(lambda ctx: None)  # pyright: ignore
    for pause in (0, -1, float("inf"), float("nan")):
        with pytest.raises(UsageError, match="over 0"):
            bot.every(seconds=pause)
    for name in ("", "  ", "x" * 51):
        with pytest.raises(UsageError, match="1 to 50"):
            Bot(name)
    for prefix in ("", "a b"):
        with pytest.raises(UsageError, match="prefix"):
            Bot("Bea", prefix)


def test_a_handler_takes_what_it_is_called_with() -> None:
    bot = Bot("Bea")

    async def nothing() -> None: ...
    async def one(ctx: Context) -> None: ...
    async def two(ctx: Context, event: ParticipantJoined, more: int = 0) -> None: ...
    async def keyword(ctx: Context, *, event: ParticipantJoined) -> None: ...

    for_one = (bot.on_message, bot.on_turn, bot.every(minutes=1), bot.on_ready, bot.on_close)
    for decorate in for_one:
        for wrong in (nothing, two, keyword):
            with pytest.raises(UsageError, match=rf"'{wrong.__name__}': it takes .* called with \(ctx\) "):
                decorate(wrong)  # pyright: ignore[reportArgumentType, reportCallIssue]
        decorate(one)
    for_two = ((bot.on(ParticipantJoined), "event"), (bot.on_error, "error"))
    for decorate, second in for_two:
        for wrong in (nothing, one, keyword):
            with pytest.raises(UsageError, match=rf"called with \(ctx, {second}\) ") as refused:
                decorate(wrong)  # pyright: ignore[reportArgumentType]
            assert refused.value.hint == f"write `async def {wrong.__name__}(ctx, {second})`"
        decorate(two)  # pyright: ignore[reportArgumentType]


async def test_the_canned_model_says_that_it_is_canned() -> None:
    model = CannedModel()
    first = "".join([piece async for piece in model.answer([ChatMessage("user", "why?")])])
    assert first.startswith("(canned) ")
    assert first == "".join([piece async for piece in model.answer([ChatMessage("user", "why?")])])
    assert model.name == "canned"
    assert "".join([piece async for piece in model.answer([])])
    with pytest.raises(ValueError, match="at least one"):
        CannedModel([])
