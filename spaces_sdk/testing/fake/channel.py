"""The fake Realtime, for one user."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from uuid import UUID

from spaces_sdk.errors import ConnectError, ConnectionLostError, JoinRejectedError
from spaces_sdk.realtime.events import ChannelClosed, ChannelEvent, CloseReason
from spaces_sdk.testing.fake.room import FakeRoom


class FakeRealtime:
    """`RealtimePort` of one user."""

    def __init__(self, room: FakeRoom, user_id: UUID) -> None:
        self.room = room
        self.user_id = user_id
        self.topics: list[str] = []
        self.keys: list[str | None] = []

    def channel(self, topic: str, *, private: bool = True, presence_key: str | None = None) -> FakeChannel:
        self.topics.append(topic)
        self.keys.append(presence_key)
        return FakeChannel(self.room, self.user_id, topic)


class FakeChannel:
    """One join of the room's topic."""

    def __init__(self, room: FakeRoom, user_id: UUID, topic: str) -> None:
        self._room = room
        self._user_id = user_id
        self._topic = topic
        self._items: deque[ChannelEvent] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self.tracked: list[dict[str, Any]] = []

    @property
    def topic(self) -> str:
        return self._topic

    async def join(self, *, timeout_s: float = 15.0) -> None:
        await asyncio.sleep(0)
        waited_s = 0.0
        while self._room.realtime_is_down:
            if waited_s >= timeout_s:
                raise ConnectError("cannot connect: nobody answers")
            await self._room.clock.sleep(0.5)
            waited_s += 0.5
        if self._room.refusals:
            raise self._room.refusals.popleft()
        if not self._room.may_listen(self._user_id, self._topic):
            await self._room.clock.sleep(5)
            raise JoinRejectedError(topic=self._topic, reason="Unauthorized", code="unauthorized")
        self._room.channels.append(self)

    def push(self, item: ChannelEvent) -> None:
        self._items.append(item)
        self._news.set()

    def end(self, reason: CloseReason) -> None:
        if self in self._room.channels:
            self._room.channels.remove(self)
        self.push(ChannelClosed(reason, "the server says so"))

    def drain(self) -> list[ChannelEvent]:
        """What lies in the buffer, taken out."""
        items = list(self._items)
        self._items.clear()
        return items

    async def receive(self) -> ChannelEvent:
        if self._is_over:
            raise ConnectionLostError("cannot receive: the channel has ended")
        while not self._items:
            self._news.clear()
            await self._news.wait()
        item = self._items.popleft()
        self._is_over = isinstance(item, ChannelClosed)
        return item

    async def track(self, meta: dict[str, Any]) -> None:
        self.tracked.append(meta)

    async def leave(self, *, timeout_s: float = 2.0) -> None:
        await asyncio.sleep(0)
        if self in self._room.channels:
            self._room.channels.remove(self)
