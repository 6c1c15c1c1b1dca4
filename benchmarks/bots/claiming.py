"""What it costs that one of many processes answers: an echo that asks the database first, and one that does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from benchmarks.bots.times import at_share, p50_p95
from benchmarks.report import Limit, Report
from benchmarks.session.people import Stage
from spaces_sdk import Bot, Context
from spaces_sdk.events import MessageReceived, ParticipantJoined
from spaces_sdk.session import PresenceMode, SessionOptions

QUESTIONS: Final = 40
PAUSE_S: Final = 0.1
TURNS: Final = 3
FASTEST: Final = 0.2
AT_MOST: Final = 2.0


async def echo(ctx: Context) -> None:
    """Say it again."""
    await ctx.reply(ctx.message.content)


WAYS: Final[dict[str, Callable[[Bot], object]]] = {
    "on_message(claim=False): every replica": lambda bot: bot.on_message(claim=False)(echo),
    "on_message: one replica": lambda bot: bot.on_message(echo),
    "on_turn: one replica of one bot": lambda bot: bot.on_turn(echo),
}


async def of_claims(report: Report, stage: Stage) -> None:
    """The table; the bots take turns, and the fastest fifth counts: the rest tells about the machine."""
    report.table("From a question to its echo, ms", "p20", "p50", "p95", "of the first", f"limit {AT_MOST:g}")
    times: dict[str, list[float]] = {}
    for turn in range(TURNS):
        for what, register in WAYS.items():
            report.working_on(f"{what}, turn {turn + 1} of {TURNS}")
            bot = Bot("Echo")
            register(bot)
            times.setdefault(what, []).extend(await echoes_ms(stage, bot))
    base = at_share(next(iter(times.values())), FASTEST)
    for number, (what, found) in enumerate(times.items()):
        fast = at_share(found, FASTEST)
        limit = Limit(fast / base, most=AT_MOST) if number else ""
        report.row(what, f"{fast:,.1f}", *p50_p95(found), f"{fast / base:.2f}", limit)


async def echoes_ms(stage: Stage, bot: Bot) -> list[float]:
    """Of some questions, one after the other."""
    person, account = await stage.person("Ada"), await stage.person("Echo", is_bot=True)
    room = await person.rooms.create_room("Echoes")
    times: list[float] = []
    async with AsyncExitStack() as held:
        session = await held.enter_async_context(
            person.join(room.id, display_name="Ada", options=SessionOptions(presence=PresenceMode.OFF))
        )
        events = session.events()
        running = asyncio.create_task(bot.start(account, room.room_code))
        async for event in events:
            if isinstance(event, ParticipantJoined):
                break
        for number in range(QUESTIONS + 1):
            began = time.perf_counter()
            asked = await session.send(f"question {number}")
            async for event in events:
                if isinstance(event, MessageReceived) and event.message.reply_to == asked.id:
                    break
            if number:  # the first one is for all that is loaded once
                times.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PAUSE_S)  # the bot says that it is done with the one before
        running.cancel()
        await asyncio.wait([running])
    return times
