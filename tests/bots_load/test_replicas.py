"""Two replicas of one bot, one of them killed every few seconds: each question is answered exactly once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import pytest

from spaces_sdk.events import MessageReceived, MessageUpdated, ParticipantJoined
from spaces_sdk.models import Kind, Message, MessageStatus
from tests.bots_load.replicas import Replicas
from tests.bots_load.stage import Stage
from tests.integration.people import Visit
from tests.support.eventually import eventually

pytestmark = pytest.mark.bots

LEASE_S: Final = 2.0
OPEN_AT_MOST: Final = 12
ANSWERED_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it.

    Attributes:
        pause_s: Between one kill and the next, on average.
    """

    questions: int
    pause_s: float


SHORT: Final = Size(questions=16, pause_s=0.5)
FULL: Final = Size(questions=500, pause_s=4.0)


@pytest.fixture
def size(is_full_load: bool) -> Size:
    return FULL if is_full_load else SHORT


class Answers:
    """What the one who asked has heard."""

    def __init__(self, asker: Visit) -> None:
        self._asker = asker
        self._read = 0
        self.final: Counter[UUID] = Counter()

    def count(self) -> int:
        """Questions that have an answer by now."""
        events = self._asker.events
        while self._read < len(events):
            match events[self._read]:
                case MessageReceived(message=message) | MessageUpdated(message=message):
                    self._take(message)
                case _:
                    pass
            self._read += 1
        return len(self.final)

    def _take(self, message: Message) -> None:
        if message.reply_to is not None and message.status is MessageStatus.FINAL:
            self.final[message.reply_to] += 1


async def test_each_question_is_answered_once(size: Size, tmp_path: Path, told: list[str]) -> None:
    random = Random(20261123)  # noqa: S311
    async with Stage.running(message_limit=100_000) as stage:
        await stage.run("update spaces.config set turn_lease_s = %s", LEASE_S)
        await stage.run("update spaces.limits set capacity = 1000 where action = 'send'")
        ada = await stage.person("Ada")
        room = await ada.spaces.rooms.create_room("Questions")
        asker = await stage.enter(ada, room)
        answers, asked, enough, began = Answers(asker), list[UUID](), asyncio.Event(), time.monotonic()
        async with (
            Replicas.running(stage, room.room_code, tmp_path, count=2) as replicas,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(replicas.trouble(enough, pause_s=size.pause_s, random=random))
            await asker.sees(ParticipantJoined, lambda event: event.participant.kind is Kind.BOT)
            for number in range(size.questions):
                await answered(answers, replicas, len(asked) - OPEN_AT_MOST)
                asked.append((await asker.session.send(f"question {number}")).id)
            await answered(answers, replicas, len(asked))
            enough.set()
            # Whatever a replica still held back or had to make up for comes before the answer to a later question.
            asked.append((await asker.session.send(f"question {size.questions}")).id)
            await answered(answers, replicas, len(asked))
        took_s = time.monotonic() - began
        rows = await stage.rows(
            """select reply_to, status, count(*) from public.room_messages
               where sender_kind = 'bot' group by reply_to, status"""
        )
        ((taken_over,),) = await stage.rows("select count(*) from spaces.turns where attempt > 1")
    final = {question: count for question, status, count in rows if status == MessageStatus.FINAL}
    stopped = [count for _, status, count in rows if status == MessageStatus.STOPPED]
    twice = sum(count > 1 for count in final.values())
    told.append(
        f"{size.questions} questions to 2 replicas, {replicas.kills} of them killed in {took_s:.0f} s:"
        f" {len(final) - 1} answered, {twice} more than once; {taken_over} taken over, {sum(stopped)} broken off"
    )
    assert replicas.kills
    assert {status for _, status, _ in rows} <= {MessageStatus.FINAL, MessageStatus.STOPPED}, "nothing grows any more"
    assert Counter(final) == Counter(asked), "each once, as the table has it"
    assert answers.final == Counter(asked), "and as the one who asked has heard it"


async def answered(answers: Answers, replicas: Replicas, least: int) -> None:
    await eventually(
        lambda: answers.count() >= least,
        ANSWERED_WITHIN_S,
        what=lambda: f"{least} answers\n{replicas.logs()}",
    )
