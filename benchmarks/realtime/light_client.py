"""A websocket client that costs little: what arrives is counted, and parsed only where its age is asked for.

The clients share two cores with the server that they measure.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from typing import Any

from websockets.frames import Frame, Opcode

_MARK = b'"at":'


def stamped(size: int) -> dict[str, Any]:
    """A payload of about so many bytes that knows when it was made."""
    return {"at": time.monotonic(), "text": "x" * size}


class LightClient(asyncio.Protocol):
    """One connection. `count` is the number of messages that came, `ages` holds their ages in seconds if asked for."""

    def __init__(self) -> None:
        self.count = 0
        self.ages: list[float] | None = None
        self.is_open = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._wanted = 0
        self._reached: asyncio.Future[None] | None = None

    @classmethod
    async def connect(cls, port: int, path: str) -> LightClient:
        """Connect and upgrade."""
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(cls, "127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await client.is_open
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]  # a TCP transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self.is_open.done():
            head, end, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.is_open.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self._buffer = buffer = bytearray(rest)
            self.is_open.set_result(None)
        at = 0
        while len(buffer) - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                length, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if len(buffer) < start + length:
                break
            if self.ages is not None:
                self._age(bytes(buffer[start : start + length]))
            at = start + length
            self.count += 1
        del buffer[:at]
        if self._reached is not None and self.count >= self._wanted and not self._reached.done():
            self._reached.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        lost = exc or ConnectionError("the server closed the connection")
        for future in (self.is_open, self._reached):
            if future is not None and not future.done():
                future.set_exception(lost)

    def _age(self, frame: bytes) -> None:
        _, found, rest = frame.partition(_MARK)
        if found and self.ages is not None:
            self.ages.append(time.monotonic() - float(rest.partition(b",")[0]))

    def send(self, value: Any) -> None:
        """Send one JSON message."""
        if self._transport is not None:
            self._transport.write(Frame(Opcode.TEXT, json.dumps(value).encode()).serialize(mask=True))

    async def reaches(self, count: int, within_s: float = 60.0) -> None:
        """Return when so many messages have come in all."""
        if self.count >= count:
            return
        self._wanted, self._reached = count, asyncio.get_running_loop().create_future()
        async with asyncio.timeout(within_s):
            await self._reached

    def close(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()
