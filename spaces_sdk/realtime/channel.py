"""One join of one topic, as its user holds it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import (
    AuthError,
    ChannelError,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    SpacesError,
    UsageError,
)
from spaces_sdk.realtime.buffer import EventBuffer
from spaces_sdk.realtime.events import ChannelClosed, ChannelEvent, ChannelState, SocketState
from spaces_sdk.realtime.member import Member
from spaces_sdk.realtime.options import RealtimeOptions
from spaces_sdk.realtime.pool import SocketPool
from spaces_sdk.realtime.socket import RealtimeSocket
from spaces_sdk.realtime.stats import RealtimeStats

TokenProvider = Callable[[], Awaitable[str]]
"""Gives a fresh access token; called at each join."""

# The server ends a channel at the sixth presence message within 30 s.
TRACKS_LIMIT: Final = 5
TRACKS_WINDOW_S: Final = 30.0
TRACK_TIMEOUT_S: Final = 10.0


class Channel:
    """A topic joined once: NEW → JOINING → JOINED → CLOSED. Once closed, make another one.

    Made by `RealtimeClient.channel`. Methods may be called from any task of the client's loop; one receives at a time.
    """

    def __init__(
        self,
        topic: str,
        *,
        is_private: bool,
        presence_key: str | None,
        pool: SocketPool,
        token: TokenProvider,
        options: RealtimeOptions,
        clock: Clock,
        stats: RealtimeStats,
    ) -> None:
        self._member = Member(self, topic=topic, is_private=is_private, presence_key=presence_key)
        self._pool = pool
        self._token = token
        self._clock = clock
        self._stats = stats
        self._buffer = EventBuffer(size=options.buffer_size, size_bytes=options.buffer_bytes)
        self._socket: RealtimeSocket | None = None
        self._failure: SpacesError | None = None
        self._receiver: asyncio.Future[None] | None = None
        self._watchers: set[asyncio.Future[None]] = set()
        self._tracked: dict[str, Any] | None = None
        self._tracks: dict[str, asyncio.Future[None]] = {}
        self._track_times: deque[float] = deque(maxlen=TRACKS_LIMIT)

    @property
    def topic(self) -> str:
        """The topic without the `realtime:` prefix."""
        return self._member.topic

    @property
    def state(self) -> ChannelState:
        """Where the channel stands."""
        return self._member.state

    def __repr__(self) -> str:
        return f"Channel(topic={self.topic!r}, state={self.state.value!r})"

    async def join(self, *, timeout_s: float = 15.0) -> None:
        """Join the topic; the channel is JOINED when this returns (if it ended in that moment, `receive` tells).

        Opens a socket where none is there, and waits through failed attempts. The access token is pulled when the
        socket stands. Cancelled or timed out, the channel is CLOSED and the server is told to forget the join.

        Args:
            timeout_s: All of it, in seconds, > 0. A refusal takes the server 5 s.

        Raises:
            JoinRejectedError: The server refused; `code` and `retryable` say whether to try again with a new channel.
            ConnectTimeoutError: No answer in time.
            ConnectError: No connection in time, or one that waiting does not mend (`retryable` is False then).
            ConnectionLostError: The connection ended before the answer, or the client or channel was closed.
            AuthError: The token provider gave no token. What it raises itself comes out as it is.
            UsageError: Called a second time.
        """
        if self.state is not ChannelState.NEW:
            raise UsageError(f"cannot join topic {self.topic}: this channel was used before", hint="make a new channel")
        if self._pool.is_closed:
            raise ConnectionLostError(
                f"cannot join topic {self.topic}: the client was closed", code="closed", retryable=False
            )
        socket = self._socket = self._pool.place(self._member)
        limit: asyncio.Timeout | None = None
        is_settled = False
        try:
            async with deadline(self._clock, timeout_s) as limit:
                await self._ask(socket)
                await self._until(lambda: not self._is(ChannelState.JOINING))
            is_settled = True
        except TimeoutError:
            if limit is None or not limit.expired():
                raise  # it is the token provider's
            raise self._timed_out(socket, timeout_s) from socket.last_error
        finally:
            # Whatever the state: the answer may have come in the very moment of the cancellation.
            if not is_settled:
                socket.abandon(self._member)
        if self._failure is not None:
            raise self._failure

    async def receive(self) -> ChannelEvent:
        """The next event, in the server's order; waits where none is buffered.

        After `ChannelClosed` nothing comes any more. Cancel-safe: no event is lost.

        Raises:
            ConnectionLostError: The channel has ended, and its last event was read; or it was never joined.
            UsageError: Another task is receiving.
        """
        while (event := self._buffer.pop()) is None:
            if self.state is ChannelState.CLOSED:
                raise ConnectionLostError(
                    f"cannot receive on topic {self.topic}: the channel has ended",
                    code="channel_closed",
                    hint="join with a new channel",
                )
            if self._receiver is not None:
                raise UsageError(f"cannot receive on topic {self.topic}: another task is receiving")
            self._receiver = asyncio.get_running_loop().create_future()
            try:
                await self._receiver
            finally:
                self._receiver = None
        return event

    def receive_nowait(self) -> ChannelEvent | None:
        """The next event where one is buffered, else None, also after the end."""
        return self._buffer.pop()

    async def track(self, meta: dict[str, Any]) -> None:
        """Show this connection in the topic's presence; called again it replaces the meta, the same meta does nothing.

        Raises:
            ChannelError: The server refused (`track_refused`), or it would be the sixth within 30 s, at which the
                server would end the channel (`rate_limited`, retryable).
            ConnectTimeoutError: No answer within 10 s; it may have been tracked.
            ConnectionLostError: The channel ended before the answer.
            UsageError: The channel was made without a presence key, or is not joined yet.
        """
        if self._member.presence_key is None:
            raise UsageError(f"cannot track presence on topic {self.topic}: the channel was made without presence_key")
        if self.state is ChannelState.CLOSED:
            raise ConnectionLostError(f"cannot track presence on topic {self.topic}: the channel has ended")
        if self.state is not ChannelState.JOINED or self._socket is None:
            raise UsageError(f"cannot track presence on topic {self.topic}: join it first")
        if meta == self._tracked:
            return
        now = self._clock.monotonic()
        if len(self._track_times) == TRACKS_LIMIT and now - self._track_times[0] < TRACKS_WINDOW_S:
            raise ChannelError(
                f"cannot track presence on topic {self.topic}: it was {TRACKS_LIMIT} times in {TRACKS_WINDOW_S:g} s",
                code="rate_limited",
                retryable=True,
            )
        self._track_times.append(now)
        await self._track(self._socket, dict(meta))
        self._tracked = dict(meta)

    async def leave(self, *, timeout_s: float = 2.0) -> None:
        """End the channel: CLOSED when this returns, whether or not the server answered in time.

        Idempotent. Events already buffered can still be received, then `ChannelClosed(LEFT)`. A `join` under way
        raises ConnectionLostError. Cancelled, the channel is closed all the same.

        Args:
            timeout_s: How long to wait for the server's answer, in seconds.
        """
        socket = self._socket
        if socket is None:
            if self.state is ChannelState.NEW:
                self._member.move(ChannelState.CLOSED)
            return
        if self._is(ChannelState.JOINING):
            self._failure = ConnectionLostError(
                f"cannot join topic {self.topic}: the channel was left", code="channel_left", retryable=False
            )
        if self._is(ChannelState.CLOSED):
            return
        try:
            async with deadline(self._clock, timeout_s):
                socket.leave(self._member)
                await self._until(lambda: self.state is ChannelState.CLOSED)
        except TimeoutError:
            pass
        finally:
            socket.abandon(self._member)

    # What the core tells (see `member.Sink`); on the reader task

    def changed(self) -> None:
        self._wake_receiver()
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)

    def failed(self, error: SpacesError) -> None:
        self._failure = error
        self.changed()

    def deliver(self, event: ChannelEvent, size_bytes: int) -> None:
        if not self._buffer.put(event, size_bytes):
            self._stats.events_dropped += 1
        receiver = self._receiver
        if receiver is not None and not receiver.done():
            receiver.set_result(None)

    def unreadable(self) -> None:
        self._buffer.put_unreadable()
        self._wake_receiver()

    def ended(self, event: ChannelClosed) -> None:
        self._buffer.end(event)
        self.changed()

    def replied(self, ref: str, error: SpacesError | None) -> None:
        answer = self._tracks.get(ref)
        if answer is None or answer.done():
            return
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)

    # Within

    async def _ask(self, socket: RealtimeSocket) -> None:
        """Send the join with a token that was pulled while the socket stood."""
        while True:
            await self._until(lambda: socket.state is SocketState.OPEN or not self._is(ChannelState.JOINING))
            if not self._is(ChannelState.JOINING):
                return
            token_seq = socket.token_seq
            token = await self._token()
            if not token:
                raise AuthError(f"cannot join topic {self.topic}: there is no access token", hint="sign in first")
            if socket.join(self._member, token, token_seq=token_seq):
                return

    def _is(self, state: ChannelState) -> bool:
        return self._member.state is state

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.add(watcher)
            try:
                await watcher
            finally:
                self._watchers.discard(watcher)

    async def _track(self, socket: RealtimeSocket, meta: dict[str, Any]) -> None:
        ref = socket.track(self._member, meta)
        answer = self._tracks[ref] = asyncio.get_running_loop().create_future()
        try:
            async with deadline(self._clock, TRACK_TIMEOUT_S):
                await answer
        except TimeoutError:
            raise ConnectTimeoutError(
                f"cannot track presence on topic {self.topic}: no answer within {TRACK_TIMEOUT_S:g} s"
            ) from None
        finally:
            del self._tracks[ref]
            socket.forget_track(ref)

    def _timed_out(self, socket: RealtimeSocket, timeout_s: float) -> SpacesError:
        if self._member.join_ref is None and socket.last_error is not None:
            return ConnectError(
                f"cannot join topic {self.topic}: no connection within {timeout_s:g} s; {socket.last_error.message}",
                code=socket.last_error.code,
                hint=socket.last_error.hint,
            )
        return ConnectTimeoutError(f"cannot join topic {self.topic}: no answer within {timeout_s:g} s")

    def _wake_receiver(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)
