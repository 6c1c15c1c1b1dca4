"""The channel that a session hears through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random
from typing import Final

from spaces_sdk.clock import Clock
from spaces_sdk.errors import ConnectionLostError, JoinRejectedError, SpacesError
from spaces_sdk.realtime.events import (
    BroadcastReceived,
    ChannelClosed,
    ChannelEvent,
    ChannelOverflowed,
    CloseReason,
    PresenceChanged,
    PresenceSynced,
)
from spaces_sdk.session.api import ChannelPort, RealtimePort
from spaces_sdk.session.pacing import Pace
from spaces_sdk.session.presence_watch import PresenceWatch
from spaces_sdk.session.tasks import TaskOwner

logger = logging.getLogger("spaces_sdk.session")

# A reader that never waits would leave the consumers no turn while a burst is taken in.
BURST: Final = 64


class Link:
    """Owns at most one live channel and its reader.

    Args:
        on_broadcast: Called with name and payload, on the reader's task: must not wait, must not raise.
        on_gap: The buffer overflowed, or something on the topic was unreadable.
        presence: Told who is present; only the lease decides.
        on_closed: The channel has ended.

    Attributes:
        pace: When the channel may be joined again.
        joins: Channels joined so far.
        last_error: Why the last join failed, or the last channel ended.
    """

    def __init__(
        self,
        realtime: RealtimePort,
        *,
        clock: Clock,
        random: Random,
        tasks: TaskOwner,
        on_broadcast: Callable[[str, object], None],
        on_gap: Callable[[], None],
        presence: PresenceWatch,
        on_closed: Callable[[CloseReason], None],
    ) -> None:
        self._realtime = realtime
        self._clock = clock
        self._tasks = tasks
        self._on_broadcast = on_broadcast
        self._on_gap = on_gap
        self._presence = presence
        self._on_closed = on_closed
        self._channel: ChannelPort | None = None
        self._former: set[ChannelPort] = set()
        self._reader: asyncio.Task[None] | None = None
        self.pace = Pace(random)
        self.joins = 0
        self.last_error: SpacesError | None = None

    @property
    def topic(self) -> str | None:
        """Topic of the live channel; None while there is none."""
        return None if self._channel is None else self._channel.topic

    async def join(self, topic: str, *, presence_key: str | None, timeout_s: float) -> None:
        """Join a topic that the database has just named, and read it from then on; it replaces the former channel.

        Cancel-safe: a join that is cancelled leaves the former channel as it was.

        Raises:
            JoinRejectedError: Realtime refused.
            TransportError: Realtime was not reached in time.
        """
        channel = self._realtime.channel(topic, private=True, presence_key=presence_key)
        try:
            await channel.join(timeout_s=timeout_s)
        except SpacesError as error:
            self.last_error = error
            self.pace.failed(error, self._clock.monotonic())
            raise
        self._retire()
        self._channel = channel
        self.joins += 1
        self.pace.joined(self._clock.monotonic())
        self._reader = self._tasks.start(self._read(channel), name=f"channel-reader {topic}")
        if presence_key is not None:
            self._tasks.start(self._track(channel, presence_key), name=f"presence {topic}")

    async def leave(self, *, timeout_s: float) -> None:
        """Leave the channel, and former ones that are not yet left. Never raises for the network."""
        channel, self._channel = self._channel, None
        await self._tasks.stop(self._reader)
        if channel is not None:
            self._former.add(channel)
        await asyncio.gather(*(self._leave(former, timeout_s) for former in self._former))

    def _retire(self) -> None:
        former, self._channel = self._channel, None
        if self._reader is not None:
            self._reader.cancel()
        if former is not None:
            self._former.add(former)
            self._tasks.start(self._leave(former, 2.0), name=f"leave {former.topic}")

    async def _leave(self, channel: ChannelPort, timeout_s: float) -> None:
        try:
            await channel.leave(timeout_s=timeout_s)
        except SpacesError as error:
            logger.debug("leaving %s: %s", channel.topic, error)
        self._former.discard(channel)

    async def _track(self, channel: ChannelPort, key: str) -> None:
        try:
            await channel.track({"connection_id": key})
        except SpacesError as error:
            logger.info("presence on %s is off: %s", channel.topic, error)

    async def _read(self, channel: ChannelPort) -> None:
        taken = 0
        while channel is self._channel:
            try:
                item = await channel.receive()
            except ConnectionLostError as error:
                item = ChannelClosed(CloseReason.SOCKET_LOST, error.message)
            if self._take(channel, item):
                return
            taken += 1
            if taken % BURST == 0:
                await asyncio.sleep(0)

    def _take(self, channel: ChannelPort, item: ChannelEvent) -> bool:
        """Pass one item on; True after the last one."""
        if channel is not self._channel:
            return True
        match item:
            case BroadcastReceived(event=event, payload=payload):
                self._on_broadcast(event, payload)
            case ChannelOverflowed():
                self._on_gap()
            case PresenceChanged(joins=joins, leaves=leaves):
                self._presence.changed(joins, leaves)
            case PresenceSynced(state=state):
                self._presence.replaced(state)
            case ChannelClosed(reason=reason, message=message):
                self._channel = None
                self.pace.closed(reason, self._clock.monotonic())
                self.last_error = ConnectionLostError(f"Realtime closed the channel ({reason}): {message}")
                self._on_closed(reason)
                return True
        return False


def speaks_against_lease(error: SpacesError) -> bool:
    """Whether a refused join may mean that the database has taken our place away."""
    return isinstance(error, JoinRejectedError) and not error.retryable
