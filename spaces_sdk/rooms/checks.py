"""Checks of arguments before any I/O, where they give a clearer error than the database could.

The database checks all of it again; the codes are the same.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, cast
from uuid import UUID

from spaces_sdk.errors import InvalidRequestError
from spaces_sdk.models import MessageType

ROOM_NAME_LENGTH: Final = 100
DISPLAY_NAME_LENGTH: Final = 50
CONTENT_LENGTH: Final = 8_000
AI_CONTENT_LENGTH: Final = 200_000
PART_LENGTH: Final = 8_000
METADATA_BYTES: Final = 16_384
MAX_PARTICIPANTS: Final = 50
LONGEST_EXPIRY_S: Final = 315_360_000
MOST_USES: Final = 10_000
"""The limits of the migrations; the expiry is ten years."""

_VISIBLE: Final = (
    "\u00a9\u00ae\u203c\u2049\u20e3\u2100-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001ffff"
)
_JOINERS: Final = "#*0-9\u200d\ufe0e\ufe0f\U000e0020-\U000e007f"
_EMOJI: Final = re.compile(f"(?=.*[{_VISIBLE}])[{_VISIBLE}{_JOINERS}]{{1,16}}")
"""The characters of `spaces.is_emoji` in the migrations: at least one that is seen, and those that join and vary."""

_ROOM_CODE: Final = re.compile(r"[A-HJ-NP-Za-hj-np-z2-9]{6}")
"""Six of A-Z and 2-9 without I and O: no letter can be taken for a digit."""

_TOKEN: Final = re.compile("[A-Za-z0-9_-]{32}")
"""What `spaces.add_token` in the migrations makes."""


def refuse(operation: str, reason: str, *, code: str = "invalid_argument", hint: str = "") -> InvalidRequestError:
    """The error for an argument out of its range; the same as the database's."""
    return InvalidRequestError(f"cannot {operation}: {reason}", code=code, hint=hint, status=400)


def room_code(operation: str, text: str) -> str:
    """A room code as the database keeps it; lower case, spaces and dashes are forgiven."""
    code = _compact(text)
    if not _ROOM_CODE.fullmatch(code):
        hint = "a code has six letters and digits, without I, O, 0 and 1; for example XJ9K2M"
        raise refuse(operation, "this is no room code", code="invalid_room_code", hint=hint)
    return code.upper()


def is_room_code(text: str) -> bool:
    """True if the text has the form of a room code."""
    return _ROOM_CODE.fullmatch(_compact(text)) is not None


def invitation_token(operation: str, text: str) -> str:
    """The token of an invitation, without white space around it; no error quotes it."""
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise refuse(operation, "this is no token of an invitation", hint="pass the token whole, 32 characters")
    return token


def uuid_of(operation: str, name: str, value: UUID | str) -> UUID:
    """An id as a UUID."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except ValueError:
        raise refuse(operation, f"{name} is no UUID") from None


def name_of(operation: str, name: str, text: str, longest: int) -> str:
    """A name without white space around it, 1 to `longest` characters, none of them a control character."""
    text = checked_text(operation, name, text).strip()
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise refuse(operation, f"{name} has control characters")
    if not 1 <= len(text) <= longest:
        raise refuse(operation, f"{name} must have 1 to {longest} characters, it has {len(text)}")
    return text


def checked_text(operation: str, name: str, text: str) -> str:
    """Text that the database can keep: no NUL, no half of a surrogate pair."""
    if "\x00" in text:
        raise refuse(operation, f"{name} has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refuse(operation, f"{name} is not valid Unicode") from None
    return text


def content_of(operation: str, content: str, message_type: MessageType) -> str:
    """The body of a message, not blank and not over its limit."""
    checked_text(operation, "content", content)
    longest = AI_CONTENT_LENGTH if message_type is MessageType.AI_RESPONSE else CONTENT_LENGTH
    if not content.strip():
        raise refuse(operation, "content is empty")
    if len(content) > longest:
        raise refuse(operation, f"content must have at most {longest} characters, it has {len(content)}")
    return content


def emoji_of(operation: str, text: str) -> str:
    """What one can react with."""
    if not _EMOJI.fullmatch(text):
        raise refuse(operation, "this is no emoji", hint="give one emoji, at most 16 characters")
    return text


def message_type_of(operation: str, value: MessageType | str) -> MessageType:
    """A type of message that exists; whether the sender may write it is for the database to say."""
    try:
        return MessageType(value)
    except ValueError:
        raise refuse(operation, f"there is no message type {str(value)[:50]!r}") from None


def json_object(
    operation: str, name: str, value: Mapping[str, object] | None, *, limit_bytes: int = METADATA_BYTES
) -> dict[str, object]:
    """A JSON object that the database can keep, within its size."""
    if value is None:
        return {}
    fields = dict(value)
    _refuse_bad_text(operation, name, fields)
    try:
        size = len(json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except (TypeError, ValueError, RecursionError):
        raise refuse(operation, f"{name} cannot be written as JSON") from None
    if size > limit_bytes:
        raise refuse(operation, f"{name} must have at most {limit_bytes} bytes as JSON, it has {size}")
    return fields


def within(operation: str, name: str, value: float, low: float, high: float) -> None:
    """A number from `low` to `high`."""
    if not low <= value <= high:
        raise refuse(operation, f"{name} must be {low:g} to {high:g}, it is {value:g}")


def _compact(code: str) -> str:
    """As people group and copy it: without spaces and dashes."""
    return re.sub(r"[\s-]", "", code)


def _refuse_bad_text(operation: str, name: str, value: object, depth: int = 0) -> None:
    if depth > 100:
        raise refuse(operation, f"{name} is nested too deeply")
    if isinstance(value, str):
        checked_text(operation, name, value)
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            _refuse_bad_text(operation, name, key, depth + 1)
            _refuse_bad_text(operation, name, inner, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        for inner in cast("Sequence[object]", value):
            _refuse_bad_text(operation, name, inner, depth + 1)
