"""A Realtime server in memory: the replaceable bottom of the client, without sockets and without time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from spaces_sdk.realtime.frames import Message
from spaces_sdk.realtime.options import RealtimeOptions
from spaces_sdk.realtime.protocol import Vsn
from spaces_sdk.realtime.wire import Wire, WireClosed
from tests.support.phoenix import Answer, Manners, database_broadcast, phx_close, server_text


class MemoryWire:
    """One connection; the test speaks for the server."""

    def __init__(self, vsn: Vsn, override: Answer | None) -> None:
        self.vsn = vsn
        self.manners = Manners(vsn, override)
        self.is_open = True
        self._inbox: asyncio.Queue[str | bytes | WireClosed] = asyncio.Queue()

    # The client's side

    async def read(self, on_data: Callable[[str | bytes], None]) -> WireClosed:
        while True:
            data = await self._inbox.get()
            if isinstance(data, WireClosed):
                return data
            on_data(data)

    async def send(self, data: str) -> None:
        if self.is_open:
            for answer in self.manners.answers(data):
                self.push(answer)

    async def close(self) -> None:
        self.cut(1000)

    def abort(self) -> None:
        self.cut(1006)

    # The server's side

    def push(self, message: Message) -> None:
        """Say something."""
        self.push_raw(server_text(self.vsn, message))

    def push_raw(self, data: str | bytes) -> None:
        """Say something that may make no sense."""
        if self.is_open:
            self._inbox.put_nowait(data)

    def broadcast(self, topic: str, event: str, payload: Any, *, message_id: str = "m-1") -> None:
        """A message from the database on a topic (without prefix)."""
        self.push_raw(database_broadcast(f"realtime:{topic}", event, payload, message_id=message_id))

    def end(self, topic: str) -> None:
        """Close the newest join of a topic (without prefix)."""
        self.push(phx_close(self.join_ref(topic), f"realtime:{topic}"))

    def cut(self, code: int = 1006, reason: str = "") -> None:
        """End the connection."""
        if self.is_open:
            self.is_open = False
            self._inbox.put_nowait(WireClosed(code, reason))

    def join_ref(self, topic: str) -> str:
        """The ref of the newest join of a topic (without prefix)."""
        joins = [m for m in self.manners.received if m.event == "phx_join" and m.topic == f"realtime:{topic}"]
        assert joins, f"no join of {topic}"
        return joins[-1].ref or ""


class MemoryServer:
    """Opens connections, or fails as told.

    Attributes:
        wires: The connections, oldest first.
        failures: What the next attempts raise, one each; then they succeed.
        override: Given to each new connection, see `Manners`.
        urls: What was asked for.
    """

    def __init__(self, *, vsn: Vsn = Vsn.V2, override: Answer | None = None) -> None:
        self.vsn = vsn
        self.override = override
        self.wires: list[MemoryWire] = []
        self.failures: deque[Exception] = deque()
        self.urls: list[str] = []
        self.is_hanging = False

    async def connect(self, url: str, options: RealtimeOptions) -> Wire:
        """The `Connector` for a client."""
        self.urls.append(url)
        while self.is_hanging:
            await asyncio.get_running_loop().create_future()
        if self.failures:
            raise self.failures.popleft()
        wire = MemoryWire(self.vsn, self.override)
        self.wires.append(wire)
        return wire

    @property
    def wire(self) -> MemoryWire:
        """The newest connection."""
        return self.wires[-1]
