"""A Phoenix server on a loopback port that behaves as a test says; real sockets, no database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from spaces_sdk.realtime.frames import Message
from spaces_sdk.realtime.protocol import Vsn
from tests.support.phoenix import Answer, Manners, database_broadcast, server_text


class ScriptedConnection:
    """One connection of a client."""

    def __init__(self, connection: ServerConnection, manners: Manners) -> None:
        self._connection = connection
        self.manners = manners
        self.is_deaf = False

    async def serve(self) -> None:
        """Answer until the end."""
        with contextlib.suppress(ConnectionClosed):
            async for data in self._connection:
                if self.is_deaf:
                    continue
                for answer in self.manners.answers(data):
                    await self.push(answer)

    async def push(self, message: Message) -> None:
        """Say something."""
        await self._connection.send(server_text(self.manners.vsn, message))

    async def push_raw(self, data: str | bytes) -> None:
        """Say something that may make no sense."""
        await self._connection.send(data)

    async def broadcast(self, topic: str, event: str, payload: Any, *, message_id: str = "m-1") -> None:
        """A message from the database on a topic (without prefix)."""
        frame = database_broadcast(f"realtime:{topic}", event, payload, message_id=message_id)
        await self._connection.send(frame)

    async def close(self, code: int, reason: str = "") -> None:
        """End with a close frame."""
        await self._connection.close(code, reason)

    def cut(self) -> None:
        """End without a word."""
        self._connection.transport.abort()

    def cut_mid_frame(self) -> None:
        """Write the head and a part of a frame, then end."""
        self._connection.transport.write(b"\x82\x7e\x10\x00" + b"x" * 100)
        self._connection.transport.close()

    @property
    def is_open(self) -> bool:
        """The transport is not closing."""
        return not self._connection.transport.is_closing()


class ScriptedServer:
    """Attributes:
    url: For `RealtimeClient`.
    connections: All that there were, oldest first.
    requests: The upgrades asked for, refused ones too.
    refuse_with: Status and body of refused upgrades; None accepts.
    location: Where a refused upgrade redirects to; empty for nowhere.
    """

    def __init__(self, *, vsn: Vsn = Vsn.V2, override: Answer | None = None) -> None:
        self.vsn = vsn
        self.override = override
        self.url = ""
        self.connections: list[ScriptedConnection] = []
        self.requests: list[Request] = []
        self.refuse_with: tuple[int, str] | None = None
        self.location = ""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[ScriptedServer]:
        """Listen on a free port of 127.0.0.1."""
        async with serve(
            self._handle,
            "127.0.0.1",
            0,
            process_request=self._check,
            compression=None,
            ping_interval=None,
            close_timeout=0.2,
        ) as server:
            port: int = next(iter(server.sockets)).getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}/realtime/v1/websocket"
            yield self
            for connection in self.connections:
                connection.cut()
        await asyncio.sleep(0)

    @property
    def connection(self) -> ScriptedConnection:
        """The newest."""
        return self.connections[-1]

    async def _handle(self, connection: ServerConnection) -> None:
        scripted = ScriptedConnection(connection, Manners(self.vsn, self.override))
        self.connections.append(scripted)
        await scripted.serve()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self.refuse_with is None:
            return None
        status, body = self.refuse_with
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
        if self.location:
            headers["Location"] = self.location
        return Response(status, HTTPStatus(status).phrase, headers, body.encode())
