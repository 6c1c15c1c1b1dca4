"""Sockets of the actors: what they are answered, and all that they hear."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect

from tests.db.matrix.stage import Caller
from tests.support.eventually import eventually

WITHIN_S = 20.0
_PREFIX = "realtime:"


class Line:
    """One socket, with a channel for each topic.

    Attributes:
        heard: Topic and name of each broadcast.
        seen: Topic and key of everybody who was tracked.
    """

    def __init__(self, socket: ClientConnection, caller: Caller) -> None:
        self.heard: set[tuple[str, str]] = set()
        self.seen: set[tuple[str, str]] = set()
        self._socket = socket
        self._caller = caller
        self._refs = itertools.count(1)
        self._replies: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, caller: Caller) -> AsyncGenerator[Line]:
        """Connect; the gateway's refusal comes through as `InvalidStatus`."""
        query = urlencode({"vsn": "1.0.0"} | ({} if caller.key is None else {"apikey": caller.key}))
        address = f"{url.replace('http', 'ws', 1)}/realtime/v1/websocket?{query}"
        async with connect(address, proxy=None, max_size=None) as socket:
            line = cls(socket, caller)
            reader = asyncio.create_task(line._read(), name="socket of an actor")
            try:
                yield line
            finally:
                reader.cancel()
                await asyncio.wait([reader])

    async def join(self, topic: str, *, is_private: bool, key: str = "") -> bool:
        """Ask for a channel; whether it was given."""
        presence: dict[str, Any] = {"enabled": is_private, "key": key}
        payload: dict[str, Any] = {"config": {"private": is_private, "broadcast": {}, "presence": presence}}
        if self._caller.token is not None:
            payload["access_token"] = self._caller.token
        return await self._reply(await self._push(topic, "phx_join", payload)) == "ok"

    async def track(self, topic: str) -> None:
        """Want to be seen; the answer is what others see."""
        await self._push(topic, "presence", {"type": "presence", "event": "track", "payload": {"here": True}})

    async def broadcast(self, topic: str, name: str) -> None:
        """Speak; the answer is what others hear."""
        await self._push(topic, "broadcast", {"type": "broadcast", "event": name, "payload": {"said": name}})

    async def settle(self) -> None:
        """A round trip: what was sent before has been looked at."""
        await self._reply(await self._push("phoenix", "heartbeat", {}, prefix=""))

    async def _push(self, topic: str, event: str, payload: Any, *, prefix: str = _PREFIX) -> str:
        ref = str(next(self._refs))
        frame = {"topic": prefix + topic, "event": event, "payload": payload, "ref": ref}
        await self._socket.send(json.dumps(frame))
        return ref

    async def _reply(self, ref: str) -> str:
        await eventually(lambda: ref in self._replies, WITHIN_S, what=f"a reply to {ref}")
        return self._replies[ref]

    async def _read(self) -> None:
        async for data in self._socket:
            frame = json.loads(data)
            topic, payload = str(frame["topic"]).removeprefix(_PREFIX), frame["payload"]
            match frame["event"]:
                case "phx_reply":
                    self._replies[frame["ref"]] = payload["status"]
                case "broadcast":
                    self.heard.add((topic, payload["event"]))
                case "presence_diff":
                    self.seen |= {(topic, key) for key in payload["joins"]}
                case _:
                    pass
