"""What somebody knows of a room who has no more than the events: no view of the session, no call."""

from __future__ import annotations

from uuid import UUID

from spaces_sdk.events import (
    CaughtUp,
    Event,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    RoomJoined,
    StateUpdated,
)
from spaces_sdk.models import Message, MessageStatus, RoomState


class Follower:
    """Follows one reader.

    Attributes:
        online: Marks by user id; None until something has named the participants.
        state: What the host steers; None likewise.
        garbled: Messages whose parts did not add up to what they became.
    """

    def __init__(self) -> None:
        self.online: dict[str, bool] | None = None
        self.state: RoomState | None = None
        self.garbled: list[str] = []
        self._growing: dict[UUID, str] = {}

    def follow(self, event: Event) -> None:
        match event:
            case RoomJoined() | CaughtUp():
                self.online = {str(one.user_id): one.is_online for one in event.participants}
                self.state = event.state
            case ParticipantJoined(participant=one) | ParticipantUpdated(participant=one) if self.online is not None:
                self.online[str(one.user_id)] = one.is_online
            case ParticipantLeft(participants=gone, reason=reason) if self.online is not None:
                for one in gone:
                    self.online[str(one.user_id)] = False
                    if reason in ("kicked", "banned"):
                        del self.online[str(one.user_id)]
            case MessageReceived(message=message) if message.status is MessageStatus.STREAMING:
                self._growing[message.id] = message.content
            case MessageChunk() if event.message_id in self._growing:
                self._growing[event.message_id] = event.added_to(self._growing[event.message_id])
            case MessageUpdated(message=message):
                self._compare(message)
            case StateUpdated(state=state):
                self.state = state
            case _:
                pass

    def _compare(self, message: Message) -> None:
        """The last parts may be lost; what was told of it stands at the beginning of what it is now."""
        text = self._growing.get(message.id)
        if text is None:
            return
        if message.status is not MessageStatus.STREAMING:
            del self._growing[message.id]
        if message.status is not MessageStatus.DELETED and not message.content.startswith(text):
            self.garbled.append(f"message {message.seq} is {message.content[:80]!r}, its parts were {text[:80]!r}")
