"""The refusals of the fake database: the codes of the real one, with its hints."""

from __future__ import annotations

from typing import Final, NoReturn

from spaces_sdk.codes import error_for_code
from spaces_sdk.errors import SpacesError

HINTS: Final = {
    "invalid_argument": "Change the argument and call again; nothing was changed.",
    "invalid_room_code": "Six characters: A-Z without I and O, and 2-9.",
    "not_authenticated": "Sign in first; a key alone has no user.",
    "not_host": "Ask the host of the room.",
    "not_participant": "Join the room first.",
    "not_allowed": "Ask the host of the room.",
    "room_full": "Wait until somebody leaves.",
    "banned": "Ask the host of the room.",
    "kicked": "Look the room up by its code to be let in again.",
    "muted": "Ask the host or a moderator of the room.",
    "room_limit_reached": "Close or delete one of your rooms first.",
    "room_not_found": "It may have been deleted; look the room up by its code.",
    "message_not_found": "It may have been deleted; read the messages again.",
    "participant_not_found": "List the participants again.",
    "room_inactive": "Its host can open it again.",
    "lease_expired": "Join the room again.",
    "conflict": "Choose another id.",
    "rate_limited": "Wait retry_after_s seconds.",
}
"""What to do next, where the call has nothing better to say: `spaces.error_codes`."""


class Refusal(Exception):  # noqa: N818 - never leaves the fake: whoever calls gets the typed error
    """The database says no.

    Attributes:
        is_answer: It is the call's answer. Another one is raised there, which undoes what the call has counted.
    """

    def __init__(
        self, code: str, reason: str, hint: str = "", *, retry_after_s: float = 1.0, is_answer: bool = False
    ) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.hint = hint or HINTS[code]
        self.retry_after_s = retry_after_s
        self.is_answer = is_answer

    def error(self, operation: str) -> SpacesError:
        """What the caller of an operation gets."""
        told = f"cannot {operation}: {self.reason}"
        return error_for_code(self.code, told, hint=self.hint, retry_after_s=self.retry_after_s)

    def fields(self, operation: str) -> dict[str, object]:
        """The same as an answer, for calls that answer several things at once."""
        told = f"cannot {operation}: {self.reason}"
        fields: dict[str, object] = {"ok": False, "code": self.code, "message": told, "hint": self.hint}
        return fields | ({"retry_after_s": self.retry_after_s} if self.code == "rate_limited" else {})


def fail(code: str, reason: str, hint: str = "") -> NoReturn:
    """Refuse a call."""
    raise Refusal(code, reason, hint)


def refusal(code: str) -> SpacesError:
    """The error of a code, as a call raises it."""
    return Refusal(code, code).error("do it")
