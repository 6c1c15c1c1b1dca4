"""One bare Realtime socket that goes on listening, whatever the room has decided."""

from __future__ import annotations

import asyncio

from spaces_sdk.clock import Clock
from spaces_sdk.demo.checks import fail
from spaces_sdk.realtime import (
    BroadcastReceived,
    Channel,
    ChannelClosed,
    ChannelEvent,
    RealtimeClient,
    RealtimeOptions,
    realtime_url,
)


class Ear:
    """A channel of the socket, and all that came through it.

    Attributes:
        heard: Every event of the channel but its end, oldest first.
        closed_by: Why the channel ended; empty while it is open.
    """

    def __init__(self, channel: Channel) -> None:
        self.heard: list[ChannelEvent] = []
        self.closed_by = ""
        self._channel = channel
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._listen(), name=f"ear on {channel.topic}")

    async def _listen(self) -> None:
        while not self.closed_by:
            match await self._channel.receive():
                case ChannelClosed(reason=reason, message=message):
                    self.closed_by = f"{reason}: {message}"
                case event:
                    self.heard.append(event)
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def hears(self, text: str, *, what: str, within_s: float) -> BroadcastReceived:
        """Wait for a broadcast whose event name or payload contains the text.

        Raises:
            CheckFailedError: It did not come, or the channel ended.
        """
        try:
            async with asyncio.timeout(within_s):
                while (found := self._find(text)) is None:
                    if self.closed_by:
                        fail(expected=f"the open socket to hear {what}", seen=f"the channel ended: {self.closed_by}")
                    await self._news.wait()
        except TimeoutError:
            fail(expected=f"the open socket to hear {what} within {within_s:g} s", seen=self.summary())
        return found

    def summary(self, start: int = 0) -> str:
        """The names of what was heard, from a place in `heard` on."""
        names = [e.event if isinstance(e, BroadcastReceived) else type(e).__name__ for e in self.heard[start:]]
        return ", ".join(names) or "nothing"

    def _find(self, text: str) -> BroadcastReceived | None:
        for event in self.heard:
            if isinstance(event, BroadcastReceived) and (text in event.event or text in str(event.payload)):
                return event
        return None

    async def aclose(self) -> None:
        """Stop listening. Idempotent."""
        self._task.cancel()
        await asyncio.wait([self._task])


class OpenSocket:
    """A client without a session: nothing in it follows a room or obeys it."""

    def __init__(self, url: str, *, key: str, access_token: str, clock: Clock) -> None:
        async def token() -> str:
            return access_token

        self._client = RealtimeClient(
            realtime_url(url), api_key=key, token=token, options=RealtimeOptions(proxy=None), clock=clock
        )
        self._ears: list[Ear] = []

    async def __aenter__(self) -> OpenSocket:
        return self

    async def __aexit__(self, *_: object) -> None:
        for ear in self._ears:
            await ear.aclose()
        await self._client.aclose()

    @property
    def connections(self) -> int:
        """How often it has connected; 1 as long as it is the very same socket."""
        return self._client.stats.connects

    async def listen(self, topic: str) -> Ear:
        """Join a topic on this socket. Raises what the join raises."""
        channel = self._client.channel(topic)
        await channel.join()
        ear = Ear(channel)
        self._ears.append(ear)
        return ear
