"""Who asked has heard enough: nothing more of the answer comes, and the bot's model is cancelled where it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

import httpx
import pytest

from spaces_sdk import Bot, Context, Spaces
from spaces_sdk.events import MessageChunk, MessageReceived, MessageUpdated, ParticipantJoined
from spaces_sdk.models import Message, MessageStatus
from tests.bots_load.stage import Stage
from tests.integration.lossy import LossyTransport
from tests.integration.people import WITHIN_S, Visit
from tests.support.eventually import eventually

pytestmark = pytest.mark.bots


@dataclass
class Model:
    """Says something again and again; or says something and then hangs."""

    hangs: bool
    ended: list[UUID] = field(default_factory=list[UUID])
    finished: int = 0

    def bot(self) -> Bot:
        bot = Bot("Talker")

        @bot.on_message
        async def answer(ctx: Context) -> None:
            if not ctx.message.content.startswith("question"):
                return
            async with ctx.stream() as out:
                try:
                    for number in range(3 if self.hangs else 100_000):
                        await out.write(f"{number} ")
                        await asyncio.sleep(0.005)
                    await asyncio.Event().wait()
                finally:
                    self.ended.append(ctx.message.id)
            self.finished += 1

        return bot


@pytest.mark.parametrize("hangs", [False, True], ids=["a_model_that_talks", "a_model_that_hangs"])
async def test_nothing_comes_after_the_stop(is_full_load: bool, told: list[str], hangs: bool) -> None:
    random, model, stops, late = Random(20261123), Model(hangs), 20 if is_full_load else 2, 0  # noqa: S311
    async with Stage.running() as stage:
        await stage.run("update spaces.limits set capacity = 1000 where action = 'send'")
        ada, asker = await stage.person("Ada"), await stage.person("Bob")
        room = await ada.spaces.rooms.create_room("Enough")
        host, listener = await stage.enter(ada, room), await stage.enter(asker, room.room_code)
        email, password = await stage.account("Talker", is_bot=True)
        wire = LossyTransport()
        async with (
            httpx.AsyncClient(transport=wire) as http,
            Spaces(stage.stack.url, stage.stack.publishable_key, http_client=http) as spaces,
        ):
            await spaces.auth.sign_in_with_password(email=email, password=password)
            talking = asyncio.create_task(model.bot().start(spaces, room.room_code))
            await host.sees(ParticipantJoined, lambda event: event.participant.display_name == "Talker")
            for number in range(stops):
                question = await listener.session.send(f"question {number}")
                begun = await listener.sees(MessageReceived, lambda e, q=question: e.message.reply_to == q.id)
                await heard(listener, begun.message.id, 1 if hangs else random.randint(1, 4))
                stopped = await listener.session.stop_stream(begun.message.id)
                after = len(wire.sent)
                assert stopped.status is MessageStatus.STOPPED
                await eventually(lambda n=number: model.finished == n + 1, WITHIN_S, what="the end of the block")
                assert model.ended[-1] == question.id
                # What was on its way when the stop came is answered with it; nothing else is asked.
                late += (asked := wire.sent[after:].count("append_stream"))
                assert asked <= (0 if hangs else 1), "the writer was told, and did not have to find out"
                # All that had been said before this is heard before it.
                said = await host.session.send(f"enough of {number}")
                for visit in (host, listener):
                    await visit.sees(MessageReceived, lambda e, s=said: e.message.id == s.id)
                    check_silence(visit, stopped)
            talking.cancel()
            await asyncio.wait([talking])
    told.append(
        f"{stops} answers of a model that {'hangs' if hangs else 'talks'} stopped: no part heard after the stop,"
        f" {late} more asked for by the writer"
    )


async def heard(visit: Visit, message_id: UUID, parts: int) -> None:
    await eventually(
        lambda: len(visit.of(MessageChunk, lambda event: event.message_id == message_id)) >= parts,
        WITHIN_S,
        what=f"{parts} parts",
    )


def check_silence(visit: Visit, stopped: Message) -> None:
    """Part after part what stands in the message now, then the stop, then nothing."""
    text, has_ended = "", False
    for event in visit.events:
        match event:
            case MessageChunk(message_id=stopped.id, offset=offset, text=added):
                assert not has_ended, f"{visit.user.name} heard {added!r} after the stop"
                assert offset == len(text)
                text += added
            case MessageUpdated(message=message) if message.id == stopped.id:
                assert message == stopped
                has_ended = True
            case _:
                pass
    assert has_ended
    assert text == stopped.content
