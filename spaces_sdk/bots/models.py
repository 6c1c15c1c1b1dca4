"""What makes an answer: a model is a small protocol; the one that is built in is canned."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that was said, as a model sees it."""

    role: Literal["system", "user", "assistant"]
    content: str
    name: str = ""


class Model(Protocol):
    """Answers a conversation, bit by bit."""

    @property
    def name(self) -> str:
        """What it is called; goes into the answer's metadata."""
        ...

    def answer(self, turns: Sequence[Turn], /) -> AsyncIterator[str]:
        """The pieces of the answer to the last turn. Closing the iterator ends the work."""
        ...


CANNED_LINES: Final = (
    "That is one way to see it.",
    "Go on, I am listening.",
    "What do the others think?",
    "I would ask the host about that.",
)


class CannedModel:
    """No model at all: fixed lines, for demos and tests without a network. It says so in each answer.

    The same question gets the same line.

    Args:
        lines: What it says, at least one.
    """

    name = "canned"

    def __init__(self, lines: Sequence[str] = CANNED_LINES) -> None:
        if not lines:
            raise ValueError("a canned model needs at least one line")
        self._lines = tuple(lines)

    async def answer(self, turns: Sequence[Turn], /) -> AsyncIterator[str]:
        question = turns[-1].content if turns else ""
        line = self._lines[crc32(question.encode("utf-8", "replace")) % len(self._lines)]
        for word in f"(canned) {line}".split(" "):
            yield word if word == "(canned)" else f" {word}"
