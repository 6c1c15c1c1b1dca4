"""The proxy of `make chaos` knows a broadcast when it passes: only those are lost, doubled and swapped."""

from __future__ import annotations

import pytest

from tests.chaos.frames import FrameSplitter, is_broadcast

pytestmark = pytest.mark.unit

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def frame(payload: bytes, opcode: int = 2) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    if size < 65536:
        return bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big") + payload
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big") + payload


BROADCASTS = [frame(b"\x04" + bytes([number]) * size) for number, size in enumerate((3, 200, 70_000, 9))]
REPLY = frame(b"\x01reply")
TEXT = frame(b"[]", opcode=1)


@pytest.mark.parametrize("cut", [1, 7, 1000, 1_000_000])
def test_frames_are_found_however_they_arrive(cut: int) -> None:
    stream = b"".join([HEAD, *BROADCASTS, REPLY, TEXT])
    splitter = FrameSplitter()
    pieces = [piece for at in range(0, len(stream), cut) for piece in splitter.feed(stream[at : at + cut])]
    assert pieces == [HEAD, *BROADCASTS, REPLY, TEXT]
    assert [is_broadcast(piece) for piece in pieces] == [False, True, True, True, True, False, False]
