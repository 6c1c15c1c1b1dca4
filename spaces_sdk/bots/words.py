"""Splits what follows a command into words."""

from __future__ import annotations

import re
from typing import Final

from spaces_sdk.bots.errors import CommandError

_PIECE: Final = re.compile(
    r"""["“”](?P<quoted>(?:\\.|[^"“”\\])*)(?P<end>["“”]|$)|(?P<plain>[^\s"“”]+)|(?P<space>\s+)""", re.DOTALL
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def split_words(text: str) -> list[str]:
    """Words between spaces; double quotes, also the curved ones of telephones, hold several together.

    A single quote is a letter: `!say don't`. Inside quotes a backslash takes the next character as it is.

    Raises:
        CommandError: A quote is not closed.
    """
    words: list[str] = []
    current: str | None = None
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None or (found["quoted"] is not None and not found["end"]):
            raise CommandError("a quote is not closed")
        if found["space"] is not None:
            if current is not None:
                words.append(current)
            current = None
        elif found["quoted"] is not None:
            current = (current or "") + _ESCAPED.sub(r"\1", found["quoted"])
        else:
            current = (current or "") + found["plain"]
        at = found.end()
    return words if current is None else [*words, current]
