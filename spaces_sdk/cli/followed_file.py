"""Reads what others add to a file, also after it was put aside and begun anew."""

from __future__ import annotations

from pathlib import Path


class FollowedFile:
    """A file of lines that grows. What it holds at first has been seen.

    Args:
        path: Need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._identity()
        self._at = path.stat().st_size if self._known is not None else 0

    def new_lines(self) -> str:
        """The whole lines since the last call, without the last line's end; empty if there are none."""
        identity = self._identity()
        if identity != self._known:
            self._known, self._at = identity, 0
        if identity is None:
            return ""
        with self._path.open("rb") as file:
            file.seek(self._at)
            lines, end, _ = file.read().rpartition(b"\n")
        self._at += len(lines) + len(end)
        return lines.decode("utf-8", "replace")

    def _identity(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None
