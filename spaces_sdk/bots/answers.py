"""What `ctx.answer` takes, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

from spaces_sdk.models import JsonObject

APOLOGY: Final = "Sorry, I cannot answer just now."


class AnswerOptions(TypedDict, total=False):
    """How `ctx.answer` answers.

    Attributes:
        instructions: What the bot is told beside the persona of the mode; empty by default.
        history: Most messages that the model reads, over 0; 20 by default. A session holds 50 at its join, later up
            to 200.
        max_chars: Most characters of them together, over 0; 8000 by default.
        max_tokens: Most tokens of the answer, over 0. A `LimitedModel` is told, any other is cut by an estimate.
        first_token_timeout_s: Longest wait for the first sign of life, in seconds; 60 by default.
        idle_timeout_s: Longest silence after it, in seconds; 30 by default.
        apology: What is said when the model fails before its first word; empty for nothing.
        metadata: Of the message, from its beginning.
    """

    instructions: str
    history: int
    max_chars: int
    max_tokens: int | None
    first_token_timeout_s: float
    idle_timeout_s: float
    apology: str
    metadata: JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """What `ctx.answer` has said; the message's metadata says the same.

    Attributes:
        text: What was written.
        finish_reason: `stop`, `length`, `content_filter` …; `stopped` if somebody ended the message.
        mode: The room's mode whose persona it was.
        is_counted: The tokens are the model's own count; else they are estimated.
        first_token_ms: From the call to the first word; None if there was none.
    """

    text: str
    finish_reason: str
    model: str
    mode: str
    prompt_tokens: int
    completion_tokens: int
    is_counted: bool
    first_token_ms: int | None
    total_ms: int
