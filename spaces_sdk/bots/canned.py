"""No model at all: fixed lines, for demos and tests without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final
from zlib import crc32

from spaces_sdk.bots.models import ChatMessage

CANNED_LINES: Final = (
    "That is one way to see it.",
    "Go on, I am listening.",
    "What do the others think?",
    "I would ask the host about that.",
)

LINES_OF_MODE: Final = {
    "gangster": (
        "Listen, pal: nobody hears that from me.",
        "You got style, kid. Now sit down.",
        "Easy. Talk first.",
    ),
    "playful": ("Ha! Riddle me this: who asked first?", "Ooh, again, but upside down!", "I bet a biscuit on that."),
    "philosopher": ("What do you mean by that, exactly?", "Which assumption hides in there?", "And if it were not so?"),
    "conspiracy": (
        "Odd, the pigeons said the same.",
        "That is what the teaspoons want.",
        "Count the lamp posts.",
    ),
    "wildcard": ("Land ahoy! A question, starboard!", "And the crowd goes wild!", "Elementary: it was the butter."),
}


class CannedModel:
    """No model at all: fixed lines, each marked `(canned)`. The same question in the same mode gets the same line.

    Args:
        lines: What it says, at least one. None: lines in the manner of the room's mode.
    """

    name = "canned"

    def __init__(self, lines: Sequence[str] | None = None) -> None:
        if lines is not None and not lines:
            raise ValueError("a canned model needs at least one line")
        self._lines = None if lines is None else tuple(lines)

    async def answer(self, messages: Sequence[ChatMessage], /) -> AsyncIterator[str]:
        question = messages[-1].content if messages else ""
        mode = next((message.name for message in messages if message.role == "system"), "")
        lines = self._lines or LINES_OF_MODE.get(mode, CANNED_LINES)
        line = lines[crc32(question.encode("utf-8", "replace")) % len(lines)]
        for word in f"(canned) {line}".split(" "):
            yield word if word == "(canned)" else f" {word}"
