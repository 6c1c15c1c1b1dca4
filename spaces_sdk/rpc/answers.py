"""What an answer of PostgREST means: the error to raise, and whether another try may help."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, cast

import httpx

from spaces_sdk.codes import STATUS_OF_CODE, error_for_code
from spaces_sdk.errors import (
    AuthError,
    ProtocolError,
    RateLimitedError,
    SchemaMismatchError,
    ServerError,
    SessionExpiredError,
    SpacesError,
)
from spaces_sdk.rpc.http_errors import (
    GATEWAY_STATUSES,
    NOT_SENT,
    foreign_answer,
    invalid_api_key,
    is_about_api_key,
    not_supabase,
    retry_after_s,
    transport_error,
)

MIGRATE_HINT: Final = "run `spaces migrations copy` in your app's folder, then `supabase db push`"


class Effect(Enum):
    """What a failed try may have done."""

    NONE = auto()
    """Nothing, and a second try would end in the same way."""
    NONE_YET = auto()
    """Nothing: rolled back, or never sent. Another try may succeed."""
    UNKNOWN = auto()
    """Perhaps everything: the answer is missing."""
    TOKEN_REFUSED = auto()
    """Nothing; another token may be accepted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One try that failed."""

    error: SpacesError
    effect: Effect


_ROLLED_BACK: Final = {
    "40001": ("serialization_failure", "it ran into another change"),
    "40P01": ("deadlock", "it ran into another change"),
    "55P03": ("lock_timeout", "the room is busy"),
    "PGRST003": ("database_busy", "the database has no free connection"),
}
"""SQLSTATEs (and one of PostgREST) after which the whole transaction is undone and the next may pass.

Source: PostgreSQL, appendix A; PostgREST, "Errors". 55P03 comes from the migrations' `lock_timeout` of 3 s.
"""

_SQLSTATE: Final = re.compile("[0-9A-Z]{5}")
_CONNECTION_SQLSTATES: Final = ("08", "57P0")
"""Connection exceptions, and a server that shuts down or ends the backend. Source: PostgreSQL, appendix A."""

_TOKEN_CODES: Final = frozenset({"PGRST301", "PGRST302", "PGRST303"})


def judge_exception(operation: str, url: str, error: Exception) -> Failure:
    """For what httpx raised while the call was on its way."""
    effect = Effect.NONE_YET if isinstance(error, NOT_SENT) else Effect.UNKNOWN
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.InvalidURL):
        effect = Effect.NONE
    return Failure(transport_error(operation, url, error), effect)


def judge_answer(
    operation: str, function: str, url: str, response: httpx.Response, body: object, *, is_known: bool
) -> Failure:
    """For an answer that is no success.

    Args:
        operation: What the call was to do, for the error's text.
        function: The name of the function that was called.
        url: The project's URL, for the error's text.
        response: Status and headers.
        body: The parsed JSON, None where the answer is none.
        is_known: The project has answered before; see `judge_foreign`.
    """
    status = response.status_code
    fields = fields_of(body)
    code, details = _text(fields.get("code")), _text(fields.get("details"))
    message, hint = _text(fields.get("message")), _text(fields.get("hint"))
    if details in STATUS_OF_CODE:
        wait = retry_after_s(response)
        error = error_for_code(details, message, hint=hint, status=status, retry_after_s=wait)
        return Failure(error, Effect.NONE)
    if code in _ROLLED_BACK:
        name, reason = _ROLLED_BACK[code]
        error = ServerError(f"cannot {operation}: {reason}", code=name, hint="try again", status=status)
        return Failure(error, Effect.NONE_YET)
    # The second form comes while PostgREST still remembers a function that is gone.
    if code == "PGRST202" or (code == "42883" and f"function public.{function}(" in message):
        return Failure(schema_missing(operation), Effect.NONE)
    if is_about_api_key(status, message, _text(fields.get("error")), _text(fields.get("msg"))):
        return Failure(invalid_api_key(operation, url), Effect.NONE)
    if code in _TOKEN_CODES or (status == 401 and code != "42501"):
        error = SessionExpiredError(f"cannot {operation}: the access token is not accepted", hint="sign in again")
        return Failure(error, Effect.TOKEN_REFUSED)
    if status in GATEWAY_STATUSES:
        error = ServerError(f"cannot {operation}: the service is not available (status {status})", status=status)
        return Failure(error, Effect.UNKNOWN)
    if status == 429:
        error = RateLimitedError(
            f"cannot {operation}: too many requests", hint="slow down", retry_after_s=retry_after_s(response)
        )
        return Failure(error, Effect.NONE)
    if not fields or not (code or message) or status < 400:
        return judge_foreign(operation, url, response, is_known=is_known)
    effect = Effect.UNKNOWN if _is_connection_lost(status, code) else Effect.NONE
    return Failure(_unforeseen(operation, status, code, message, hint), effect)


def judge_foreign(operation: str, url: str, response: httpx.Response, *, is_known: bool) -> Failure:
    """For an answer that is not one of Supabase, or was cut short, whatever its status.

    From a project that has never answered otherwise it means a wrong address. Later something in between has
    answered in its place (a proxy, a page of maintenance), after a write was carried out perhaps; that passes.
    """
    if not is_known:
        return Failure(not_supabase(operation, url, response), Effect.NONE)
    error = ServerError(
        f"cannot {operation}: {foreign_answer(url, response)}, not as a Supabase project does",
        code="foreign_answer",
        status=response.status_code,
    )
    return Failure(error, Effect.UNKNOWN)


def error_in_answer(operation: str, fields: dict[str, object]) -> SpacesError:
    """For `{"ok": false, "code": …}`: how the RPCs that count report a miss or a limit."""
    code = _text(fields.get("code"))
    if not code:
        return ProtocolError(f"cannot {operation}: the database refused without a code", raw=fields)
    wait = fields.get("retry_after_s")
    return error_for_code(
        code,
        _text(fields.get("message")) or f"cannot {operation}: {code}",
        hint=_text(fields.get("hint")),
        retry_after_s=float(wait) if isinstance(wait, int | float) and wait > 0 else 1.0,
    )


def schema_missing(operation: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"cannot {operation}: the database does not have the functions of spaces-sdk", hint=MIGRATE_HINT
    )


def fields_of(value: object) -> dict[str, object]:
    """A JSON object's fields; none for any other value."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _is_connection_lost(status: int, code: str) -> bool:
    """Whether the API lost its database on the way: then a commit may have happened, whatever was answered."""
    is_of_the_database = _SQLSTATE.fullmatch(code) is not None or code.startswith("PGRST")
    return code.startswith(_CONNECTION_SQLSTATES) or (status >= 500 and not is_of_the_database)


def _unforeseen(operation: str, status: int, code: str, message: str, hint: str) -> SpacesError:
    """An error that no rule of ours raised: judged by its SQLSTATE, else it is the server's."""
    if code == "42501" and status == 401:
        return AuthError(f"cannot {operation}: nobody is signed in", hint="sign in first")
    text = f"cannot {operation}: {message or 'no reason given'}" + (f" [{code}]" if code else "")
    ours = _code_of_sqlstate(code)
    if ours:
        return error_for_code(ours, text, hint=hint, status=status)
    return ServerError(text, hint=hint, status=status, retryable=status >= 500)


def _code_of_sqlstate(code: str) -> str | None:
    if code == "42501":
        return "not_allowed"
    if code == "23505":
        return "conflict"
    if len(code) == 5 and (code.startswith("22") or code in ("23502", "23514")):
        return "invalid_argument"
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
