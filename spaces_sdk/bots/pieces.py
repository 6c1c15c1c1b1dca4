"""The text of an answer as it comes from a model, made fit for a message."""

from __future__ import annotations

import re
from typing import Final

_HIGH: Final = re.compile("[\ud800-\udbff]$")


class AnswerText:
    """Takes pieces in, and gives out what can be written.

    A NUL and a half of a surrogate pair become U+FFFD, a pair that was cut in two pieces is joined again, and the
    bot's own mark before the answer, which models like to copy from the others, is dropped, and so is white space
    before the first word. What would make the message longer than it may be is cut off.

    Args:
        own: The bot's name in the conversation.
        longest: Characters.

    Attributes:
        length: Characters given out.
        size_bytes: The same as UTF-8.
        is_full: No more fits.
    """

    def __init__(self, own: str, longest: int) -> None:
        self._mark: str | None = f"<{own}>"
        self._longest = longest
        self._held = ""
        self._half = ""
        self.length = 0
        self.size_bytes = 0
        self.is_full = False

    def take(self, piece: str) -> str:
        """What can be written after this piece; perhaps nothing yet."""
        return self._give(self._unmarked(self._joined(piece)))

    def end(self) -> str:
        """What was held back, after the last piece."""
        text = self._held + ("\ufffd" if self._half else "")
        self._held, self._half, self._mark = "", "", None
        return self._give(text)

    def _joined(self, piece: str) -> str:
        text = self._half + piece
        self._half = text[-1] if _HIGH.search(text) else ""
        if self._half:
            text = text[:-1]
        if not text.isascii():
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text.replace("\0", "\ufffd")

    def _unmarked(self, text: str) -> str:
        if self._mark is None:
            return text
        self._held += text
        start = self._held.lstrip()
        if len(start) < len(self._mark) and self._mark.startswith(start):
            return ""
        text, mark = self._held, self._mark
        self._held, self._mark = "", None
        return start[len(mark) :] if start.startswith(mark) else text

    def _give(self, text: str) -> str:
        if self.length == 0:
            text = text.lstrip()
        room = self._longest - self.length
        self.is_full = self.is_full or len(text) > room
        text = text[:room]
        self.length += len(text)
        self.size_bytes += len(text.encode())
        return text


def estimated_tokens(size_bytes: int) -> int:
    """Tokens of a text by its length as UTF-8: four bytes each, rounded up."""
    return -(-size_bytes // 4)
