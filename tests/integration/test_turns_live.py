"""Turns on a real stack: two bots in each mode, a host's pick, two processes of one bot, restarts, and a stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from spaces_sdk import Bot, Context, MessageReceived
from spaces_sdk.events import MessageChunk, MessageUpdated, ParticipantJoined, StateUpdated
from spaces_sdk.models import Message, MessageStatus, Room
from tests.integration.people import LocalPeople, People, Person, Visit
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

WITHIN_S = 90.0


def talker(name: str) -> Bot:
    """Repeats what it is its turn to answer."""
    bot = Bot(name)

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        await ctx.reply(f"{name} heard {ctx.message.content}")

    return bot


@asynccontextmanager
async def at_work(bot: Bot, account: Person, *rooms: Room) -> AsyncGenerator[asyncio.Task[None]]:
    """The bot in the rooms until the block is left."""
    codes = [room.room_code for room in rooms]
    task = asyncio.create_task(bot.start(account.spaces, *codes), name=f"{bot.name} at work")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def scene(people: People, **settings: Any) -> tuple[Room, Visit, list[Person]]:
    """Ada's room with those settings of turns, and the accounts of Bea and Otto."""
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Turns")
    if settings:
        await ada.spaces.rooms.update_room_state(room.id, settings={"spaces": settings})
    visit = await people.enter(ada, room)
    return room, visit, [await people.person(name, is_bot=True) for name in ("Bea", "Otto")]


def answers(visit: Visit, question: Message | None = None) -> list[str]:
    """What bots have said and finished, in order."""
    rows = [m for m in visit.session.messages if m.sender_kind == "bot" and m.status is MessageStatus.FINAL]
    return [m.content for m in rows if question is None or m.reply_to == question.id]


async def hears(visit: Visit, question: Message, expected: set[str]) -> None:
    await eventually(
        lambda: set(answers(visit, question)) == expected, WITHIN_S, what=lambda: f"{expected} in {answers(visit)}"
    )


async def both_there(visit: Visit) -> None:
    for name in ("Bea", "Otto"):
        await visit.sees(ParticipantJoined, lambda e, name=name: e.participant.display_name == name, WITHIN_S)


@pytest.mark.parametrize(
    ("mode", "talks"),
    [
        ("mention", [("hello", set[str]()), ("@Bea hello", {"Bea"}), ("@otto and @bea", {"Bea", "Otto"})]),
        ("everyone", [("hello", {"Bea", "Otto"}), ("@Otto hello", {"Otto"})]),
        ("first", [("hello", None), ("@Otto hello", {"Otto"})]),
        ("round_robin", [("one", None), ("two", None), ("three", None), ("@Bea hello", {"Bea"})]),
        ("host_picks", [("hello", set[str]()), ("@Bea hello", set[str]())]),
    ],
)
async def test_who_answers_in_each_mode(people: People, mode: str, talks: list[tuple[str, set[str] | None]]) -> None:
    room, ada, (bea, otto) = await scene(people, turn_mode=mode)
    async with at_work(talker("Bea"), bea, room), at_work(talker("Otto"), otto, room):
        await both_there(ada)
        one_each: list[str] = []
        for content, expected in talks:
            question = await ada.session.send(content)
            if expected is None:
                await eventually(lambda q=question: answers(ada, q), WITHIN_S, what="one answer")
                one_each += [answer.split()[0] for answer in answers(ada, question)]
            else:
                await hears(ada, question, {f"{name} heard {content}" for name in expected})
        # A question to the picked one shows that all that was asked before has been decided.
        picked = await ada.session.send("and you, Otto?") if mode == "host_picks" else None
        if picked is not None:
            state = await ada.session.give_turn(otto.user_id)
            assert state.turn is not None
            assert (state.turn.user_id, state.turn.message_id) == (otto.user_id, picked.id)
            await hears(ada, picked, {"Otto heard and you, Otto?"})
        expected_count = sum(1 if names is None else len(names) for _, names in talks) + (picked is not None)
        assert len(answers(ada)) == expected_count
        if mode == "round_robin":
            # Who has come into the room enters the turns a moment later: the first may be asked alone.
            assert sorted(one_each[-2:]) == ["Bea", "Otto"]


