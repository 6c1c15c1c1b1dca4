"""What a caller hands in to have several messages stored at once."""

from __future__ import annotations

from uuid import UUID, uuid4

from pydantic import Field

from spaces_sdk.models import JsonObject, MessageType, Model


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
