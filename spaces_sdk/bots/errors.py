"""What goes wrong in a bot."""

from __future__ import annotations

from spaces_sdk.errors import SpacesError


class CommandError(SpacesError):
    """A command cannot be done as it was asked for; its text is the bot's reply. Raise it in a command to refuse it."""

    default_code = "command_refused"


class ModelError(SpacesError):
    """A model did not answer: it cannot be reached, refused, was silent for too long, or sent what cannot be read.

    Attributes:
        code: `model_unreachable`, `model_refused`, `model_rate_limited`, `model_timeout`, `model_silent` (it said
            nothing), `model_broken_off` (it ended in the middle) or `model_failed`.
        status: HTTP status, 0 where there is none.
        retry_after_s: When the model may be asked again, if it says so.
    """

    default_code = "model_failed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        retryable: bool | None = None,
        status: int = 0,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, retryable=retryable)
        self.status = status
        self.retry_after_s = retry_after_s


class HandlerOverflowError(SpacesError):
    """A handler is so slow that its queue is full: what came meanwhile did not reach it."""

    default_code = "handler_overflow"
