"""What all connections share: topics, limits, the database, the clock."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from spaces_sdk.clock import Clock
from spaces_sdk.local.realtime.authorization import Authorizer, DatabaseUnavailableError
from spaces_sdk.local.realtime.limits import PayloadGauge, RateCounter
from spaces_sdk.local.realtime.outgoing import Outgoing, UserBroadcast
from spaces_sdk.local.realtime.replication import ReplicationFollower
from spaces_sdk.local.realtime.settings import RealtimeSettings
from spaces_sdk.local.realtime.tasks import TaskSet
from spaces_sdk.local.realtime.tokens import Token, verify
from spaces_sdk.local.realtime.topics import TOPIC_PREFIX, TopicRegistry
from spaces_sdk.local.realtime.trace import Tracer

_log = logging.getLogger(__name__)

_REQUESTS_TICK_S, _REQUESTS_TICKS = 1.0, 60
_SENDS_AWAY = frozenset({"private_only", "suspended", "jwt_secret"})


class Client(Protocol):
    """A socket, as the hub sees it."""

    def disconnect(self) -> None: ...
    def drop_if_idle(self) -> None: ...


class Hub:
    """The tenant: one project's topics, counters and sockets."""

    def __init__(self, settings: RealtimeSettings, *, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.topics = TopicRegistry()
        self.gauge = PayloadGauge(settings.max_payload_bytes)
        self.events = self._counter(settings.max_events_per_second)
        self.joins = self._counter(settings.max_joins_per_second)
        self.presence_events = self._counter(settings.max_presence_events_per_second)
        self.requests = RateCounter(settings.max_events_per_second, tick_s=_REQUESTS_TICK_S, ticks=_REQUESTS_TICKS)
        self._counters = {
            "max_events_per_second": self.events,
            "max_joins_per_second": self.joins,
            "max_presence_events_per_second": self.presence_events,
        }
        self.follower = ReplicationFollower(settings, self.publish_row, clock=clock)
        self.authorizer = Authorizer(settings, on_use=self.follower.resume)
        self.tasks = TaskSet()
        self.tracer = Tracer(Path(settings.trace_file)) if settings.trace_file else None
        self._sockets: set[Client] = set()
        self._users: set[Client] = set()
        self._is_ticking = False
        self._is_counting_requests = False

    def _counter(self, limit_per_s: int) -> RateCounter:
        return RateCounter(limit_per_s, tick_s=self.settings.limit_tick_s, ticks=self.settings.limit_ticks)

    async def open(self) -> None:
        """Begin to work, without waiting for the database."""
        await self.authorizer.open()
        self.tasks.start(self.follower.run(), name="replication")
        self.tasks.start(self._drop_idle_sockets(), name="idle-sockets")
        self.tasks.start(self._forget_old_messages(), name="retention")

    async def aclose(self) -> None:
        """End everything that runs in the background. Idempotent."""
        await self.tasks.aclose()
        await self.authorizer.aclose()
        if self.tracer is not None:
            self.tracer.close()

    def verify(self, raw: str) -> Token:
        """Check a token now.

        Raises:
            TokenRefusedError: It is not accepted.
        """
        return verify(raw, secret=self.settings.jwt_secret, now=self.now())

    def now(self) -> float:
        """Unix seconds."""
        return self.clock.now().timestamp()

    @property
    def is_full(self) -> bool:
        """True when no further user can be counted."""
        return len(self._users) >= self.settings.max_concurrent_users

    def register(self, socket: Client) -> None:
        """Know a socket until `forget`. The counters run from the first one on."""
        self._sockets.add(socket)
        if not self._is_ticking:
            self._is_ticking = True
            self.tasks.start(self._tick(), name="limits")

    def count_user(self, socket: Client) -> None:
        """Count a socket as a user, once it has joined something. Idempotent."""
        self._users.add(socket)

    def has_room_for(self, socket: Client) -> bool:
        """False if there are too many users and this one is not yet among them."""
        return socket in self._users or not self.is_full

    def count_request(self) -> None:
        """Count an HTTP request."""
        self.requests.add()
        if not self._is_counting_requests:
            self._is_counting_requests = True
            self.tasks.start(self._tick_requests(), name="requests")

    def forget(self, socket: Client) -> None:
        """A socket is gone. Idempotent."""
        self._sockets.discard(socket)
        self._users.discard(socket)

    def publish(self, sub_topic: str, message: Outgoing, *, is_private: bool) -> None:
        """Deliver a message that comes from no channel."""
        topic = self.topics.find(sub_topic, is_private=is_private)
        if topic is not None:
            topic.publish(message)

    def publish_row(self, row: Mapping[str, str | None]) -> None:
        """Deliver a row of `realtime.messages`, as it comes out of the replication stream."""
        sub_topic, event, message_id = row.get("topic"), row.get("event"), row.get("id")
        if sub_topic is None or event is None or message_id is None:
            return
        payload, binary = row.get("payload"), row.get("binary_payload")
        if binary is not None:
            data, is_json = bytes.fromhex(binary.removeprefix("\\x")), False
        elif payload is not None:
            data, is_json = payload.encode(), True
        else:
            return
        if self.events.is_triggered or self.gauge.is_exceeded_by_bytes(data):
            _log.debug("a message from the database was dropped by a limit")
            return
        self.events.add()
        message = UserBroadcast(TOPIC_PREFIX + sub_topic, event, data, is_json=is_json, message_id=message_id)
        self.publish(sub_topic, message, is_private=row.get("private") == "t")

    def adjust(self, **changes: object) -> None:
        """Change settings while the server runs: the limits, `private_only`, `suspended`, `jwt_secret`.

        A limit counts from nothing then; any of the others sends every client away, as the real server does.
        """
        self.settings = dataclasses.replace(self.settings, **changes)  # pyright: ignore[reportArgumentType]  # by name
        self.gauge = PayloadGauge(self.settings.max_payload_bytes)
        for name, counter in self._counters.items():
            if name in changes:
                counter.restart(getattr(self.settings, name))
        self.requests.limit_per_s = self.settings.max_events_per_second
        if not _SENDS_AWAY.isdisjoint(changes):
            self.disconnect_all()

    def disconnect_all(self) -> None:
        """Ask every client to come back later, as a restarting server does."""
        for socket in tuple(self._sockets):
            socket.disconnect()

    async def _tick(self) -> None:
        while True:
            await self.clock.sleep(self.settings.limit_tick_s)
            for counter in self._counters.values():
                counter.tick()

    async def _tick_requests(self) -> None:
        while True:
            await self.clock.sleep(_REQUESTS_TICK_S)
            self.requests.tick()

    async def _forget_old_messages(self) -> None:
        while True:
            await self.follower.wait_streaming()
            try:
                await self.authorizer.forget_old_messages(self.settings.retention_h)
            except DatabaseUnavailableError as error:
                _log.warning("old messages could not be deleted: %s", error)
            await self.clock.sleep(self.settings.retention_check_s)

    async def _drop_idle_sockets(self) -> None:
        while True:
            await self.clock.sleep(self.settings.no_channel_check_s)
            for socket in tuple(self._sockets):
                socket.drop_if_idle()
