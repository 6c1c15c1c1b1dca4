"""What a failed request to an OpenAI-compatible server means: a `ModelError`, and whether another try may help."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from spaces_sdk.bots.errors import ModelError
from spaces_sdk.clock import Clock

LONGEST_PAUSE_S: Final = 30.0
"""A server that asks for a longer pause before the next try is not waited for."""

_QUOTED: Final = 200
_HINTS: Final = {
    401: "is the key right?",
    403: "is the key right?",
    404: "is the name of the model right, and the base_url? It mostly ends with /v1",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One try that failed.

    Attributes:
        pause_s: The server's wish before another try; None: it has none.
        may_try_again: Another try may help.
        is_about_request: The server did not understand the request, or would not have one of its fields.
    """

    error: ModelError
    may_try_again: bool = False
    pause_s: float | None = None
    is_about_request: bool = False


def judge(error: Exception, cannot: str, *, key: str, clock: Clock) -> Failure:
    """For what the `openai` package raised before the answer began, or in the middle of it.

    Args:
        error: What it raised. It is not chained to ours: its text may quote the key.
        cannot: The beginning of ours.
        key: Never quoted.
        clock: For a `Retry-After` that is a date.
    """
    import openai

    match error:
        case openai.APITimeoutError():
            return Failure(_error(f"{cannot}: no answer in time", "model_timeout", True), may_try_again=True)
        case openai.APIConnectionError():
            return _unreachable(error.__cause__ or error, cannot)
        case openai.APIStatusError():
            return _judge_status(error.status_code, dict(error.response.headers), error, cannot, key, clock)
        case openai.APIError():
            return Failure(_error(f"{cannot}: the server said: {_words(error.body, key)}", "model_failed", True))
        case Exception() if type(error).__module__.startswith("httpx"):  # openai 2 lets them through in mid-stream
            return _unreachable(error, cannot)
        case UnicodeDecodeError():
            return Failure(_error(f"{cannot}: the server sent what is no UTF-8", "model_failed", True))
        case ValueError():  # a JSONDecodeError among them
            return Failure(_error(f"{cannot}: the server sent what is no JSON", "model_failed", True))
        case _:
            return Failure(_error(f"{cannot}: {type(error).__name__}", "model_failed", False))


def _unreachable(reason: BaseException, cannot: str) -> Failure:
    text = f"{cannot}: the connection failed ({type(reason).__name__})"
    return Failure(_error(text, "model_unreachable", True), may_try_again=True)


def _judge_status(status: int, headers: dict[str, str], error: object, cannot: str, key: str, clock: Clock) -> Failure:
    body = getattr(error, "body", None)
    # A refusal of the key may quote a part of it.
    said = "" if status in (401, 403) else f": {_words(body, key)}"
    text, hint = f"{cannot}: the server answered {status}{said}", _HINTS.get(status, "")
    pause_s = _retry_after_s(headers, clock)
    if status == 429:
        is_spent = getattr(error, "code", None) == "insufficient_quota"
        limited = ModelError(
            text, code="model_rate_limited", status=status, retryable=not is_spent, retry_after_s=pause_s
        )
        return Failure(limited, may_try_again=not is_spent, pause_s=pause_s)
    if status >= 500 or status in (408, 409):
        failed = ModelError(text, code="model_failed", status=status, retryable=True, retry_after_s=pause_s)
        return Failure(failed, may_try_again=True, pause_s=pause_s)
    refused = ModelError(text, code="model_refused", status=status, hint=hint)
    return Failure(refused, is_about_request=status in (400, 422))


def _error(text: str, code: str, is_retryable: bool) -> ModelError:
    return ModelError(text, code=code, retryable=is_retryable)


def _words(body: object, key: str) -> str:
    """What the server says about it, in one line, cut."""
    message: object = body
    for name in ("error", "message"):
        if isinstance(message, dict):
            message = message.get(name, message)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    text = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(message or "nothing"))  # pyright: ignore[reportUnknownArgumentType]
    return (text.replace(key, "***") if key else text)[:_QUOTED]


def _retry_after_s(headers: dict[str, str], clock: Clock) -> float | None:
    """`retry-after-ms`, or `Retry-After` in seconds or as a date."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        at = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (at - clock.now()).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
