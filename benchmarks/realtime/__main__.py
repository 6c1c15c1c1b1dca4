"""The load that the local Realtime bears, beside raw `websockets` fan-out in the same run.

    python -m benchmarks.realtime [--quick] [--json PATH] [--write-docs]

500 idle connections, one room with 50 listeners, 200 rooms with 5: deliveries a second, latency, the server's CPU
a delivery, its memory, and the ratio of the two. Exit 1: a ratio is beyond its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from benchmarks.command import parser_of, run
from benchmarks.realtime.light_client import LightClient, stamped
from benchmarks.realtime.subjects import Subject, local_realtime, raw_websockets
from benchmarks.report import Cell, Limit, Report

BYTES = 1000
IN_FLIGHT = 20
"""Messages of a room that are under way at once."""
PACED_PER_S = 50
IDLE = 500
_MIB = 1024 * 1024
_LIMITS = {
    "memory at rest, MiB": 4.0,
    "500 idle: memory each, KiB": 2.5,
    "room of 50: CPU a delivery, µs": 1.0,
    "room of 50: memory, MiB": 4.0,
    "200 rooms of 5: CPU a delivery, µs": 3.0,
}
"""The largest ratios. Those of latency and rate have none: the clients take the same cores."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is sent; `quick` is for a look, not for figures."""

    one_room: int = 4000
    many_rooms: int = 8000
    paced: int = 250
    idle_s: float = 5.0


@dataclass
class Figures:
    """What was measured of one server, by the row's name."""

    name: str
    values: dict[str, float] = field(default_factory=dict[str, float])


async def measure(subject: Subject, load: Load) -> Figures:
    """All loads on one server, one after another."""
    figures = Figures(subject.name, {"memory at rest, MiB": _memory(subject)})
    await _idle(subject, figures, load)
    await _one_room(subject, figures, load)
    await _many_rooms(subject, figures, load)
    return figures


async def _one_room(subject: Subject, figures: Figures, load: Load) -> None:
    listeners = await asyncio.gather(*(subject.join("one") for _ in range(50)))
    sender = listeners[0]
    cpu, began = _cpu(subject), time.monotonic()
    for number in range(load.one_room):
        subject.say(sender, "one", stamped(BYTES))
        await sender.reaches(number + 1 - IN_FLIGHT)
    await asyncio.gather(*(listener.reaches(load.one_room) for listener in listeners))
    deliveries = load.one_room * len(listeners)
    _rate(figures, "room of 50", deliveries, time.monotonic() - began, _cpu(subject) - cpu)
    figures.values["room of 50: memory, MiB"] = _memory(subject)
    for listener in listeners:
        listener.ages = []
    for _ in range(load.paced):
        subject.say(sender, "one", stamped(BYTES))
        await asyncio.sleep(1 / PACED_PER_S)
    await asyncio.gather(*(listener.reaches(load.one_room + load.paced) for listener in listeners))
    _ages(figures, "room of 50", listeners)
    _close(listeners)


async def _many_rooms(subject: Subject, figures: Figures, load: Load) -> None:
    names = [f"room-{number}" for number in range(200)]
    rooms = [await asyncio.gather(*(subject.join(name) for _ in range(5))) for name in names]
    cpu, began = _cpu(subject), time.monotonic()
    each = load.many_rooms // len(rooms)

    async def talk(name: str, listeners: list[LightClient]) -> None:
        for number in range(each):
            subject.say(listeners[0], name, stamped(BYTES))
            await listeners[0].reaches(number + 1)
        await asyncio.gather(*(listener.reaches(each) for listener in listeners))

    await asyncio.gather(*(talk(name, room) for name, room in zip(names, rooms, strict=True)))
    deliveries = each * len(rooms) * 5
    _rate(figures, "200 rooms of 5", deliveries, time.monotonic() - began, _cpu(subject) - cpu)
    everyone = [listener for room in rooms for listener in room]
    for listener in everyone:
        listener.ages = []
    for number in range(load.paced):
        subject.say(rooms[number % len(rooms)][0], names[number % len(rooms)], stamped(BYTES))
        await asyncio.sleep(1 / PACED_PER_S)
    await asyncio.sleep(0.2)
    _ages(figures, "200 rooms of 5", everyone)
    _close(everyone)


async def _idle(subject: Subject, figures: Figures, load: Load) -> None:
    await asyncio.sleep(0.5)
    before = _memory(subject)
    began = time.monotonic()
    clients: list[LightClient] = []
    for batch in range(0, IDLE, 50):
        clients += await asyncio.gather(*(subject.join(f"idle-{batch + number}") for number in range(50)))
    figures.values["500 idle: joins a second"] = IDLE / (time.monotonic() - began)
    figures.values["500 idle: memory each, KiB"] = max(0.0, _memory(subject) - before) * 1024 / IDLE
    cpu = _cpu(subject)
    await asyncio.sleep(load.idle_s)
    figures.values["500 idle: CPU, %"] = (_cpu(subject) - cpu) / load.idle_s * 100
    _close(clients)


def _rate(figures: Figures, name: str, deliveries: int, seconds: float, cpu_s: float) -> None:
    figures.values[f"{name}: deliveries a second"] = deliveries / seconds
    figures.values[f"{name}: CPU a delivery, µs"] = cpu_s / deliveries * 1e6


def _ages(figures: Figures, name: str, listeners: list[LightClient]) -> None:
    ages = sorted(age * 1000 for listener in listeners for age in listener.ages or [])
    figures.values[f"{name}: latency at the median, ms"] = statistics.median(ages)
    figures.values[f"{name}: latency at 99 %, ms"] = ages[int(len(ages) * 0.99)]


def _cpu(subject: Subject) -> float:
    times = subject.process.cpu_times()
    return times.user + times.system


def _memory(subject: Subject) -> float:
    return subject.process.memory_info().rss / _MIB


def _close(clients: list[LightClient]) -> None:
    for client in clients:
        client.close()


async def compare(options: argparse.Namespace) -> Report:
    """Both servers, one after the other, and the ratio of each figure."""
    report = Report("bench-realtime")
    report.begin("both servers and their clients on the same machine")
    load = Load(400, 800, 50, 1.0) if options.quick else Load()
    servers: list[Callable[[], AbstractAsyncContextManager[Subject]]] = [local_realtime, raw_websockets]
    measured: list[Figures] = []
    for server in servers:
        async with server() as subject:
            report.working_on(subject.name)
            measured.append(await measure(subject, load))
    ours, raw = measured
    report.table("The local Realtime", ours.name, raw.name, "ratio", "at most")
    for name, value in ours.values.items():
        peer, most = raw.values[name], _LIMITS.get(name)
        ratio: Cell = ""
        if peer > 0:
            ratio = f"{value / peer:.2f}" if most is None else Limit(value / peer, most=most)
        report.row(name, f"{value:,.2f}", f"{peer:,.2f}", ratio, "" if most is None else f"{most:g}")
    return report


if __name__ == "__main__":
    parser = parser_of("benchmarks.realtime", __doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    sys.exit(run(parser.parse_args(), compare))
