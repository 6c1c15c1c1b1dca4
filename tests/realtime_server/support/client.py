"""A plain websocket client that speaks the frames by hand."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

from websockets.asyncio.client import ClientConnection, connect

from spaces_sdk.local.realtime.server import RealtimeServer
from tests.realtime_server.support.tokens import token

WITHIN_S = 60.0


class Received(NamedTuple):
    """One message of the server, whatever the version."""

    join_ref: Any
    ref: Any
    topic: str
    event: str
    payload: Any


class Client:
    """One connection; `receive` gives what comes in its order."""

    def __init__(self, socket: ClientConnection, version: str) -> None:
        self.socket = socket
        self.version = version
        self._refs = itertools.count(1)

    @classmethod
    @asynccontextmanager
    async def connected(
        cls, server: RealtimeServer, version: str = "2.0.0", *, api_key: str | None = None, **options: Any
    ) -> AsyncGenerator[Self]:
        """Connect with the anon key; `options` go to websockets' `connect`."""
        url = f"ws://127.0.0.1:{server.port}/socket/websocket?apikey={api_key or token('anon')}&vsn={version}"
        settings: dict[str, Any] = {"compression": None, "max_size": None, "ping_interval": None} | options
        async with connect(url, **settings) as socket:
            yield cls(socket, version)

    async def send(self, topic: str, event: str, payload: Any, *, join_ref: Any = None, ref: Any = None) -> str:
        """Send one message; its ref."""
        given = str(next(self._refs)) if ref is None else ref
        if self.version == "2.0.0":
            frame: Any = [join_ref, given, topic, event, payload]
        else:
            frame = {"topic": topic, "event": event, "payload": payload, "ref": given, "join_ref": join_ref}
        await self.socket.send(json.dumps(frame))
        return given

    async def receive(self, within_s: float = WITHIN_S) -> Received:
        """The next message."""
        async with asyncio.timeout(within_s):
            data = await self.socket.recv()
        if isinstance(data, bytes):
            return _user_broadcast(data)
        value = json.loads(data)
        if isinstance(value, list):
            return Received(*value)
        return Received(None, value["ref"], value["topic"], value["event"], value["payload"])

    async def receive_event(self, event: str, within_s: float = WITHIN_S) -> Received:
        """The next message of that event; others are passed over."""
        async with asyncio.timeout(within_s):
            while (message := await self.receive(within_s)).event != event:
                pass
        return message

    async def join(
        self,
        topic: str,
        *,
        user: str | None = None,
        config: dict[str, Any] | None = None,
        access_token: str | None = None,
    ) -> Received:
        """Join, privately for a user, and give the reply."""
        private = {"private": user is not None or access_token is not None}
        payload: dict[str, Any] = {"config": private | (config or {})}
        if access_token is not None or user is not None:
            payload["access_token"] = access_token or token(user or "")
        ref = f"j{next(self._refs)}"
        await self.send(topic, "phx_join", payload, join_ref=ref, ref=ref)
        return await self.receive()

    async def heartbeat(self) -> Received:
        """A round trip: whatever was sent before was handled by then."""
        ref = await self.send("phoenix", "heartbeat", {})
        while (message := await self.receive()).ref != ref or message.topic != "phoenix":
            pass
        return message


def _user_broadcast(data: bytes) -> Received:
    topic, event, metadata = data[1], data[2], data[3]
    start = 5
    fields: list[str] = []
    for length in (topic, event, metadata):
        fields.append(data[start : start + length].decode())
        start += length
    payload: Any = json.loads(data[start:]) if data[4] else data[start:]
    content: dict[str, Any] = {"event": fields[1], "payload": payload, "type": "broadcast"}
    if fields[2]:
        content["meta"] = json.loads(fields[2])
    return Received(None, None, fields[0], "broadcast", content)