async def test_who_says_nothing_leaves_it_to_the_other(people: People) -> None:
    quiet = Bot("Bea")
    heard: list[str] = []

    @quiet.on_turn
    async def listen(ctx: Context) -> None:
        heard.append(ctx.message.content)

    room, ada, (bea, otto) = await scene(people, turn_mode="round_robin")
    async with at_work(quiet, bea, room), at_work(talker("Otto"), otto, room):
        await both_there(ada)
        for content in ("one", "two", "three"):
            question = await ada.session.send(content)
            await hears(ada, question, {f"Otto heard {content}"})
    assert heard, "it was asked before Otto, at least when Otto had answered"
    assert len(heard) == len(set(heard))


async def test_a_pick_of_an_old_message_and_while_the_bot_was_away(people: People) -> None:
    room, ada, (bea, _) = await scene(people, turn_mode="host_picks")
    old = await ada.session.send("the first of all")
    for index in range(5):
        await ada.session.send(f"more {index}")
    bot = talker("Bea")
    async with at_work(bot, bea, room):
        await ada.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea", WITHIN_S)
        await ada.session.give_turn(bea.user_id, old.id)
        await hears(ada, old, {"Bea heard the first of all"})
    later = await ada.session.send("later")
    await ada.session.give_turn(bea.user_id)
    async with at_work(bot, bea, room):
        await hears(ada, later, {"Bea heard later"})
    assert len(answers(ada)) == 2


async def test_bots_that_answer_each_other_come_to_an_end(people: People) -> None:
    room, ada, (bea, otto) = await scene(people, turn_mode="everyone", bot_depth=2)
    async with at_work(talker("Bea"), bea, room), at_work(talker("Otto"), otto, room):
        await both_there(ada)
        await ada.session.send("go")
        # Two answer Ada, each of them is answered by the other, and each of those answers too: depth 0, 1, 2.
        await eventually(lambda: len(answers(ada)) == 6, WITHIN_S, what=lambda: str(answers(ada)))
        quiet = await ada.session.send("@Bea enough")
        await hears(ada, quiet, {"Bea heard @Bea enough"})
        assert len(answers(ada)) == 7


async def test_when_the_budget_is_spent_the_room_says_so(people: People) -> None:
    room, ada, (bea, _) = await scene(people, bot_tokens_per_day=10)
    bot = Bot("Bea")

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        ctx.count_tokens(10)
        await ctx.reply("dear")

    @bot.command
    async def ping(ctx: Context) -> None:
        await ctx.reply("pong")

    async with at_work(bot, bea, room):
        await ada.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea", WITHIN_S)
        await ada.session.send("hi")
        spent = await ada.sees(StateUpdated, lambda e: e.state.bots_resume_at is not None, WITHIN_S)
        assert spent.state.bots_resume_at is not None
        silent = await ada.session.send("hi again")
        # Claims go in the order of the messages: with this answer that one has been decided.
        await hears(ada, await ada.session.send("!ping"), {"pong"})
        await ada.session.update_room_state(settings={"spaces": {"bot_tokens_per_day": 1000}})
        await ada.sees(StateUpdated, lambda e: e.pos is not None and e.pos > silent.seq, WITHIN_S)
        more = await ada.session.send("and now?")
        await hears(ada, more, {"dear"})
        assert answers(ada, silent) == []


async def test_two_processes_of_one_bot_answer_once(people: People) -> None:
    room, ada, (bea, _) = await scene(people)
    async with at_work(talker("Bea"), bea, room), at_work(talker("Bea"), bea, room):
        await ada.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea", WITHIN_S)
        questions = [await ada.session.send(str(index)) for index in range(20)]
        for question in questions:
            await hears(ada, question, {f"Bea heard {question.content}"})
    assert len(answers(ada)) == 20


async def test_two_bots_of_one_name_are_two(people: People) -> None:
    room, ada, _ = await scene(people, turn_mode="everyone")
    twins = [await people.person("Bea", is_bot=True) for _ in range(2)]
    async with AsyncExitStack() as held:
        for account in twins:
            await held.enter_async_context(at_work(talker("Bea"), account, room))
            await ada.sees(ParticipantJoined, lambda e, a=account: e.participant.user_id == a.user_id, WITHIN_S)
        question = await ada.session.send("@Bea hello")
        await eventually(lambda: len(answers(ada, question)) == 2, WITHIN_S, what=lambda: str(answers(ada)))
    authors = {m.user_id for m in ada.session.messages if m.reply_to == question.id}
    assert authors == {account.user_id for account in twins}


