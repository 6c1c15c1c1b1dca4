"""How a session ends, and which errors end it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spaces_sdk.errors import ChannelError, ProtocolError, RemovedError, SpacesError, TransportError
from spaces_sdk.events import EndReason
from spaces_sdk.session.lifecycle import Trigger

ENDING_CODES: Final[frozenset[str]] = frozenset(EndReason) - {EndReason.ROOM_FULL}
"""Answers of the database after which there is nothing to go back to."""

_REASONS: Final[dict[str, str]] = {
    "kicked": "you were removed from the room",
    "banned": "you were banned from the room",
    "room_not_found": "the room was deleted",
    "room_inactive": "the room was closed",
    "not_participant": "you are no participant of the room any more",
    "room_full": "the lease ran out, and the room stayed full",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """The one end of a session.

    Attributes:
        reason: Told in `SessionEnded`; empty for an own leave.
        error: What readers raise, and what `session.error` shows; None for an own leave.
        is_polite: There may be a lease of ours to give back.
    """

    trigger: Trigger
    reason: EndReason | str = ""
    error: SpacesError | None = None
    is_polite: bool = True


OWN_LEAVE: Final = Ending(Trigger.LEAVE)


def removal(code: str, cause: SpacesError | None = None) -> Ending:
    """Ended from outside: the database said so."""
    error = RemovedError(f"cannot stay in the room: {_REASONS.get(code, code)}", code=code)
    error.__cause__ = cause
    return Ending(Trigger.REMOVED, _reason(code), error, is_polite=False)


def failure(code: str, cause: SpacesError | None = None, *, is_polite: bool = True) -> Ending:
    """It cannot go on."""
    why = _REASONS.get(code) or (cause.message if cause else code)
    error = RemovedError(f"cannot stay in the room: {why}", code=code, hint=cause.hint if cause else "")
    error.__cause__ = cause
    return Ending(Trigger.FAIL, _reason(code), error, is_polite=is_polite)


def ending_of(error: SpacesError) -> Ending | None:
    """What an error of the database means for the session; None if trying again may help."""
    if error.code in ENDING_CODES:
        return removal(error.code, error)
    if error.retryable or isinstance(error, TransportError | ChannelError | ProtocolError):
        return None
    return failure(error.code, error)


def _reason(code: str) -> EndReason | str:
    return EndReason(code) if code in frozenset(EndReason) else code
