"""Messages to many listeners: encoded once for each protocol version, however many listen."""

from __future__ import annotations

from abc import ABC, abstractmethod

from websockets.frames import Frame, Opcode

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.wire import Version


def text_frame(message: bytes) -> bytes:
    """The bytes of a whole websocket frame; a server's frames are the same for every client."""
    return Frame(Opcode.TEXT, message).serialize(mask=False)


def binary_frame(message: bytes) -> bytes:
    """The bytes of a whole binary websocket frame."""
    return Frame(Opcode.BINARY, message).serialize(mask=False)


class Outgoing(ABC):
    """One message for all listeners of a topic.

    `message_id` is the row's id for messages from the database, else None.
    """

    __slots__ = ("_frames", "message_id", "topic")

    def __init__(self, topic: str, message_id: str | None = None) -> None:
        self.topic = topic
        self.message_id = message_id
        self._frames: dict[Version, bytes | None] = {}

    def frame(self, version: Version) -> bytes | None:
        """The websocket frame for clients of that version; None if they cannot get this message."""
        try:
            return self._frames[version]
        except KeyError:
            frame = self._frames[version] = self._encode(version)
            return frame

    @abstractmethod
    def _encode(self, version: Version) -> bytes | None: ...

    def can_reach(self, version: Version) -> bool:
        """False where the real server's encoder fails on this message, and its sender with it."""
        del version
        return True


class TextMessage(Outgoing):
    """A text frame for both versions: broadcasts sent as text, presence diffs, the goodbye."""

    __slots__ = ("_event", "_is_object", "_payload_json")

    def __init__(
        self, topic: str, event: str, payload_json: str, *, is_object: bool = True, message_id: str | None = None
    ) -> None:
        super().__init__(topic, message_id)
        self._event = event
        self._payload_json = payload_json
        self._is_object = is_object

    def _encode(self, version: Version) -> bytes | None:
        return text_frame(wire.push(version, None, None, self.topic, self._event, self._payload_json))

    def can_reach(self, version: Version) -> bool:
        return self._is_object or version is Version.V1


class UserBroadcast(Outgoing):
    """Kind 4 for 2.0.0, an object for 1.0.0 if it is JSON."""

    __slots__ = ("_data", "_event", "_is_json", "_metadata")

    def __init__(self, topic: str, event: str, data: bytes, *, is_json: bool, message_id: str | None = None) -> None:
        super().__init__(topic, message_id)
        self._event = event
        self._data = data
        self._is_json = is_json
        self._metadata = "" if message_id is None else wire.dumps({"id": message_id})

    def _encode(self, version: Version) -> bytes | None:
        if version is Version.V2:
            message = wire.user_broadcast(
                self.topic, self._event, self._metadata, is_json=self._is_json, data=self._data
            )
            return None if message is None else binary_frame(message)
        if not self._is_json:
            return None
        payload_json = wire.user_broadcast_json(self._event, self._metadata, self._data)
        return text_frame(wire.push(version, None, None, self.topic, wire.BROADCAST, payload_json))


class RawBroadcast(Outgoing):
    """A raw push of kind 0: kind 2 for 2.0.0, and the text that the real server puts out for 1.0.0."""

    __slots__ = ("_data",)

    def __init__(self, topic: str, data: bytes) -> None:
        super().__init__(topic)
        self._data = data

    def _encode(self, version: Version) -> bytes | None:
        if version is Version.V2:
            message = wire.raw_broadcast(self.topic, wire.BROADCAST, self._data)
            return None if message is None else binary_frame(message)
        broken = '%{error: "unable to parse response"}'
        return text_frame(wire.push(version, None, None, self.topic, wire.BROADCAST, broken))
