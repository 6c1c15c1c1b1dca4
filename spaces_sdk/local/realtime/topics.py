"""Who listens to what; a public and a private topic of one name are two topics."""

from __future__ import annotations

import logging
from typing import Protocol

from spaces_sdk.local.realtime.outgoing import Outgoing, TextMessage
from spaces_sdk.local.realtime.presence import Diff, PresenceState
from spaces_sdk.local.realtime.wire import Version

_log = logging.getLogger(__name__)

TOPIC_PREFIX = "realtime:"


class Listener(Protocol):
    """A channel, as a topic sees it. Neither method may block."""

    @property
    def version(self) -> Version: ...

    @property
    def reads_broadcasts(self) -> bool: ...

    def deliver(self, message: Outgoing) -> None: ...

    def deliver_presence(self, message: Outgoing) -> None: ...


class Topic:
    """One topic with its listeners, in the order in which they came, and its presence."""

    def __init__(self, sub_topic: str, *, is_private: bool) -> None:
        self.sub_topic = sub_topic
        self.is_private = is_private
        self.name = TOPIC_PREFIX + sub_topic
        self.presence = PresenceState()
        self._listeners: dict[Listener, None] = {}
        self._snapshot: tuple[Listener, ...] | None = None

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, listener: Listener) -> None:
        """Let a listener hear from now on."""
        self._listeners[listener] = None
        self._snapshot = None

    def remove(self, listener: Listener) -> None:
        """Let it hear no more. Idempotent."""
        self._listeners.pop(listener, None)
        self._snapshot = None

    def _all(self) -> tuple[Listener, ...]:
        if self._snapshot is None:
            self._snapshot = tuple(self._listeners)
        return self._snapshot

    def publish(self, message: Outgoing, *, without: Listener | None = None) -> None:
        """Deliver to all who may read; one that fails costs the others nothing."""
        for listener in self._all():
            if listener is without or not listener.reads_broadcasts:
                continue
            try:
                listener.deliver(message)
            except Exception:  # noqa: BLE001  # costs this listener only
                _log.exception("a message could not be delivered to one listener")

    def can_reach_all(self, message: Outgoing, *, without: Listener | None = None) -> bool:
        """False if the message cannot be encoded for one of those that would get it."""
        return all(
            message.can_reach(listener.version)
            for listener in self._all()
            if listener is not without and listener.reads_broadcasts
        )

    def publish_presence(self, diff: Diff) -> None:
        """Tell all listeners what changed."""
        message = TextMessage(self.name, "presence_diff", diff.to_json())
        for listener in self._all():
            try:
                listener.deliver_presence(message)
            except Exception:  # noqa: BLE001  # costs this listener only
                _log.exception("a presence diff could not be delivered to one listener")


class TopicRegistry:
    """The topics that somebody listens to."""

    def __init__(self) -> None:
        self._topics: dict[tuple[bool, str], Topic] = {}

    def __len__(self) -> int:
        return len(self._topics)

    def find(self, sub_topic: str, *, is_private: bool) -> Topic | None:
        """The topic; None if nobody listens."""
        return self._topics.get((is_private, sub_topic))

    def subscribe(self, listener: Listener, sub_topic: str, *, is_private: bool) -> Topic:
        """Add a listener, making the topic for the first."""
        key = (is_private, sub_topic)
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(sub_topic, is_private=is_private)
        topic.add(listener)
        return topic

    def unsubscribe(self, listener: Listener, topic: Topic) -> None:
        """Remove a listener, and the topic with the last. Idempotent."""
        topic.remove(listener)
        if not topic and self._topics.get((topic.is_private, topic.sub_topic)) is topic:
            del self._topics[topic.is_private, topic.sub_topic]
