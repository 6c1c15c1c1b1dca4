"""The stable error codes of the database, with their HTTP status and the error that Python raises for each.

The same table stands in the database as `spaces.error_codes`; a test holds the two equal.
"""

from __future__ import annotations

from typing import Final

from spaces_sdk.errors import (
    ApiError,
    AuthError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RoomFullError,
    ServerError,
    SessionExpiredError,
    SpacesError,
)

STATUS_OF_CODE: Final[dict[str, int]] = {
    "invalid_argument": 400,
    "invalid_room_code": 400,
    "not_authenticated": 401,
    "not_host": 403,
    "not_participant": 403,
    "not_allowed": 403,
    "room_full": 403,
    "banned": 403,
    "kicked": 403,
    "muted": 403,
    "room_limit_reached": 403,
    "room_not_found": 404,
    "message_not_found": 404,
    "participant_not_found": 404,
    "room_inactive": 409,
    "lease_expired": 409,
    "conflict": 409,
    "rate_limited": 429,
}

_ERROR_OF_STATUS: Final[dict[int, type[ApiError]]] = {
    400: InvalidRequestError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}


def error_for_code(
    code: str, message: str, *, hint: str = "", status: int | None = None, retry_after_s: float = 1.0
) -> SpacesError:
    """The error to raise for a code of the database; an unknown code is judged by its status."""
    known = STATUS_OF_CODE.get(code)
    status = known or status or 0
    if status == 401:
        return (AuthError if code == "not_authenticated" else SessionExpiredError)(message, code=code, hint=hint)
    if code == "room_full":
        return RoomFullError(message, code=code, hint=hint, status=status)
    kind = _ERROR_OF_STATUS.get(status)
    if kind is RateLimitedError:
        return RateLimitedError(message, code=code, hint=hint, status=status, retry_after_s=retry_after_s)
    if kind is None:
        kind = ServerError if status >= 500 or status == 0 else InvalidRequestError
    return kind(message, code=code, hint=hint, status=status)
