"""The settings of one session."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from spaces_sdk.errors import ConfigError

PRESENCE_ROOM_LIMIT = 10
"""Hosted projects on the Free plan allow 20 presence messages a second, each delivered one counted."""


class PresenceMode(StrEnum):
    """Whether a session takes part in Realtime presence. The lease decides who is online, presence hints."""

    AUTO = "auto"
    """In rooms for at most 10."""
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How a session behaves; the defaults fit a hosted project on the Free plan.

    Attributes:
        latest: Messages that the join brings, 0 to 200.
        message_count: Newest messages that `session.messages` keeps, >= 1.
        buffer_size: Events kept for `events()`; a reader further behind fetches from the database, >= 16.
        live_buffer_size: Live steps kept aside while a catch-up runs, >= 16.
        send_queue_size: Sends that may wait for their turn, >= 1.
        queue_while_offline: A send made while the database is not to be had waits in that queue until it is, instead
            of failing at its deadline; see `RoomSession.send`.
        join_timeout_s: Seconds for entering the room, all in all.
        channel_timeout_s: Seconds for one try to join the channel.
        rejoin_timeout_s: Seconds to keep trying while the room is full after the lease ran out; then it fails.
        poll_interval_s: Bounds of the pause between two polls while there is no channel.
        heartbeat_grace_s: Seconds that a live event may be later than the heartbeat whose answer knows of it.
        leave_timeout_s: Seconds that leaving may take, and stopping a message that was being written.
        stream_messages_per_s: Realtime messages a second, one for each listener, that a message being written may cost
            at most; a hosted project on the Free plan allows 100 in all.
        presence: See `PresenceMode`.
        presence_grace_s: Seconds that somebody's connection may be away from presence before the database is asked.
        join_base_url: Where `join_link` points, without the code; None: there is no link.
    """

    latest: int = 50
    message_count: int = 200
    buffer_size: int = 512
    live_buffer_size: int = 1024
    send_queue_size: int = 1000
    queue_while_offline: bool = False
    join_timeout_s: float = 20.0
    channel_timeout_s: float = 15.0
    rejoin_timeout_s: float = 300.0
    poll_interval_s: tuple[float, float] = (2.0, 5.0)
    heartbeat_grace_s: float = 1.0
    leave_timeout_s: float = 3.0
    stream_messages_per_s: float = 80.0
    presence: PresenceMode = PresenceMode.AUTO
    presence_grace_s: float = 3.0
    join_base_url: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.latest <= 200:
            raise ConfigError(f"cannot use latest={self.latest}: it must be 0 to 200")
        for name, least in (
            ("message_count", 1),
            ("buffer_size", 16),
            ("live_buffer_size", 16),
            ("send_queue_size", 1),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"cannot use {name}={getattr(self, name)}: it must be at least {least}")
        for name in (
            "join_timeout_s",
            "channel_timeout_s",
            "leave_timeout_s",
            "stream_messages_per_s",
            "presence_grace_s",
        ):
            if not getattr(self, name) > 0:
                raise ConfigError(f"cannot use {name}={getattr(self, name)}: it must be above 0")
        low, high = self.poll_interval_s
        if not 0 < low <= high:
            raise ConfigError(f"cannot use poll_interval_s={self.poll_interval_s}: two numbers above 0 in order")

    def has_presence(self, max_participants: int) -> bool:
        """Whether a session in a room of that size takes part in presence."""
        if self.presence is PresenceMode.AUTO:
            return max_participants <= PRESENCE_ROOM_LIMIT
        return self.presence is PresenceMode.ON
