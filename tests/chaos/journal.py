"""The journal of one session: a file that is only ever appended to, and that outlives its process.

A line is one write, so that a SIGKILL loses at most the line that was being written. The reader's position is in the
same line as the event: a process that is started anew knows to the event what its reader had been told.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.chaos.lines import Line, What

MAX_BYTES: Final = 64 * 2**20


class Journal:
    """Appends lines; closed by the end of the `with`, or by the end of the process, whatever that is.

    Raises:
        OSError: The file cannot be written, or is at its bound.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = _cut_torn_line(self._fd)

    def write(self, line: Line) -> None:
        data = f"{line.to_json()}\n".encode()
        self._size += len(data)
        if self._size > MAX_BYTES:
            raise OSError(f"the journal is over its bound of {MAX_BYTES} bytes")
        os.write(self._fd, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def read_journal(path: Path) -> list[Line]:
    """All whole lines; none if there is no file."""
    if not path.exists():
        return []
    return [Line.from_json(text) for text in path.read_text(encoding="utf-8").split("\n")[:-1]]


def saved_position(lines: list[Line]) -> int | None:
    """Where a new process goes on; None if it begins afresh, because nothing was told or the session was removed."""
    for line in reversed(lines):
        if line.what is What.ENDED and is_removal(line.name):
            return None
        if line.position is not None:
            return line.position
    return None


def is_removal(reason: str) -> bool:
    """The room ended the session; what came after it was not for that session."""
    return reason in ("kicked", "banned")


def _cut_torn_line(fd: int) -> int:
    size = os.fstat(fd).st_size
    tail = os.pread(fd, min(size, 65536), max(0, size - 65536))
    whole = size - (len(tail) - (tail.rfind(b"\n") + 1))
    os.ftruncate(fd, whole)
    return whole
