"""One client's Phoenix socket: joins, leaves, heartbeats, and the order of everything on it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.channel import Channel
from spaces_sdk.local.realtime.channel_inbox import Inbox
from spaces_sdk.local.realtime.channel_join import ChannelJoin
from spaces_sdk.local.realtime.hub import Hub
from spaces_sdk.local.realtime.join_config import JoinConfig, JoinRefusedError, parse_join
from spaces_sdk.local.realtime.outgoing import TextMessage, text_frame
from spaces_sdk.local.realtime.tasks import TaskSet
from spaces_sdk.local.realtime.tokens import Token
from spaces_sdk.local.realtime.topics import TOPIC_PREFIX
from spaces_sdk.local.realtime.wire import ClientFrame, Version

_log = logging.getLogger(__name__)

CLOSE_GOING_AWAY = 1001
CLOSE_SERVICE_RESTART = 1012
_UNMATCHED = {"reason": "unmatched topic"}
_GOODBYE = wire.dumps({"message": "Server requested disconnect", "status": "ok", "extension": "system"})


class Outlet(Protocol):
    """The websocket connection as the socket sees it."""

    def send(self, frame: bytes) -> None: ...
    def close(self, code: int) -> None: ...
    def abort(self, reason: str) -> None: ...
    def hold_reading(self, *, is_held: bool) -> None: ...


class Socket:
    """The state of one connection.

    While a join is under way, the time of a refused one included, the whole socket stands still:
    what comes in and what would go out waits in one queue and is handled in its order afterwards.
    """

    def __init__(self, hub: Hub, outlet: Outlet, *, version: Version, api_key: str, headers: Mapping[str, str]) -> None:
        self.hub = hub
        self.version = version
        self.headers = headers
        self.tasks = TaskSet(hub.tasks)
        self._outlet = outlet
        self._api_key = api_key
        self._inboxes: dict[str, Inbox] = {}
        self._had_channels = False
        self._is_joining = False
        self._is_closed = False
        self._queue: deque[ClientFrame | bytes] = deque()
        self._queued_bytes = 0
        self._waiting_frames = 0
        self._waiting_bytes = 0
        self._is_held = False
        hub.register(self)

    # What comes in.

    def receive(self, data: str | bytes) -> None:
        """Take one websocket message."""
        frame = wire.decode(self.version, data)
        if frame is None or self._is_closed:
            return
        if self._is_joining or self._queue:
            self._queue.append(frame)
            self.count_waiting(1)
        else:
            self._handle_safely(frame)
        if self._waiting_frames:
            self._waiting_bytes += len(data)
            self._hold_or_read()

    def count_waiting(self, change: int) -> None:
        """Count client messages that wait for their turn; too many, and no more are read."""
        self._waiting_frames += change
        if not self._waiting_frames:
            self._waiting_bytes = 0
        self._hold_or_read()

    def _hold_or_read(self) -> None:
        # The bytes are those that came since nothing waited: they fall to zero only when all have had their turn.
        settings = self.hub.settings
        frames = settings.inbound_max_frames // 2 if self._is_held else settings.inbound_max_frames - 1
        is_held = self._waiting_frames > frames or self._waiting_bytes > settings.inbound_max_bytes
        if is_held != self._is_held:
            self._is_held = is_held
            self._outlet.hold_reading(is_held=is_held)

    def _handle_safely(self, frame: ClientFrame) -> None:
        try:
            self._handle(frame)
        except Exception:  # noqa: BLE001  # costs this message only
            _log.exception("a message could not be handled")

    def _handle(self, frame: ClientFrame) -> None:
        inbox = self._inboxes.get(frame.topic)
        if frame.topic == "phoenix" and frame.event == "heartbeat":
            self.send(wire.reply(self.version, None, frame.ref, frame.topic, "ok", {}))
        elif frame.event == "phx_join" and frame.topic.startswith(TOPIC_PREFIX):
            self._is_joining = True
            self.tasks.start(self._join(frame), name="join")
        elif inbox is not None:
            inbox.handle(frame)
        elif frame.event == "phx_leave":
            self.send(wire.reply(self.version, frame.join_ref, frame.ref, frame.topic, "ok", {}))
        else:
            self.send(wire.reply(self.version, None, frame.ref, frame.topic, "error", _UNMATCHED))

    # Joins.

    async def _join(self, frame: ClientFrame) -> None:
        try:
            old = self._inboxes.pop(frame.topic, None)
            if old is not None:
                # Gone even if the new join is refused; the client hears of it after the new join's answer.
                old.channel.end()
            join = await self._open(frame)
            if old is not None:
                self.send(old.channel.close_message())
            if join is not None:
                join.go_live()
        finally:
            self._is_joining = False
            self._resume()

    async def _open(self, frame: ClientFrame) -> ChannelJoin | None:
        try:
            if frame.topic == TOPIC_PREFIX:
                raise JoinRefusedError("TopicNameRequired: You must provide a topic name")
            config = parse_join(frame.payload)
            self._check_limits(config)
            join = ChannelJoin(Channel(self, frame.topic, frame.join_ref, config))
            await join.open()
            self.hub.count_user(self)
        except JoinRefusedError as refusal:
            await self._refuse(frame, refusal)
            return None
        except Exception as error:  # noqa: BLE001  # costs this join only
            _log.exception("a join failed")
            await self._refuse(frame, JoinRefusedError(f"UnknownErrorOnChannel: {type(error).__name__}"))
            return None
        self._inboxes[frame.topic] = Inbox(join.channel)
        self._had_channels = True
        response: dict[str, list[object]] = {"postgres_changes": []}
        self.send(wire.reply(self.version, frame.join_ref, frame.ref, frame.topic, "ok", response))
        return join

    async def _refuse(self, frame: ClientFrame, refusal: JoinRefusedError) -> None:
        await self.hub.clock.sleep(self.hub.settings.join_error_delay_s)
        response = {"reason": refusal.reason}
        self.send(wire.reply(self.version, frame.join_ref, frame.ref, frame.topic, "error", response))
        if refusal.ends_socket:
            self._outlet.close(CLOSE_GOING_AWAY)

    def _check_limits(self, config: JoinConfig) -> None:
        hub = self.hub
        if hub.settings.private_only and not config.is_private:
            raise JoinRefusedError("PrivateOnly: This project only allows private channels")
        if not hub.has_room_for(self):
            raise JoinRefusedError("ConnectionRateLimitReached: Too many connected users")
        if hub.joins.is_triggered:
            raise JoinRefusedError("ClientJoinRateLimitReached: Too many joins per second", ends_socket=True)
        hub.joins.add()
        if len(self._inboxes) >= hub.settings.max_channels_per_client:
            raise JoinRefusedError("ChannelRateLimitReached: Too many channels")

    def token(self, raw: str | None) -> Token:
        """Check a token, or the connection's own for None.

        Raises:
            TokenRefusedError: It is not accepted.
        """
        return self.hub.verify(self._api_key if raw is None else raw)

    def drop(self, channel: Channel) -> None:
        """Forget a channel that has ended."""
        inbox = self._inboxes.get(channel.topic)
        if inbox is not None and inbox.channel is channel:
            del self._inboxes[channel.topic]

    # What goes out.

    def send(self, message: bytes) -> None:
        """Send a text message at once."""
        self._outlet.send(text_frame(message))

    def push(self, frame: bytes) -> None:
        """Send a whole websocket frame when its turn comes: at once, or after what waits for a join."""
        if self._is_closed:
            return
        if not self._is_joining and not self._queue:
            self._outlet.send(frame)
            return
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        settings = self.hub.settings
        if self._queued_bytes > settings.outbound_max_bytes or len(self._queue) > settings.outbound_max_frames:
            self._outlet.abort("too much waited for a join")

    def push_message(self, message: bytes) -> None:
        """As `push`, for a text message without its websocket frame."""
        self.push(text_frame(message))

    def abort(self, reason: str) -> None:
        """Cut the connection."""
        self._outlet.abort(reason)

    def _resume(self) -> None:
        while self._queue and not self._is_joining and not self._is_closed:
            item = self._queue.popleft()
            if isinstance(item, bytes):
                self._queued_bytes -= len(item)
                self._outlet.send(item)
            else:
                self.count_waiting(-1)
                self._handle_safely(item)

    # The end.

    def closed(self) -> None:
        """The connection is gone: all channels end. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self.hub.forget(self)
        self._queue.clear()
        self.tasks.cancel()
        inboxes = list(self._inboxes.values())
        self._inboxes.clear()
        for inbox in inboxes:
            inbox.channel.end()

    def disconnect(self) -> None:
        """Say goodbye on each channel, then close: the client shall connect again."""
        for topic in self._inboxes:
            frame = TextMessage(topic, "system", _GOODBYE).frame(self.version)
            if frame is not None:
                self._outlet.send(frame)
        self._outlet.close(CLOSE_SERVICE_RESTART)

    def drop_if_idle(self) -> None:
        """Cut the connection if it had channels and has none."""
        if self._had_channels and not self._inboxes and not self._is_joining:
            self._outlet.abort("no channel is left")
