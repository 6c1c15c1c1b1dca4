"""What a caller hands in: messages to be stored, changes of a room."""

from __future__ import annotations

from typing import TypedDict
from uuid import UUID, uuid4

from pydantic import Field

from spaces_sdk.models import JsonObject, MessageType, Model, Visibility


class MessageDraft(Model):
    """A message that is not stored yet.

    Attributes:
        content: Body, 1 to 8000 characters (200000 for `ai_response`).
        metadata: The app's own data, at most 16 kB as JSON.
        reply_to: The message that this one answers, in the same room.
        id: Idempotency key. A draft sent twice is stored once.
    """

    content: str
    message_type: MessageType = MessageType.USER_TEXT
    metadata: JsonObject = Field(default_factory=dict)
    reply_to: UUID | None = None
    id: UUID = Field(default_factory=uuid4)


class StateChanges(TypedDict, total=False):
    """What the host can change; only what is named is changed.

    Attributes:
        mode: A name in `room_modes`: gangster, playful, philosopher, conspiracy, wildcard, or the app's own.
        name: 1 to 100 characters.
        max_participants: 1 to 50; those who are in stay in.
        settings: Merged into the room's (RFC 7396: null removes a key); at most 16 kB together,
            8 levels. Under the key `spaces` stand those that this package knows; all others are the app's.
        is_active: False closes the room, True opens it again.
    """

    mode: str
    conversation_active: bool
    name: str
    max_participants: int
    settings: JsonObject
    visibility: Visibility | str
    is_active: bool
