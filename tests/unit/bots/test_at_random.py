"""Processes that die, leave, come and lose their network at any moment: each message is handled once all the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from spaces_sdk.bots import Bot, Context
from spaces_sdk.errors import ConnectError, OutcomeUnknownError, RateLimitedError, SpacesError
from spaces_sdk.models import Message, MessageStatus
from spaces_sdk.realtime.events import CloseReason
from tests.support.replica import Replica, Replicas

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

STEPS = 60
SAID: dict[str, list[str]] = {
    "two": ["one", "two"],
    "stream": ["0 1 2 3 4 "],
    "long": ["at last"],
    "fail": ["before"],
    "silent": [],
}
"""What is asked, and what the bot says to it; to each it says `echo` besides."""


def _bot(chance: random.Random) -> Bot:
    bot = Bot("Bea", missed_within_s=86400, missed_count=1000)

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        match ctx.message.content:
            case "two":
                for text in ("one", "two"):
                    await ctx.sleep(4 * chance.random())
                    await ctx.reply(text)
            case "stream":
                async with ctx.stream() as out:
                    for number in range(5):
                        await out.write(f"{number} ")
                        await ctx.sleep(3 * chance.random())
            case "long":
                await ctx.sleep(40)
                await ctx.reply("at last")
            case "fail":
                await ctx.reply("before")
                raise ValueError("a mistake")
            case _:
                pass

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.sleep(chance.random())
        await ctx.reply("echo")

    return bot


class Storm:
    """What befalls a room and its processes."""

    def __init__(self, stage: Replicas, chance: random.Random) -> None:
        self.stage = stage
        self.chance = chance
        self.alive: list[Replica] = []
        self.asked: list[Message] = []
        self.stopped: set[UUID | None] = set()

    async def ask(self) -> None:
        self.asked.append(await self.stage.say(self.chance.choice([*SAID])))

    async def start(self) -> None:
        if len(self.alive) < 3:
            self.alive.append(await self.stage.start())

    async def kill(self) -> None:
        for one in self._one():
            self.alive.remove(one)
            one.kill()

    async def leave(self) -> None:
        for one in self._one():
            self.alive.remove(one)
            await one.leave()

    async def lose_answers(self) -> None:
        for one in self._one():
            one.lose_answers(self.chance.randint(1, 3))

    async def cut_off(self) -> None:
        for one in self._one():
            one.line.is_offline = not one.line.is_offline

    async def fail(self) -> None:
        errors: list[SpacesError] = [
            ConnectError("no network"),
            OutcomeUnknownError("no answer", operation_id=uuid4()),
            RateLimitedError("not so fast", retry_after_s=2.0),
        ]
        calls = ("turns", "insert_message", "begin_stream", "append_stream", "finish_stream")
        for one in self._one():
            one.line.failures[self.chance.choice(calls)] = self.chance.sample(errors, self.chance.randint(1, 2))

    async def disturb_broadcasts(self) -> None:
        faults, chance = self.stage.room.backend.faults, self.chance
        match chance.choice(["lost", "twice", "closed", "held", "held", "overflow"]):
            case "lost":
                faults.lose(chance.randint(1, 5), after=chance.randint(0, 3))
            case "twice":
                faults.double(3)
            case "closed":
                faults.close_channels(chance.choice([CloseReason.SOCKET_LOST, CloseReason.CRASHED]))
            case "held":
                faults.hold()
                await self.stage.clock.advance(chance.uniform(0, 6))
                faults.release(reverse=chance.random() < 0.5)
            case _:
                faults.overflow(3)

    async def stop(self) -> None:
        for message in self.stage.room.said:
            if message.status is MessageStatus.STREAMING:
                self.stopped.add(message.reply_to)
                self.stage.room.stop(message.id)

    async def clear_up(self) -> None:
        """All is well again; who had not come to an end does so."""
        self.stage.room.backend.faults.lose(0)
        for one in self.alive:
            one.line.is_offline, one.line.lost = False, 0
            one.line.failures.clear()
        self.alive.append(await self.stage.start())
        for _ in range(40):
            await self.stage.clock.advance(30)

    def _one(self) -> list[Replica]:
        return [self.chance.choice(self.alive)] if self.alive else []


@pytest.mark.parametrize("seed", range(6))
async def test_each_message_is_handled_once(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  (replayable)
    async with Replicas(lambda _: _bot(chance)) as stage:
        storm = Storm(stage, chance)
        await storm.start()
        acts: dict[Callable[[], Awaitable[None]], int] = {
            storm.ask: 40,
            storm.start: 12,
            storm.kill: 8,
            storm.leave: 5,
            storm.lose_answers: 8,
            storm.cut_off: 8,
            storm.fail: 8,
            storm.disturb_broadcasts: 20,
            storm.stop: 4,
        }
        for act in chance.choices([*acts], [*acts.values()], k=STEPS):
            await act()
            await stage.clock.advance(6 * chance.random())
        await storm.clear_up()
        for question in storm.asked:
            answers = [message for message in stage.room.said if message.reply_to == question.id]
            said = Counter(message.content for message in answers if message.status is MessageStatus.FINAL)
            expected = [] if question.id in storm.stopped else SAID[question.content]
            assert said == Counter(["echo", *expected]), f"{question.seq} {question.content}, seed {seed}"
        assert {type(error) for replica in stage.all for error in replica.errors} <= {ValueError}
