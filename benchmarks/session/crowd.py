"""Hundreds of sessions in one process: what each takes, and whether it stays so."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import AsyncExitStack
from statistics import median
from typing import Final

import psutil

from benchmarks.report import Limit, Report
from benchmarks.session.people import Stage
from spaces_sdk import Spaces
from spaces_sdk.models import Room
from spaces_sdk.session import PresenceMode, RoomSession, SessionOptions

SIZES: Final = (100, 250, 500)
PEOPLE: Final = 5
AT_ONCE: Final = 10
LINEAR: Final = 1.25


async def of_many(report: Report, stage: Stage) -> None:
    """One room a session, 100 rooms a person; the sessions of one person share sockets."""
    report.table(
        "Sessions in one process", "kB each", f"of the first {SIZES[0]}", f"limit {LINEAR:g}", "join, median", "joins/s"
    )
    people = [await stage.person(f"Person {number}") for number in range(PEOPLE)]
    places: list[tuple[Spaces, Room]] = []
    for number in range(SIZES[-1]):
        report.working_on(f"making room {number}")
        spaces = people[number % PEOPLE]
        places.append((spaces, await spaces.rooms.create_room(f"Room {number}", max_participants=20)))
    async with AsyncExitStack() as stack:
        # What one session loads stays, whoever comes.
        await stack.enter_async_context(places[0][0].join(places[0][1].id, display_name="First"))
        before, first_kb = memory_kb(), 0.0
        sessions: list[RoomSession] = []
        for size in SIZES:
            report.working_on(f"{size} sessions")
            began = time.perf_counter()
            times = await enter(stack, places[len(sessions) : size], sessions)
            rate = len(times) / (time.perf_counter() - began)
            each_kb = (memory_kb() - before) / size
            first_kb = first_kb or each_kb
            ratio = each_kb / first_kb
            cells = (f"{ratio:.2f}", Limit(ratio, most=LINEAR) if size > SIZES[0] else "")
            report.row(f"{size}", f"{each_kb:,.0f}", *cells, f"{median(times) * 1000:,.0f} ms", f"{rate:,.0f}")
        assert all(session.is_connected for session in sessions)
        report.working_on("leaving")
        await asyncio.gather(*(session.aclose() for session in sessions))


async def enter(stack: AsyncExitStack, places: list[tuple[Spaces, Room]], sessions: list[RoomSession]) -> list[float]:
    """Enter so many at a time; returns the seconds that each took."""
    slots = asyncio.Semaphore(AT_ONCE)
    times: list[float] = []

    async def one(spaces: Spaces, room: Room) -> None:
        session = spaces.join(room.id, display_name="Person", options=SessionOptions(presence=PresenceMode.OFF))
        async with slots:
            began = time.perf_counter()
            await stack.enter_async_context(session)
            times.append(time.perf_counter() - began)
        sessions.append(session)

    await asyncio.gather(*(one(spaces, room) for spaces, room in places))
    return times


def memory_kb() -> float:
    """What this process holds in memory."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1024
