"""Parts of messages that are being written: which follow, and what is missing before others. No I/O.

A part that comes before what it follows waits here. What is told of a message fits together without a hole
and without a repetition, whatever the wire does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from spaces_sdk.events import MessageChunk

# Of all messages together; a part has at most 8000 characters.
MAX_WAITING: Final = 256


@dataclass(frozen=True, slots=True)
class _Waiting:
    chunk: MessageChunk
    head: int


class WaitingChunks:
    """What was heard of messages and does not follow yet."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def keep(self, chunk: MessageChunk, head: int) -> None:
        """Keep one.

        Args:
            head: The room's step at or after the one that made the message.
        """
        self._waiting.append(_Waiting(chunk, head))
        # Whatever is dropped is a hole before those that came after it, and found by it.
        del self._waiting[:-MAX_WAITING]

    def following(self, message_id: UUID, content: str) -> list[MessageChunk]:
        """What goes on where the content ends, cut to what it lacks; taken out, with all that it has already."""
        taken: list[MessageChunk] = []
        mine = sorted((each for each in self._waiting if each.chunk.message_id == message_id), key=_offset)
        length = len(content)
        for waiting in mine:
            chunk = waiting.chunk
            if chunk.offset > length:
                break
            self._waiting.remove(waiting)
            if (new := chunk.text[length - chunk.offset :]) != "":
                taken.append(replace(chunk, offset=length, text=new))
                length += len(new)
        return taken

    def forget(self, message_id: UUID) -> None:
        """The message is written to its end."""
        self._waiting = [each for each in self._waiting if each.chunk.message_id != message_id]

    def lacks_some(self, position: int, is_known: Callable[[UUID], bool]) -> bool:
        """Whether something is missing before what waits for a known message.

        What belongs to a message that is unknown at its own step is older than all that are kept, and forgotten.
        """
        self._waiting = [each for each in self._waiting if each.head > position or is_known(each.chunk.message_id)]
        return any(is_known(each.chunk.message_id) for each in self._waiting)


def _offset(waiting: _Waiting) -> int:
    return waiting.chunk.offset
