"""What the server can say, as typed values: one class for each kind of frame.

`join_ref` is None where the wire carries none (vsn 1.0.0, and pushes that are fanned out to many sockets).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Message:
    """A text frame with its fields named, not yet classified."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: Any


@dataclass(slots=True)
class Broadcast:
    """A message for the subscribers of a topic. Not frozen: one is built for each message, and freezing costs 0.4 µs.

    `payload` is the decoded JSON value, or `bytes` where the sender marked it as binary. `message_id` is the row's id
    for messages from the database, else None.
    """

    topic: str
    join_ref: str | None
    event: str
    payload: Any
    message_id: str | None
    is_replayed: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a push of ours; `ref` is the push's."""

    topic: str
    join_ref: str | None
    ref: str | None
    is_ok: bool
    response: Any

    @property
    def reason(self) -> str:
        """What the server said about a refusal; empty where it said nothing."""
        if isinstance(self.response, str):
            return self.response
        response: object = self.response
        if isinstance(response, dict):
            return str(cast("dict[str, Any]", response).get("reason", ""))
        return ""


@dataclass(frozen=True, slots=True)
class PresenceStatePush:
    """Everybody present, sent once after a join with presence."""

    topic: str
    join_ref: str | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PresenceDiffPush:
    """Who came and who went."""

    topic: str
    join_ref: str | None
    joins: dict[str, Any]
    leaves: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SystemPush:
    """A word of the server about a channel; with `is_error` a `ChannelEnded` follows at once."""

    topic: str
    join_ref: str | None
    message: str
    is_error: bool
    extension: str


@dataclass(frozen=True, slots=True)
class ChannelEnded:
    """`phx_close`: the channel of that join is over."""

    topic: str
    join_ref: str | None


@dataclass(frozen=True, slots=True)
class ChannelCrashed:
    """`phx_error`: the channel of that join died on the server."""

    topic: str
    join_ref: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class OtherPush:
    """A well-formed push that this client has no use for, such as `postgres_changes`."""

    topic: str
    join_ref: str | None
    event: str
    payload: Any


@dataclass(frozen=True, slots=True)
class UnreadablePush:
    """A push whose topic is clear and whose content is not; `raw` is cut at 200 characters."""

    topic: str
    join_ref: str | None
    event: str
    problem: str
    raw: str


ServerFrame = (
    Broadcast
    | Reply
    | PresenceStatePush
    | PresenceDiffPush
    | SystemPush
    | ChannelEnded
    | ChannelCrashed
    | OtherPush
    | UnreadablePush
)
