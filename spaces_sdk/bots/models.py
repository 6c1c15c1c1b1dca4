"""What makes an answer: a model is a small protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

LONGEST_REASON: Final = 40


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One thing that was said, as a model reads it.

    Attributes:
        role: `assistant` is the bot itself, `user` everybody else, other bots too.
        content: The text; before what others said stands who said it: `<Ada> hello`.
        name: Who said it; of a `system` message, the mode whose persona it is.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """What a model may say last, after the pieces of its answer.

    Attributes:
        finish_reason: Why it ended: `stop`, `length`, `content_filter` …
        prompt_tokens: What the conversation counted; None: not known.
        completion_tokens: What the answer counted; None: not known.

    Raises:
        ValueError: A count is below 0, or the reason has more than 40 characters.
    """

    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def __post_init__(self) -> None:
        if len(self.finish_reason) > LONGEST_REASON:
            raise ValueError(f"a finish reason has at most {LONGEST_REASON} characters")
        if (self.prompt_tokens or 0) < 0 or (self.completion_tokens or 0) < 0:
            raise ValueError("a count of tokens is 0 or more")


class Model(Protocol):
    """Answers a conversation, bit by bit. The smallest one:

    ```python
    class Shout:
        name = "shout"

        async def answer(self, messages: Sequence[ChatMessage]) -> AsyncIterator[str]:
            yield messages[-1].content.upper()
    ```
    """

    @property
    def name(self) -> str:
        """What it is called; goes into the answer's metadata."""
        ...

    def answer(self, messages: Sequence[ChatMessage], /) -> AsyncIterator[str | AnswerEnd]:
        """The pieces of the answer to the last message, then perhaps an `AnswerEnd`.

        An empty piece says that it is at work. Closing the iterator, or cancelling it, ends the work.
        """
        ...


@runtime_checkable
class LimitedModel(Protocol):
    """A model that can be told how long its answers may be. Others are cut by an estimate."""

    def limited(self, max_tokens: int, /) -> Model:
        """The same model, whose answers have at most so many tokens."""
        ...
