"""A long answer to many listeners, who come at any time and are cut off, under the message limit of the Free plan."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Final
from uuid import uuid4

import pytest

from spaces_sdk.models import MessageStatus
from spaces_sdk.session import SessionOptions
from tests.bots_load.faults import trouble
from tests.bots_load.listener import Listener
from tests.bots_load.stage import FREE_PLAN, Stage
from tests.support.eventually import eventually

pytestmark = pytest.mark.bots

WORDS: Final = (
    " the",
    "a",
    "nswer",
    " because",
    "\n",
    "ÿ",
    " — ",
    "🌍",
    " 42,",
    " tokens",
    ". ",
    "e\u0301",
    " would",
    " 大きい",
    " listens",
)

LOST: Final = {"position_missing", "chunk_missing", "limit_reached"}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it.

    Attributes:
        seconds: How long the model takes.
        pause_s: Between one fault and the next.
        message_limit: Which a writer that keeps to no limit goes beyond.
        tick_s: How often Realtime reckons.
        heartbeat_s: How often a session asks whether it has everything.
    """

    tokens: int
    listeners: int
    seconds: float
    pause_s: float
    message_limit: int
    tick_s: float
    heartbeat_s: float


SHORT: Final = Size(tokens=600, listeners=4, seconds=3.0, pause_s=0.15, message_limit=2, tick_s=0.5, heartbeat_s=2.0)
FULL: Final = Size(
    tokens=20_000, listeners=20, seconds=75.0, pause_s=0.6, message_limit=FREE_PLAN, tick_s=5.0, heartbeat_s=30.0
)


@pytest.fixture
def size(is_full_load: bool) -> Size:
    return FULL if is_full_load else SHORT


async def come(listener: Listener, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    await listener.watch()


@pytest.mark.parametrize("is_polite", [True, False], ids=["within_the_limit", "beyond_the_limit"])
async def test_all_come_to_the_same_text(size: Size, is_polite: bool, told: list[str]) -> None:
    random = Random(20261123)  # noqa: S311
    tokens: list[str] = []
    message_id, done = uuid4(), Counter[str]()
    limit = FREE_PLAN if is_polite else size.message_limit
    async with Stage.running(message_limit=limit, tick_s=size.tick_s) as stage:
        await stage.run("update spaces.config set heartbeat_s = %s", size.heartbeat_s)
        host, bot = await stage.person("Host"), await stage.guest("Bot", is_bot=True)
        room = await host.spaces.rooms.create_room("A long answer", max_participants=size.listeners + 2)
        guests = [await stage.guest(f"Guest-{number}") for number in range(size.listeners)]
        listeners = [Listener(guest, room.room_code, message_id) for guest in guests]
        witness, *others = listeners  # who is there from the beginning, on a sound network
        # A plan with more room than this one's: its parts come ten a second, whoever listens.
        options = SessionOptions() if is_polite else SessionOptions(stream_messages_per_s=1e6)
        async with (
            asyncio.TaskGroup() as tasks,
            bot.spaces.join(room.room_code, display_name="Bot", options=options) as session,
        ):
            tasks.create_task(witness.watch())
            await eventually(lambda: witness.is_there, what="the witness")
            began = time.monotonic()
            for listener in others:
                tasks.create_task(come(listener, 0.9 * size.seconds * random.random()))
            faults = tasks.create_task(
                trouble(
                    lambda: [listener.guest.network for listener in others if listener.told],
                    bot.network,
                    pause_s=size.pause_s,
                    random=random,
                    done=done,
                )
            )
            async with session.stream(message_id=message_id, timeout_s=60) as out:
                # Beyond the limit, it talks until the limit has been felt, however slow the machine is.
                while len(tokens) < size.tokens or (
                    not is_polite and not witness.gaps and len(tokens) < 4 * size.tokens
                ):
                    tokens.append(random.choice(WORDS))
                    await out.write(tokens[-1])
                    if random.random() < 0.1:
                        late_s = began + size.seconds * len(tokens) / size.tokens - time.monotonic()
                        await asyncio.sleep(max(0.0, late_s))
                out.metadata.update(finish_reason="stop", tokens=len(tokens))
            faults.cancel()
            took_s = time.monotonic() - began
            await eventually(
                lambda: all(listener.message for listener in listeners),
                150.0,
                what=lambda: f"the end at {[x.guest.name for x in listeners if not x.message]}",
            )
        ended_s = time.monotonic() - began
        row = await stage.rows("select content, status, metadata from public.room_messages where id = %s", message_id)
    text = "".join(tokens)
    assert row == [(text, MessageStatus.FINAL, {"finish_reason": "stop", "tokens": len(tokens)})]
    assert [listener.wrong for listener in listeners] == [[]] * len(listeners)
    assert all(listener.told == listener.shown == text for listener in listeners)
    assert all(listener.message == out.message for listener in listeners)
    gaps = sum((listener.gaps for listener in listeners), Counter[str]())
    if is_polite:
        assert not LOST & set(witness.gaps), witness.gaps
    else:
        assert witness.gaps, "beyond the limit Realtime drops what the database says"
    told.append(
        f"{len(tokens):,} tokens, {len(text):,} characters to {size.listeners} listeners"
        f" {'within' if is_polite else 'beyond'} the message limit: written in {took_s:.1f} s, all had it"
        f" {ended_s - took_s:.1f} s later; {sum(done.values())} faults, {sum(gaps.values())} gaps closed"
    )
