"""What somebody knows of a room who has no more than the events: no view of the session, no call."""

from __future__ import annotations

from spaces_sdk.events import (
    CaughtUp,
    Event,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    RoomJoined,
    StateUpdated,
)
from spaces_sdk.models import RoomState


class Follower:
    """Follows one reader.

    Attributes:
        online: Marks by user id; None until something has named the participants.
        state: What the host steers; None likewise.
    """

    def __init__(self) -> None:
        self.online: dict[str, bool] | None = None
        self.state: RoomState | None = None

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
            case StateUpdated(state=state):
                self.state = state
            case _:
                pass
