"""Realtime of the fake backend, for one user."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.errors import ConnectError, ConnectionLostError, JoinRejectedError
from spaces_sdk.realtime.events import ChannelClosed, ChannelEvent, CloseReason
from spaces_sdk.testing.fake.faults import Faults

REFUSED_AFTER_S = 5.0
"""A join that the policies refuse holds up the socket for so long."""

MayListen = Callable[[UUID, str], bool]
"""The policy of the topics: whether a user may listen on one."""


class FakeRealtime:
    """`RealtimePort` of one user.

    Attributes:
        topics, keys: What channels were made for, and the presence key of each.
    """

    def __init__(self, clock: Clock, faults: Faults, user_id: UUID, may_listen: MayListen) -> None:
        self._clock = clock
        self._faults = faults
        self._user_id = user_id
        self._may_listen = may_listen
        self.topics: list[str] = []
        self.keys: list[str | None] = []

    def channel(self, topic: str, *, private: bool = True, presence_key: str | None = None) -> FakeChannel:
        self.topics.append(topic)
        self.keys.append(presence_key)
        return FakeChannel(self._clock, self._faults, topic, lambda: self._may_listen(self._user_id, topic))


class FakeChannel:
    """One join of one topic."""

    def __init__(self, clock: Clock, faults: Faults, topic: str, may_listen: Callable[[], bool] = lambda: True) -> None:
        self._clock = clock
        self._faults = faults
        self._topic = topic
        self._may_listen = may_listen
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
        while self._faults.realtime_is_down:
            if waited_s >= timeout_s:
                raise ConnectError("cannot connect: nobody answers")
            await self._clock.sleep(0.5)
            waited_s += 0.5
        if self._faults.refusals:
            raise self._faults.refusals.popleft()
        if not self._may_listen():
            await self._clock.sleep(REFUSED_AFTER_S)
            raise JoinRejectedError(topic=self._topic, reason="Unauthorized", code="unauthorized")
        self._faults.channels.append(self)

    def push(self, item: ChannelEvent) -> None:
        self._items.append(item)
        self._news.set()

    def end(self, reason: CloseReason) -> None:
        if self in self._faults.channels:
            self._faults.channels.remove(self)
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
        if self in self._faults.channels:
            self._faults.channels.remove(self)
