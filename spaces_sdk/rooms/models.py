"""Answers of single calls that nothing else uses."""

from __future__ import annotations

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


class CleanupResult(Model):
    """What one batch of the clean-up removed.

    Attributes:
        has_more: Call again: a batch is limited, so that it holds no lock for long.
    """

    rooms_deleted: int
    messages_deleted: int
    has_more: bool
