"""What a client sends to one channel, each message in its turn."""

from __future__ import annotations

import logging
from collections import deque

from spaces_sdk.local.realtime import channel_events
from spaces_sdk.local.realtime.channel import Channel
from spaces_sdk.local.realtime.channel_events import ChannelCrashError, Work
from spaces_sdk.local.realtime.wire import ClientFrame

_log = logging.getLogger(__name__)


class Inbox:
    """Hands messages to their channel; those that come while the database is asked wait for their turn."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._is_working = False
        self._waiting: deque[ClientFrame] = deque()

    def handle(self, frame: ClientFrame) -> None:
        """Take one message."""
        socket = self.channel.socket
        if self._is_working:
            self._waiting.append(frame)
            socket.count_waiting(1)
            return
        work = self._step(frame)
        if work is not None:
            self._is_working = True
            socket.tasks.start(self._work(work), name="channel")

    async def _work(self, work: Work) -> None:
        socket = self.channel.socket
        try:
            await self._guarded(work)
            while self._waiting and not self.channel.has_ended:
                socket.count_waiting(-1)
                following = self._step(self._waiting.popleft())
                if following is not None:
                    await self._guarded(following)
        finally:
            self._is_working = False
            socket.count_waiting(-len(self._waiting))
            self._waiting.clear()

    def _step(self, frame: ClientFrame) -> Work | None:
        try:
            return channel_events.handle(self.channel, frame)
        except ChannelCrashError:
            self.channel.crash()
        except Exception:  # noqa: BLE001  # ends this channel only
            _log.exception("a channel failed on a message")
            self.channel.crash()
        return None

    async def _guarded(self, work: Work) -> None:
        try:
            await work()
        except ChannelCrashError:
            self.channel.crash()
        except Exception:  # noqa: BLE001  # ends this channel only
            _log.exception("a channel failed on a message")
            self.channel.crash()
