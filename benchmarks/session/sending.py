"""How many messages a second one session stores, against one call for each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Final

from benchmarks.report import Limit, Report
from benchmarks.session.people import Stage
from spaces_sdk import Spaces
from spaces_sdk.models import Room
from spaces_sdk.session import RoomSession

AT_LEAST: Final = 10.0
CALLS: Final = 150
AT_ONCE: Final = 20
MESSAGES: Final = 2000
TURNS: Final = 3

Way = Callable[[Spaces, Room, RoomSession, int], Awaitable[None]]


async def one_by_one(spaces: Spaces, room: Room, session: RoomSession, count: int) -> None:
    """Each send awaited before the next."""
    for number in range(count):
        await session.send(f"message {number}")


async def single_calls(spaces: Spaces, room: Room, session: RoomSession, count: int) -> None:
    """One call a message, many at a time: no order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with slots:
            await spaces.rooms.insert_message(room.id, f"message {number}")

    await asyncio.gather(*(one(number) for number in range(count)))


async def all_at_once(spaces: Spaces, room: Room, session: RoomSession, count: int) -> None:
    """`session.send` without waiting for the one before; in order all the same. As many as the queue takes."""
    half = count // 2
    for start in (0, half):
        await asyncio.gather(*(session.send(f"message {start + number}") for number in range(half)))


WAYS: Final[tuple[tuple[str, Way, int], ...]] = (
    ("send, each awaited", one_by_one, CALLS),
    (f"insert_message, {AT_ONCE} calls at once, no order", single_calls, 2 * CALLS),
    ("send, many at once, in order", all_at_once, MESSAGES),
)


async def of_sends(report: Report, stage: Stage) -> None:
    """The table; the ways take turns, the median counts."""
    report.table("Sends of one session", "a second", "of the first", f"limit {AT_LEAST:g}", "a request")
    rates: dict[str, list[float]] = {}
    shared = 0.0
    spaces = await stage.person("Sender")
    room = await spaces.rooms.create_room("Sends")
    async with spaces.join(room.id, display_name="Sender") as session:
        for turn in range(TURNS):
            for what, way, count in WAYS:
                report.working_on(f"{what}, turn {turn + 1} of {TURNS}")
                before = session.stats
                began = time.perf_counter()
                await way(spaces, room, session, count)
                rates.setdefault(what, []).append(count / (time.perf_counter() - began))
                requests = session.stats.send_requests - before.send_requests
                shared = count / requests if requests else 0.0
    base = median(next(iter(rates.values())))
    for what, way, _ in WAYS:
        ratio = median(rates[what]) / base
        is_ours = way is all_at_once
        limit = Limit(ratio, least=AT_LEAST) if is_ours else ""
        report.row(what, f"{ratio * base:,.0f}", f"{ratio:.1f}", limit, f"{shared:.0f}" if is_ours else "1")
