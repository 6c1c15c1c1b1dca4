"""What the server's sentences mean: refused joins, and messages that end a channel.

Source: the error tables in tests/fixtures/realtime-transcripts/README.md.
"""

from __future__ import annotations

from typing import Final

from spaces_sdk.errors import JoinRejectedError
from spaces_sdk.realtime.events import CloseReason

# The word before the colon → (code, retryable).
_REFUSALS: Final[dict[str, tuple[str, bool]]] = {
    "Unauthorized": ("unauthorized", False),
    "PrivateOnly": ("private_only", False),
    "TopicNameRequired": ("topic_invalid", False),
    "unmatched topic": ("topic_invalid", False),
    "InvalidJWTToken": ("token_invalid", False),
    "JwtSignatureError": ("token_invalid", False),
    "JwtSignerError": ("token_invalid", False),
    "MalformedJWT": ("token_invalid", False),
    "ChannelRateLimitReached": ("too_many_channels", True),
    "ConnectionRateLimitReached": ("too_many_users", True),
    "ClientJoinRateLimitReached": ("too_many_joins", True),
    "InitializingProjectConnection": ("server_starting", True),
    "UnableToConnectToProject": ("server_starting", True),
    "DatabaseLackOfConnections": ("server_starting", True),
    "DatabaseConnectionRateLimitReached": ("server_starting", True),
    "IncreaseConnectionPool": ("server_starting", True),
    "RealtimeRestarting": ("server_starting", True),
    "RealtimeDisabledForTenant": ("realtime_disabled", False),
    "TenantNotFound": ("realtime_disabled", False),
}

_ENDINGS: Final[tuple[tuple[str, CloseReason], ...]] = (
    ("Token has expired", CloseReason.TOKEN_EXPIRED),
    ("The token provided is not a valid JWT", CloseReason.TOKEN_EXPIRED),
    (":signature_error", CloseReason.TOKEN_EXPIRED),
    ("Fields `role` and `exp` are required", CloseReason.TOKEN_EXPIRED),
    ("You do not have permissions", CloseReason.PERMISSION_LOST),
    ("Too many ", CloseReason.LIMIT_REACHED),
    ("Client presence rate limit exceeded", CloseReason.LIMIT_REACHED),
    ("Track message size exceeded", CloseReason.LIMIT_REACHED),
    ("Server requested disconnect", CloseReason.SERVER_RESTART),
)

SERVICE_RESTART: Final = 1012


def rejection(topic: str, reason: str) -> JoinRejectedError:
    """The error of a refused join. A reason that is not known may pass, so it is retryable."""
    if "Token has expired" in reason:
        code, is_retryable = "token_expired", True
    else:
        code, is_retryable = _REFUSALS.get(reason.partition(":")[0].strip(), ("join_rejected", True))
    return JoinRejectedError(
        topic=topic, reason=reason or "the server gave no reason", code=code, retryable=is_retryable
    )


def crash_rejection(topic: str, reason: str) -> JoinRejectedError:
    """The error of a join whose channel died on the server before the answer."""
    return JoinRejectedError(topic=topic, reason=reason or "channel crash", code="channel_crashed", retryable=True)


def close_reason(message: str) -> CloseReason:
    """Why a channel ended, by the last `system` message before its `phx_close`; empty: the server gave none."""
    for start, reason in _ENDINGS:
        if message.startswith(start):
            return reason
    return CloseReason.SERVER_CLOSED


def socket_close_reason(code: int, last_system_message: str) -> CloseReason:
    """Why the channels of a socket ended with it. 1000 is no goodbye: the server says it to a silent client."""
    if code == SERVICE_RESTART or last_system_message.startswith("Server requested disconnect"):
        return CloseReason.SERVER_RESTART
    return CloseReason.SOCKET_LOST
