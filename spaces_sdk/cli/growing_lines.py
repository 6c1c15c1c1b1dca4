"""Lines in a terminal of which one grows while it is written."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from spaces_sdk.bots.plain_log import printable


class GrowingLines:
    """One line at a time grows. What is written meanwhile stands below it, and then it goes on, marked with `…`;
    another one that grows meanwhile is shown when its turn comes, or when it is whole.

    Args:
        write: Takes text for the terminal. Control characters are taken out before: others have written it.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._open: UUID | None = None
        self._shown: dict[UUID, int] = {}

    def line(self, text: str) -> None:
        """A line of its own."""
        self._break()
        self._write(f"{printable(text)}\n")

    def grow(self, key: UUID, name: str, text: str) -> None:
        """What a line says so far, from its beginning."""
        shown = self._shown.setdefault(key, 0)
        if self._open is None:
            self._write(f"{printable(name)}: {'… ' if shown else ''}")
            self._open = key
        if self._open == key:
            self._write(printable(text[shown:]))
            self._shown[key] = len(text)

    def end(self, key: UUID, name: str, text: str, note: str = "") -> None:
        """What it says in the end; the note follows it."""
        if self._open != key:
            self._break()
        self.grow(key, name, text)
        self._write(f" {note}\n" if note else "\n")
        self._open = None
        del self._shown[key]

    def _break(self) -> None:
        if self._open is not None:
            self._write("\n")
            self._open = None
