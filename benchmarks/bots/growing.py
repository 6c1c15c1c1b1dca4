"""How long a token takes from the model to those who listen."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from uuid import UUID

from benchmarks.bots import raw
from benchmarks.bots.audience import LISTENERS, PAUSE_S, audience, interval_ms, named
from benchmarks.bots.times import at_share, p50_p95
from benchmarks.report import Limit, Report
from benchmarks.session.people import Stage
from spaces_sdk.events import MessageChunk
from spaces_sdk.session import RoomSession

ANSWERS: Final = 20
TOKENS: Final = 40
FIRST_AT_MOST: Final = 1.0
EACH_AT_MOST: Final = 1.5


async def of_tokens(report: Report, stage: Stage) -> None:
    """Two tables, for the first token of an answer and for each, in each size of room, beside raw broadcasts.

    The limits are in pauses between two parts: a first token waits for none, any other one for one at most.
    """
    found: dict[int, tuple[list[float], list[float], list[float]]] = {}
    for listeners in LISTENERS:
        report.working_on(f"raw broadcasts, {named(listeners)}")
        bare = await raw.tokens_ms(stage, ["token "] * TOKENS * 2, listeners, PAUSE_S)
        report.working_on(f"answers, {named(listeners)}")
        found[listeners] = bare, *await answers_ms(stage, listeners)
    for which, what, most in ((1, "A first token", FIRST_AT_MOST), (2, "Each token", EACH_AT_MOST)):
        report.table(f"{what}, from model to listener, ms", "p50", "p95", "in pauses", f"limit {most:g}")
        for listeners, times in found.items():
            ratio = at_share(times[which], 0.95) / interval_ms(listeners)
            report.row(f"raw broadcasts, {named(listeners)}", *p50_p95(times[0]), "", "")
            limit = Limit(ratio, most=most)
            report.row(f"a growing answer, {named(listeners)}", *p50_p95(times[which]), f"{ratio:.2f}", limit)


async def answers_ms(stage: Stage, listeners: int) -> tuple[list[float], list[float]]:
    """First tokens, and all tokens, of some answers to each of the listeners."""
    first: list[float] = []
    every: list[float] = []
    async with audience(stage, "Growing", listeners) as (writer, sessions):
        await _one(writer, sessions, [], [])  # for all that is loaded and opened once
        for _ in range(ANSWERS):
            await _one(writer, sessions, first, every)
    return first, every


async def _one(writer: RoomSession, sessions: list[RoomSession], first: list[float], every: list[float]) -> None:
    said: list[tuple[int, float]] = []
    out = writer.stream()
    hearing = [asyncio.create_task(_ends_heard(session, out.message_id, 6 * TOKENS)) for session in sessions]
    async with out:
        for _ in range(TOKENS):
            said.append((out.length + 6, time.perf_counter()))
            await out.write("token ")
            await asyncio.sleep(PAUSE_S)
        # The end brings what is left in one piece with the whole message: no token is measured by it.
        await asyncio.wait(hearing)
    for task in hearing:
        heard = task.result()
        times = [(next(at for end, at in heard if end >= length) - began) * 1000 for length, began in said]
        first.append(times[0])
        every += times


async def _ends_heard(session: RoomSession, message_id: UUID, length: int) -> list[tuple[int, float]]:
    """When how much of the message had been heard."""
    heard: list[tuple[int, float]] = []
    async for event in session.events():
        if isinstance(event, MessageChunk) and event.message_id == message_id:
            heard.append((event.offset + len(event.text), time.perf_counter()))
            if heard[-1][0] >= length:
                break
    return heard
