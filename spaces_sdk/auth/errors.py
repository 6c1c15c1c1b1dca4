"""What supabase-auth raises, in the package's own errors."""

from __future__ import annotations

from typing import Final

import httpx
from supabase_auth.errors import AuthApiError as LibraryApiError
from supabase_auth.errors import AuthError as LibraryError
from supabase_auth.errors import AuthWeakPasswordError

from spaces_sdk.errors import (
    AuthError,
    InvalidCredentialsError,
    RateLimitedError,
    ServerError,
    SessionExpiredError,
    SpacesError,
)
from spaces_sdk.rpc.answers import judge_foreign
from spaces_sdk.rpc.http_errors import (
    closed_client,
    invalid_api_key,
    is_about_api_key,
    retry_after_s,
    transport_error,
)

_SESSION_OVER: Final = frozenset(
    {"bad_jwt", "session_not_found", "session_expired", "refresh_token_not_found", "refresh_token_already_used"}
)
_HINTS: Final = {
    "email_not_confirmed": "follow the link in the e-mail first",
    "user_already_exists": "sign in instead",
    "email_exists": "use the account that has it, or choose another address",
    "anonymous_provider_disabled": "switch on anonymous sign-ins in the project's Authentication settings",
    "signup_disabled": "switch on sign-ups in the project's Authentication settings",
    "email_provider_disabled": "switch on the e-mail provider in the project's Authentication settings",
    "not_admin": "this needs the project's secret key",
    "no_authorization": "this needs the project's secret key",
}
"""What to do next, by code. Source: "Error codes" of Supabase Auth."""


def auth_error(operation: str, url: str, error: LibraryError, *, is_known: bool) -> SpacesError:
    """The error to raise; `error` is to be its cause. `is_known`: Auth has answered before; see `judge_foreign`."""
    cause = error.__cause__
    if isinstance(cause, httpx.HTTPStatusError):
        return _of_answer(operation, url, error, cause.response, is_known=is_known)
    if isinstance(cause, httpx.RequestError):
        return transport_error(operation, url, cause)
    if isinstance(cause, RuntimeError):
        return closed_client(operation)
    return AuthError(f"cannot {operation}: {error.message}", code=error.code)


def _of_answer(
    operation: str, url: str, error: LibraryError, response: httpx.Response, *, is_known: bool
) -> SpacesError:
    status, code = response.status_code, error.code or ""
    if status >= 500:
        return ServerError(f"cannot {operation}: Supabase Auth is not available (status {status})", status=status)
    if not isinstance(error, LibraryApiError | AuthWeakPasswordError) or (status == 404 and not code):
        return judge_foreign(operation, url, response, is_known=is_known).error
    if not code and is_about_api_key(status, error.message):
        return invalid_api_key(operation, url)
    text = f"cannot {operation}: {error.message}"
    if status == 429:
        return RateLimitedError(text, hint="slow down", retry_after_s=retry_after_s(response))
    if code == "invalid_credentials" or "invalid login credentials" in error.message.lower():
        return InvalidCredentialsError(f"cannot {operation}: wrong e-mail, phone or password")
    if code in _SESSION_OVER:
        return SessionExpiredError(text, hint="sign in again")
    reasons = ", ".join(error.reasons) if isinstance(error, AuthWeakPasswordError) else ""
    hint = f"choose a stronger password: {reasons}" if reasons else _HINTS.get(code, "")
    return AuthError(text, code=code or "auth_refused", hint=hint)
