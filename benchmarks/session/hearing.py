"""What it costs a process to hear a message: from the socket to the loop of who reads."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.report import Limit, Report
from spaces_sdk.clock import SystemClock
from spaces_sdk.events import MessageReceived
from spaces_sdk.realtime import RealtimeClient
from spaces_sdk.session import PresenceMode, RoomSession, SessionOptions
from tests.support.fake_room import FakeApi, LooseRoom

MESSAGES: Final = 2000
TURNS: Final = 8
AT_MOST: Final = 2.0

Hear = Callable[[int], Awaitable[None]]
"""Returns when that many more messages have been heard."""


class Source:
    """The server's process, and how it is told to speak."""

    def __init__(self, port: int, control: ClientConnection) -> None:
        self.url = f"ws://127.0.0.1:{port}/realtime/v1/websocket"
        self._control = control

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncGenerator[Source]:
        """From its start to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.session.server", stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            port = int(await process.stdout.readline())
            async with connect(f"ws://127.0.0.1:{port}", proxy=None, compression=None) as control:
                yield cls(port, control)
        finally:
            process.kill()
            await process.wait()

    async def say(self, room: LooseRoom, first: int, count: int) -> None:
        """Messages with the positions from `first` on."""
        told = {"topic": room.topic, "room_id": str(room.id), "first": first, "count": count}
        await self._control.send(json.dumps({"bench": told}))


async def raw(stack: AsyncExitStack, source: Source, room: LooseRoom) -> Hear:
    """`websockets` and `json.loads` of each payload: the least that anybody could do."""
    connection = await stack.enter_async_context(
        connect(f"{source.url}?vsn=2.0.0", proxy=None, compression=None, ping_interval=None)
    )
    await connection.send(json.dumps(["1", "1", f"realtime:{room.topic}", "phx_join", {}]))
    await connection.recv()

    async def hear(count: int) -> None:
        async for data in connection:
            assert isinstance(data, bytes)
            json.loads(data[5 + data[1] + data[2] + data[3] :])
            count -= 1
            if not count:
                return

    return hear


async def session(stack: AsyncExitStack, source: Source, room: LooseRoom) -> Hear:
    """A session's `events()`, with all that it promises; its database is in memory and silent meanwhile."""

    async def token() -> str:
        return "header.payload.signature"

    client = await stack.enter_async_context(RealtimeClient(source.url, api_key="key", token=token))
    entered = await stack.enter_async_context(
        RoomSession(
            api=FakeApi(room),
            realtime=client,
            room=room.code,
            display_name="Bob",
            options=SessionOptions(presence=PresenceMode.OFF),
        )
    )
    events = entered.events()

    async def hear(count: int) -> None:
        async for event in events:
            if isinstance(event, MessageReceived):
                count -= 1
                if not count:
                    assert entered.is_connected
                    return

    return hear


async def realtime_py(stack: AsyncExitStack, source: Source, room: LooseRoom) -> Hear:
    """The client of supabase-py, with a callback that counts."""
    from realtime import AsyncRealtimeClient

    client = AsyncRealtimeClient(source.url.removesuffix("/websocket"), "key")
    await client.connect()
    stack.push_async_callback(client.close)
    channel = client.channel(room.topic, {"config": {"private": True}})  # pyright: ignore[reportArgumentType]
    heard = 0
    news = asyncio.Event()

    def count_one(_: Any) -> None:
        nonlocal heard
        heard += 1
        news.set()

    channel.on_broadcast("room:message-received", count_one)
    await channel.subscribe()

    async def hear(count: int) -> None:
        goal = heard + count
        while heard < goal:
            news.clear()
            await news.wait()

    return hear


WAYS: Final = {
    "websockets + json.loads": raw,
    "a session's events()": session,
    "realtime-py, a callback": realtime_py,
}


async def of_a_message(report: Report, turns: int = TURNS) -> None:
    """The table; the ways take turns, and the best of each counts: the rest tells about the machine."""
    report.table("CPU of an inbound message", "µs", "of the first", f"limit {AT_MOST:g}")
    best: dict[str, float] = {}
    async with Source.running() as source:
        for turn in range(turns):
            for what, way in WAYS.items():
                report.working_on(f"{what}, turn {turn + 1} of {turns}")
                best[what] = min(best.get(what, float("inf")), await cpu_us(source, way))
    base = next(iter(best.values()))
    for what, us in best.items():
        ratio = us / base
        cell = Limit(ratio, most=AT_MOST) if WAYS[what] is session else ""
        report.row(what, f"{us:.1f}", f"{ratio:.2f}", cell)


async def cpu_us(source: Source, way: Callable[[AsyncExitStack, Source, LooseRoom], Awaitable[Hear]]) -> float:
    """Microseconds of this process for one message."""
    room = LooseRoom(SystemClock())
    async with AsyncExitStack() as stack:
        hear = await way(stack, source, room)
        first = room.head + 1
        await source.say(room, first, MESSAGES // 5)
        await hear(MESSAGES // 5)  # warm
        gc.collect()
        began = time.process_time()
        await source.say(room, first + MESSAGES // 5, MESSAGES)
        await hear(MESSAGES)
        return (time.process_time() - began) / MESSAGES * 1e6