async def test_what_was_asked_during_a_restart_is_answered_once(people: People) -> None:
    room, ada, (bea, _) = await scene(people)
    bot = talker("Bea")
    async with at_work(bot, bea, room):
        await ada.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea", WITHIN_S)
        await hears(ada, await ada.session.send("before"), {"Bea heard before"})
    missed = [await ada.session.send(f"missed {index}") for index in range(3)]
    for _ in range(2):
        async with at_work(bot, bea, room):
            for question in missed:
                await hears(ada, question, {f"Bea heard {question.content}"})
            after = await ada.session.send("after")
            await hears(ada, after, {"Bea heard after"})
    assert len(answers(ada)) == 1 + 3 + 2


async def test_one_that_dies_in_an_answer_is_taken_over(local_people: LocalPeople) -> None:
    room, ada, (bea, _) = await scene(local_people)
    bot = Bot("Bea")
    attempts: list[int] = []

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        attempts.append(1)
        async with ctx.stream() as out:
            await out.write("so far")
            if len(attempts) == 1:
                await asyncio.Event().wait()
        await ctx.send("that is all")

    async with AsyncExitStack() as second:
        async with at_work(bot, bea, room):
            await ada.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea", WITHIN_S)
            question = await ada.session.send("well?")
            await ada.sees(MessageChunk, within_s=WITHIN_S)
            await second.enter_async_context(at_work(bot, bea, room))
            await asyncio.sleep(0)
        # The first has left in the midst of it, and given its turn back.
        await hears(ada, question, {"so far"})
        await ada.sees(MessageReceived, lambda e: e.message.content == "that is all", WITHIN_S)
    own = [m for m in ada.session.messages if m.user_id == bea.user_id]
    assert [(m.content, m.status) for m in own] == [
        ("so far", MessageStatus.STOPPED),
        ("so far", MessageStatus.FINAL),
        ("that is all", MessageStatus.FINAL),
    ]


async def test_whoever_asked_may_stop_the_answer_and_nobody_begins_it_again(people: People) -> None:
    room, ada, (bea, _) = await scene(people)
    bot = Bot("Bea")
    ended: list[str] = []

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("I think")
            try:
                await asyncio.Event().wait()  # a model that hangs
            finally:
                ended.append("the wait")
        ended.append(f"stopped: {out.is_stopped}")

    bob = await people.enter(await people.person("Bob"), room.room_code)
    async with at_work(bot, bea, room):
        await ada.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea", WITHIN_S)
        await bob.session.send("what do you think?")
        part = await bob.sees(MessageChunk, within_s=WITHIN_S)
        await bob.session.stop_stream(part.message_id)
        await eventually(lambda: ended == ["the wait", "stopped: True"], WITHIN_S, what=lambda: str(ended))
    async with at_work(bot, bea, room):
        next_one = await ada.session.send("and you?")
        part = await ada.sees(MessageReceived, lambda e: e.message.reply_to == next_one.id, WITHIN_S)
        await ada.session.stop_stream(part.message.id)
        await ada.sees(MessageUpdated, lambda e: e.message.id == part.message.id, WITHIN_S)
    own = [m.status for m in ada.session.messages if m.user_id == bea.user_id]
    assert own == [MessageStatus.STOPPED] * 2


async def test_a_bot_that_is_removed_in_its_answer_ends_cleanly(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    room, ada, (bea, _) = await scene(people)
    bot = Bot("Bea")
    errors: list[Exception] = []

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        async with ctx.stream() as out:
            while True:
                await out.write("and on ")
                await ctx.sleep(0.02)

    @bot.on_error
    async def failed(_: Context, error: Exception) -> None:
        errors.append(error)

    async with at_work(bot, bea, room) as task:
        await ada.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea", WITHIN_S)
        await ada.session.send("go")
        await ada.sees(MessageChunk, within_s=WITHIN_S)
        await ada.session.kick(bea.user_id)
        await asyncio.wait_for(asyncio.shield(task), WITHIN_S)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert errors == []
