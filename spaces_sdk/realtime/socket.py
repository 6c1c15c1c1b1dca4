"""The shell around the connection core: performs its actions, feeds it frames and time, owns the tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import ConnectError
from spaces_sdk.realtime.actions import Abort, Action, Close, Open, Send
from spaces_sdk.realtime.backoff import backoff
from spaces_sdk.realtime.core import SocketCore
from spaces_sdk.realtime.events import SocketState
from spaces_sdk.realtime.member import Member
from spaces_sdk.realtime.options import RealtimeOptions
from spaces_sdk.realtime.protocol import Vsn
from spaces_sdk.realtime.stats import RealtimeStats
from spaces_sdk.realtime.tasks import TaskOwner
from spaces_sdk.realtime.wire import ABNORMAL, Connector, Wire, WireClosed, connect_error

OUTBOX_SIZE: Final = 1024


class RealtimeSocket:
    """One websocket to the server that comes back by itself while a member wants it.

    Three tasks at most, all ended by `aclose`: one connects and reads, one writes, one waits for the next timer.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str,
        options: RealtimeOptions,
        clock: Clock,
        random: Random,
        connector: Connector,
        stats: RealtimeStats,
        on_change: Callable[[RealtimeSocket], None],
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._options = options
        self._clock = clock
        self._connector = connector
        self._on_change = on_change
        self._core = SocketCore(
            vsn=Vsn(options.vsn),
            time=clock.monotonic,
            delays=lambda: backoff(random, base_s=options.backoff_base_s, cap_s=options.backoff_cap_s),
            heartbeat_interval_s=options.heartbeat_interval_s,
            heartbeat_timeout_s=options.heartbeat_timeout_s,
            linger_s=options.linger_s,
            stats=stats,
        )
        self._tasks = TaskOwner()
        self._wire: Wire | None = None
        self._outbox: asyncio.Queue[str | None] | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0.0
        self._told = self._core.state

    @property
    def state(self) -> SocketState:
        """Where the socket stands."""
        return self._core.state

    @property
    def member_count(self) -> int:
        """Channels that want this socket or live on it."""
        return self._core.member_count

    @property
    def last_error(self) -> ConnectError | None:
        """Why the newest attempt to connect failed."""
        return self._core.last_error

    @property
    def token_seq(self) -> int:
        """Count of the tokens pushed; taken before a token is pulled."""
        return self._core.token_seq

    def holds_topic(self, topic: str) -> bool:
        """A channel of that topic is here."""
        return self._core.holds_topic(topic)

    def add(self, member: Member) -> None:
        """The member wants the socket."""
        self._perform(self._core.add(member))

    def join(self, member: Member, token: str, *, token_seq: int) -> bool:
        """Send the join; False if the socket is not open any more."""
        actions = self._core.join(member, token, token_seq=token_seq)
        if actions is None:
            return False
        self._perform(actions)
        return True

    def leave(self, member: Member) -> None:
        """Say goodbye; the member closes with the answer."""
        self._perform(self._core.leave(member))

    def abandon(self, member: Member) -> None:
        """Let the member go at once."""
        self._perform(self._core.abandon(member))

    def track(self, member: Member, meta: dict[str, Any]) -> str:
        """Send a presence; returns the ref of its answer."""
        ref, actions = self._core.track(member, meta)
        self._perform(actions)
        return ref

    def forget_track(self, ref: str) -> None:
        """Nobody waits for that answer any more."""
        self._core.forget_track(ref)

    def push_token(self, token: str) -> None:
        """Give the joined members a new token."""
        self._perform(self._core.push_token(token))

    async def aclose(self) -> None:
        """End for good; called twice, both wait. Cancelled, it still drops the connection."""
        self._perform(self._core.shutdown())
        try:
            await self._tasks.aclose()
        finally:
            if self._wire is not None:
                self._wire.abort()

    # Performing

    def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Send(data):
                    self._write_soon(data)
                case Open():
                    self._tasks.start(self._connection(), name="realtime-connection")
                case Close():
                    self._write_soon(None)
                case Abort():
                    if self._wire is not None:
                        self._wire.abort()
        self._set_alarm()
        if self._core.state is not self._told:
            self._told = self._core.state
            self._on_change(self)

    def _write_soon(self, data: str | None) -> None:
        if self._outbox is None:
            return
        try:
            self._outbox.put_nowait(data)
        except asyncio.QueueFull:
            # The server has stopped reading; its end is the same as that of a dead connection.
            if self._wire is not None:
                self._wire.abort()

    def _set_alarm(self) -> None:
        at = self._core.next_timer()
        if self._alarm is not None:
            # One that rings too early does nothing and sets the next; only a later one must be replaced.
            if at is not None and self._alarm_at <= at:
                return
            self._alarm.cancel()
            self._alarm = None
        if at is not None:
            self._alarm_at = at
            self._alarm = self._tasks.start(self._ring(at), name="realtime-timer")

    async def _ring(self, at: float) -> None:
        await self._clock.sleep(at - self._clock.monotonic())
        self._alarm = None
        self._perform(self._core.tick())

    # The connection

    async def _connection(self) -> None:
        try:
            async with deadline(self._clock, self._options.connect_timeout_s):
                wire = await self._connector(self._full_url(), self._options)
        except asyncio.CancelledError:
            self._perform(self._core.shutdown())
            raise
        except Exception as error:  # noqa: BLE001 - whatever the bottom raises is a failed attempt, and is told
            self._perform(self._core.open_failed(connect_error(error, secret=self._api_key)))
            return
        self._wire = wire
        self._outbox = asyncio.Queue(OUTBOX_SIZE)
        writer = self._tasks.start(self._write(wire, self._outbox), name="realtime-writer")
        closed = WireClosed(ABNORMAL)
        try:
            self._perform(self._core.opened())
            closed = await wire.read(self._received)
        except asyncio.CancelledError:
            # Not only by aclose: a loop that ends cancels every task, and nothing may be started then.
            self._perform(self._core.shutdown())
            raise
        finally:
            self._outbox = None
            try:
                await self._tasks.stop(writer)
                await wire.close()
            finally:
                wire.abort()
                self._wire = None
                self._perform(self._core.lost(closed.code, closed.reason))

    async def _write(self, wire: Wire, outbox: asyncio.Queue[str | None]) -> None:
        try:
            while (data := await outbox.get()) is not None:
                await wire.send(data)
            await wire.close()
        except Exception:
            wire.abort()  # nothing can be said any more, so the connection is over; the owner logs why
            raise

    def _received(self, data: str | bytes) -> None:
        actions = self._core.received(data)
        if actions is not None:
            self._perform(actions)

    def _full_url(self) -> str:
        query = urlencode({"apikey": self._api_key, "vsn": self._options.vsn})
        return f"{self._url}?{query}"
