"""Answers of single calls that nothing else uses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from spaces_sdk.models import Model, Participant, Room


class RoomDetails(Model):
    """A room as its participants see it.

    Attributes:
        participants: Also those who are offline now.
        participant_count: Participants that are online.
    """

    room: Room
    participants: list[Participant]
    participant_count: int


class RoomScope(StrEnum):
    """Which rooms are listed."""

    MINE = "mine"
    PUBLIC = "public"


class RoomListing(Model):
    """A room in a list.

    Attributes:
        participant_count: Users who are online in it: the places taken.
        me: The user's own participant; None for who is none, a host perhaps who has not joined.
    """

    room: Room
    participant_count: int
    me: Participant | None

    @property
    def is_full(self) -> bool:
        return self.participant_count >= self.room.max_participants


class Ban(Model):
    """A user who may not come into a room.

    Attributes:
        display_name: The name that they had in the room then.
        banned_by: None after that account was deleted.
        reason: As the one who banned them gave it; they do not see it.
    """

    user_id: UUID
    display_name: str
    banned_by: UUID | None
    reason: str | None
    created_at: datetime


class Invitation(Model):
    """An invitation, as host and moderators see it.

    Attributes:
        created_by: None after that account was deleted; the invitation stands.
        expires_at: None: it holds as long as the room.
        max_uses: None: any number.
        use_count: How many people it has let in.
    """

    id: UUID
    room_id: UUID
    created_by: UUID | None
    created_at: datetime
    expires_at: datetime | None
    max_uses: int | None
    use_count: int

    @property
    def is_used_up(self) -> bool:
        return self.max_uses is not None and self.use_count >= self.max_uses


class CreatedInvitation(Invitation):
    """A new invitation, with the token that opens it.

    Attributes:
        token: 32 characters that can stand in a URL. It is shown this once, and never part of this object's text.
    """

    token: str = Field(repr=False)


class CleanupResult(Model):
    """What one batch of the clean-up removed.

    Attributes:
        has_more: Call again: a batch is limited, so that it holds no lock for long.
    """

    rooms_deleted: int
    messages_deleted: int
    has_more: bool
