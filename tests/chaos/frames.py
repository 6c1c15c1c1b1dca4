"""Where a WebSocket's frames begin and end, on the way from the server to the client."""

from __future__ import annotations

from typing import Final

_HEAD_END: Final = b"\r\n\r\n"
_BINARY: Final = 0x82  # opcode 2, not fragmented
_BROADCAST: Final = 4  # kind of a broadcast from the database, protocol 2.0.0


class FrameSplitter:
    """Cuts a stream into its HTTP head and its frames, which a server does not mask. No I/O."""

    def __init__(self) -> None:
        self._rest = b""
        self._has_head = False

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces that are whole now."""
        self._rest += data
        pieces: list[bytes] = []
        while (size := self._next_size()) is not None:
            pieces.append(self._rest[:size])
            self._rest = self._rest[size:]
        return pieces

    def _next_size(self) -> int | None:
        rest = self._rest
        if not self._has_head:
            end = rest.find(_HEAD_END)
            if end < 0:
                return None
            self._has_head = True
            return end + len(_HEAD_END)
        if len(rest) < 2:
            return None
        length, begins = rest[1] & 0x7F, 2
        if length >= 126:
            begins = 4 if length == 126 else 10
            if len(rest) < begins:
                return None
            length = int.from_bytes(rest[2:begins], "big")
        return begins + length if len(rest) >= begins + length else None


def is_broadcast(piece: bytes) -> bool:
    """A message of the database to a room's topic; all else (replies, presence) is not for losing."""
    if len(piece) < 3 or piece[0] != _BINARY:
        return False
    begins = {126: 4, 127: 10}.get(piece[1] & 0x7F, 2)
    return len(piece) > begins and piece[begins] == _BROADCAST
