"""The messages of `POST /api/broadcast`, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.limits import PayloadGauge

_BLANK = "can't be blank"
_INVALID = "is invalid"


class InvalidMessagesError(Exception):
    """At least one message is invalid; none is sent.

    Attributes:
        errors: Under `errors.messages`: words, or one object for each message, empty for good ones.
    """

    def __init__(self, errors: object) -> None:
        super().__init__("the messages are invalid")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """One message of a batch."""

    topic: str
    event: str
    payload: dict[str, object]
    is_private: bool
    message_id: str | None

    def payload_json(self) -> str:
        """As the payload of a broadcast."""
        content: dict[str, object] = {"event": self.event, "payload": self.payload, "type": "broadcast"}
        if self.message_id is not None:
            content["meta"] = {"id": self.message_id}
        return wire.dumps_sorted(content)


def parse_messages(body: object, gauge: PayloadGauge) -> list[HttpMessage]:
    """Read a batch, all or nothing.

    Raises:
        InvalidMessagesError: Something is missing or malformed.
    """
    given = cast("dict[str, object]", body).get("messages") if isinstance(body, dict) else None
    if given is None or given == []:
        raise InvalidMessagesError([_BLANK])
    if not isinstance(given, list):
        raise InvalidMessagesError([_INVALID])
    entries = cast("list[object]", given)
    if not all(isinstance(entry, dict) for entry in entries):
        raise InvalidMessagesError([_INVALID])
    messages = [cast("dict[str, object]", entry) for entry in entries]
    errors = [_errors(message, gauge) for message in messages]
    if any(errors):
        raise InvalidMessagesError(errors)
    return [_parsed(message) for message in messages]


def _errors(message: dict[str, object], gauge: PayloadGauge) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for name in ("event", "payload", "topic"):
        value = message.get(name)
        if value is None or (isinstance(value, str) and name != "payload" and not value.strip()):
            errors[name] = [_BLANK]
        elif not isinstance(value, dict if name == "payload" else str):
            errors[name] = [_INVALID]
    if _private(message.get("private")) is None:
        errors["private"] = [_INVALID]
    payload = message.get("payload")
    if not errors and gauge.is_exceeded_by(payload, len(wire.dumps(payload))):
        errors["payload"] = ["Payload size exceeds tenant limit"]
    return errors


def _private(value: object) -> bool | None:
    match value:
        case None | False | 0 | "false" | "0":
            return False
        case True | 1 | "true" | "1":
            return True
        case _:
            return None


def _parsed(message: dict[str, object]) -> HttpMessage:
    message_id = message.get("id")
    return HttpMessage(
        topic=cast("str", message["topic"]),
        event=cast("str", message["event"]),
        payload=cast("dict[str, object]", message["payload"]),
        is_private=bool(_private(message.get("private"))),
        message_id=message_id if isinstance(message_id, str) else None,
    )
