"""A session on the whole client: room, wire and clock are in memory, everything between them is the product's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

from spaces_sdk.realtime import BroadcastReceived, ChannelEvent, RealtimeClient, RealtimeOptions
from spaces_sdk.realtime.wire import Wire
from spaces_sdk.session import RoomSession, SessionOptions
from spaces_sdk.testing.fake.channel import FakeChannel
from tests.support.clock import FakeClock
from tests.support.fake_room import FakeApi, LooseRoom
from tests.support.memory_wire import MemoryServer, MemoryWire


class Bridge(FakeChannel):
    """Listens to the room as a channel does, and says what it hears on the newest connection."""

    def __init__(self, room: LooseRoom, api: FakeApi, server: MemoryServer) -> None:
        super().__init__(room.clock, room.faults, room.topic)
        self._server = server
        self._steady_room = room

    @property
    def topic(self) -> str:
        return self._steady_room.topic

    def push(self, item: ChannelEvent) -> None:
        if isinstance(item, BroadcastReceived) and self._server.wires and self._server.wire.is_open:
            self._server.wire.broadcast(self.topic, item.event, item.payload)


class Network:
    """Between client and server; `is_down` is no way at all."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self.is_down = False

    async def connect(self, url: str, options: RealtimeOptions) -> Wire:
        """The client's `Connector`."""
        if self.is_down:
            raise OSError("no route")
        return await self._server.connect(url, options)


class Whole:
    """One LIVE session and what is around it."""

    def __init__(self, seed: int, options: SessionOptions | None) -> None:
        self.clock = FakeClock()
        self.room = LooseRoom(self.clock)
        self.api = FakeApi(self.room)
        self.server = MemoryServer()
        self.network = Network(self.server)
        self.room.faults.channels.append(Bridge(self.room, self.api, self.server))
        self.token_pulls = 0
        self.client = RealtimeClient(
            "ws://realtime.test/realtime/v1/websocket",
            api_key="hush",
            token=self._token,
            clock=self.clock,
            random=Random(seed),  # noqa: S311
            connector=self.network.connect,
        )
        self.session = RoomSession(
            api=self.api,
            realtime=self.client,
            room=self.room.code,
            display_name="Bob",
            options=options,
            clock=self.clock,
            random=Random(1000 + seed),  # noqa: S311
        )

    async def _token(self) -> str:
        self.token_pulls += 1
        return f"token-{self.token_pulls}"

    @property
    def wire(self) -> MemoryWire:
        """The newest connection."""
        return self.server.wire

    def cut(self) -> None:
        """No way any more, and the connection is lost."""
        self.network.is_down = True
        self.wire.cut()


@asynccontextmanager
async def whole_session(seed: int = 1, options: SessionOptions | None = None) -> AsyncGenerator[Whole]:
    """A LIVE session; the end closes it and its client."""
    made = Whole(seed, options)
    try:
        await made.session.__aenter__()
        yield made
    finally:
        closing = asyncio.create_task(made.session.aclose())
        await made.clock.advance(10)
        await closing
        await made.client.aclose()
