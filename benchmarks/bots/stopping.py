"""How long it takes from a stop to silence."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from uuid import UUID

from benchmarks.bots.audience import LISTENERS, PAUSE_S, audience, interval_ms, named
from benchmarks.bots.times import at_share, p50_p95
from benchmarks.report import Limit, Report
from benchmarks.session.people import Stage
from spaces_sdk.events import MessageChunk, MessageUpdated
from spaces_sdk.session import MessageWriter, RoomSession

STOPS: Final = 20
AT_MOST: Final = 1.0


async def of_stops(report: Report, stage: Stage) -> None:
    """The table. The limit is one pause between two parts and the call itself, which a repeated stop shows."""
    report.table("From a stop to silence, ms", "p50", "p95", "of pause + call", f"limit {AT_MOST:g}")
    for listeners in LISTENERS:
        who = named(listeners)
        report.working_on(f"stops, {who}")
        calls, silences, ends = await stops_ms(stage, listeners)
        network = at_share(calls, 0.95)
        report.row(f"the call alone, {who}", *p50_p95(calls), "", "")
        for what, times in (("last part heard", silences), ("writing ended", ends)):
            ratio = at_share(times, 0.95) / (interval_ms(listeners) + network)
            report.row(f"{what}, {who}", *p50_p95(times), f"{ratio:.2f}", Limit(ratio, most=AT_MOST))


async def stops_ms(stage: Stage, listeners: int) -> tuple[list[float], list[float], list[float]]:
    """Of some stops: a call that changes nothing, the last part heard by anybody (0: none), the end of the block."""
    calls: list[float] = []
    silences: list[float] = []
    ends: list[float] = []
    async with audience(stage, "Stopping", listeners) as (writer, sessions):
        for number in range(STOPS):
            out = writer.stream()
            hearing = [asyncio.create_task(_last_heard(session, out.message_id)) for session in sessions]
            talking = asyncio.create_task(_talk(out))
            await asyncio.sleep(0.4 + number * 0.017)  # anywhere between two parts
            began = time.perf_counter()
            await sessions[0].stop_stream(out.message_id)
            ends.append((await talking - began) * 1000)
            silences.append(max(0.0, *[(await task - began) * 1000 for task in hearing]))
            began = time.perf_counter()
            await sessions[0].stop_stream(out.message_id)
            calls.append((time.perf_counter() - began) * 1000)
    return calls, silences, ends


async def _talk(out: MessageWriter) -> float:
    """Until it is stopped; when the block ended."""
    ended = 0.0
    async with out:
        try:
            while True:
                await out.write("token ")
                await asyncio.sleep(PAUSE_S)
        finally:
            ended = time.perf_counter()
    return ended


async def _last_heard(session: RoomSession, message_id: UUID) -> float:
    """When the last part was heard, of all that come before the end."""
    last = float("-inf")
    async for event in session.events():
        match event:
            case MessageChunk() if event.message_id == message_id:
                last = time.perf_counter()
            case MessageUpdated() if event.message.id == message_id:
                break
            case _:
                pass
    return last
