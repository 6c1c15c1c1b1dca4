"""Every error that the SDK raises, under one root.

Nothing of httpx, websockets, postgrest or supabase-auth escapes: it is chained as the cause.
The text reads `cannot <operation>: <reason>`; the hint says what to do next.
"""

from __future__ import annotations

from uuid import UUID

RAW_LIMIT = 200


class SpacesError(Exception):
    """The root. Catch it to catch all that this package raises.

    Attributes:
        code: Stable, machine-readable, snake_case (for example `room_full`).
        message: What could not be done, and why, in one line.
        hint: What to do next; empty when there is nothing to say.
        retryable: True if the same call may succeed later without any change.
    """

    default_code = "error"
    default_retryable = False

    def __init__(self, message: str, *, code: str | None = None, hint: str = "", retryable: bool | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.message = message
        self.hint = hint
        self.retryable = self.default_retryable if retryable is None else retryable

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # By default an exception is made anew from `args`, which fails where a subclass wants more, and with it the
        # whole process pool in which it was raised.
        return _restored, (type(self), self.args, vars(self))


def _restored(kind: type[SpacesError], args: tuple[object, ...], fields: dict[str, object]) -> SpacesError:
    error = kind.__new__(kind, *args)
    vars(error).update(fields)
    return error


class ConfigError(SpacesError):
    """A setting is missing or malformed. Raised before any I/O."""

    default_code = "invalid_config"


class SchemaMismatchError(ConfigError):
    """The database has no migrations of this package, or those of another version."""

    default_code = "schema_mismatch"


class UsageError(SpacesError):
    """The call does not fit the object's state; a mistake in the calling code."""

    default_code = "usage"


class SessionClosedError(UsageError):
    """The session has ended; make a new one with `spaces.join`."""

    default_code = "session_closed"


class NotJoinedError(UsageError):
    """The session has not been entered with `async with`."""

    default_code = "not_joined"


class SendQueueFullError(UsageError):
    """Too many sends of the session wait already; await some of them, or cancel them."""

    default_code = "send_queue_full"
    default_retryable = True


class SendCancelledError(SpacesError):
    """The send was taken back through `session.pending` before it was sent; nothing was stored."""

    default_code = "send_cancelled"


class StreamStoppedError(SpacesError):
    """The message that was being written was ended by somebody else; what was stored of it stays."""

    default_code = "stream_stopped"


class AuthError(SpacesError):
    """Supabase Auth refused, or nobody is signed in."""

    default_code = "not_authenticated"


class InvalidCredentialsError(AuthError):
    """Wrong e-mail or password."""

    default_code = "invalid_credentials"


class SessionExpiredError(AuthError):
    """The access token is expired or revoked, and could not be refreshed; sign in again."""

    default_code = "session_expired"


class ApiError(SpacesError):
    """The database or the edge function answered with an error.

    Attributes:
        status: HTTP status, 0 where none was seen.
    """

    default_code = "api_error"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str = "", retryable: bool | None = None, status: int = 0
    ) -> None:
        super().__init__(message, code=code, hint=hint, retryable=retryable)
        self.status = status


class InvalidRequestError(ApiError):
    """400: an argument is out of its range; nothing was changed."""

    default_code = "invalid_argument"


class PermissionDeniedError(ApiError):
    """403: the caller may not do this."""

    default_code = "not_allowed"


class RoomFullError(PermissionDeniedError):
    """403 `room_full`: every place in the room is taken by a live connection."""

    default_code = "room_full"


class NotFoundError(ApiError):
    """404: no such room, message or participant, or none that the caller may see."""

    default_code = "room_not_found"


class ConflictError(ApiError):
    """409: the state of the room, the lease or the idempotency key does not allow it."""

    default_code = "conflict"


class RateLimitedError(ApiError):
    """429: over a limit.

    Attributes:
        retry_after_s: Seconds to wait before the next try, > 0.
    """

    default_code = "rate_limited"
    default_retryable = True

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        retryable: bool | None = None,
        status: int = 429,
        retry_after_s: float = 1.0,
    ) -> None:
        super().__init__(message, code=code, hint=hint, retryable=retryable, status=status)
        self.retry_after_s = retry_after_s


class ServerError(ApiError):
    """5xx, or an answer of the database that no rule of ours explains."""

    default_code = "server_error"
    default_retryable = True


class TransportError(SpacesError):
    """The network, or the server's end of it."""

    default_code = "transport"
    default_retryable = True


class ConnectError(TransportError):
    """The server could not be reached."""

    default_code = "connect_failed"


class ConnectTimeoutError(TransportError):
    """The server did not answer in time."""

    default_code = "connect_timeout"


class ConnectionLostError(TransportError):
    """The connection ended in the middle of an operation."""

    default_code = "connection_lost"


class ChannelError(SpacesError):
    """A Realtime channel could not be used."""

    default_code = "channel_error"


class JoinRejectedError(ChannelError):
    """Realtime refused the join of a topic.

    Attributes:
        topic: The topic without the `realtime:` prefix.
        reason: What the server said, cut at 200 characters.
    """

    default_code = "join_rejected"

    def __init__(self, *, topic: str, reason: str, code: str | None = None, retryable: bool = False) -> None:
        self.topic = topic
        self.reason = reason[:RAW_LIMIT]
        super().__init__(f"cannot join topic {topic}: {self.reason}", code=code, retryable=retryable)


class PayloadTooLargeError(ChannelError):
    """The payload is over the server's limit."""

    default_code = "payload_too_large"


class RemovedError(SpacesError):
    """The session was ended from outside; `code` says how (kicked, banned, room_not_found, room_inactive …)."""

    default_code = "removed"


class OutcomeUnknownError(SpacesError):
    """No answer in time: it may have happened. Repeat the call with the same id, which never makes a second one.

    Attributes:
        operation_id: The idempotency key of the call, for a safe retry.
    """

    default_code = "outcome_unknown"
    default_retryable = True

    def __init__(self, message: str, *, operation_id: UUID, hint: str = "") -> None:
        super().__init__(message, hint=hint or f"repeat the call with the id {operation_id}; it is stored at most once")
        self.operation_id = operation_id


class ProtocolError(SpacesError):
    """The server said what this package cannot parse.

    Attributes:
        raw: The frame or body, cut at 200 characters.
    """

    default_code = "protocol"

    def __init__(self, message: str, *, raw: object = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.raw = str(raw)[:RAW_LIMIT]
