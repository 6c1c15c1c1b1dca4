"""The load that the local Realtime bears, beside raw `websockets` fan-out in the same run.

    python -m benchmarks.realtime [--quick]

500 idle connections, one room with 50 listeners, 200 rooms with 5: deliveries a second, latency, the server's CPU
a delivery, its memory, and the ratio of the two. The clients share the machine with the server. The last line is JSON.
Exit 1: a ratio is beyond its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from benchmarks.realtime.light_client import LightClient, stamped
from benchmarks.realtime.subjects import Subject, local_realtime, raw_websockets

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


async def _main(load: Load) -> int:
    servers: list[Callable[[], AbstractAsyncContextManager[Subject]]] = [local_realtime, raw_websockets]
    measured: list[Figures] = []
    for server in servers:
        async with server() as subject:
            print(f"measuring {subject.name} ...", flush=True)
            measured.append(await measure(subject, load))
    over = _print_table(*measured)
    rounded = {figures.name: {name: round(value, 2) for name, value in figures.values.items()} for figures in measured}
    print(json.dumps(rounded, ensure_ascii=False))
    return 1 if over else 0


def _print_table(ours: Figures, raw: Figures) -> list[str]:
    """The names whose ratio is beyond its limit."""
    over: list[str] = []
    print(f"\n{'':40} {ours.name:>16} {raw.name:>16} {'ratio':>8} {'limit':>8}")
    for name, value in ours.values.items():
        peer, limit = raw.values[name], _LIMITS.get(name)
        ratio = value / peer if peer > 0 else None
        is_over = ratio is not None and limit is not None and ratio > limit
        if is_over:
            over.append(name)
        columns = [f"{'' if number is None else f'{number:.2f}':>8}" for number in (ratio, limit)]
        print(f"{name:40} {value:16,.2f} {peer:16,.2f} {' '.join(columns)}{'  OVER' if is_over else ''}".rstrip())
    return over


def main() -> int:
    """Parse the arguments and run; 1 if a ratio is beyond its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.realtime", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    is_quick = parser.parse_args().quick
    return asyncio.run(_main(Load(400, 800, 50, 1.0) if is_quick else Load()))


if __name__ == "__main__":
    sys.exit(main())
