"""Websockets to Realtime: after the check of the key the bytes pass untouched in both directions.

A relay that parses and repeats every message was measured against this: see docs/local-stack.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from spaces_sdk.local.gateway.access import NO_KEY, Refusal, check_key, with_apikey
from spaces_sdk.local.gateway.keys import KeyRing
from spaces_sdk.local.ports import HOST

if TYPE_CHECKING:
    from uvicorn.server import ServerState

WEBSOCKET_PATH = "/realtime/v1/websocket"
_UPSTREAM_PATH = "/socket/websocket"
_CONNECT_TIMEOUT_S = 5.0
_MAX_EARLY_BYTES = 256 * 1024


def tunnel_protocol(keys: KeyRing, realtime_port: int) -> type[asyncio.Protocol]:
    """The class that uvicorn hands the connection to at a websocket upgrade (its setting `ws`)."""

    class Tunnel(TunnelProtocol):
        def __init__(self, *, server_state: ServerState, **_: Any) -> None:
            super().__init__(keys, realtime_port, server_state)

    return Tunnel


class _Side(asyncio.Protocol):
    """One end of the tunnel; stops reading while the other end's buffer is full."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()  # what is still in its buffer goes out first

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()


class TunnelProtocol(_Side):
    """The client's end. uvicorn gives it the request's head first, then the connection itself."""

    def __init__(self, keys: KeyRing, realtime_port: int, server_state: ServerState) -> None:
        super().__init__()
        self._keys = keys
        self._port = realtime_port
        self._server_state = server_state
        self._has_head = False
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast("set[Any]", self._server_state.connections).add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        cast("set[Any]", self._server_state.connections).discard(self)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Called by uvicorn when the server stops."""
        if self.transport is not None:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            super().data_received(data)
        elif self._has_head:
            self._keep(data)
        else:
            self._has_head = True
            self._open(data)

    def _open(self, data: bytes) -> None:
        head, _, rest = data.partition(b"\r\n\r\n")
        self._early += rest
        outgoing = rewrite_head(self._keys, head, f"{HOST}:{self._port}")
        if isinstance(outgoing, Refusal):
            is_known = outgoing is not NOT_FOUND
            self._answer("401 Unauthorized" if is_known else "404 Not Found", outgoing.to_json())
            return
        task = asyncio.get_running_loop().create_task(self._connect(outgoing), name="tunnel-connect")
        self._server_state.tasks.add(task)  # uvicorn waits for it when it stops
        task.add_done_callback(self._server_state.tasks.discard)

    async def _connect(self, head: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, upstream = await loop.create_connection(_Side, HOST, self._port)
        except OSError:  # TimeoutError is one
            hint = "see `spaces status` and the log of realtime"
            body = {"code": "part_unavailable", "message": "cannot reach Realtime: it is not running", "hint": hint}
            self._answer("503 Service Unavailable", body)
            return
        transport = upstream.transport
        if self.transport is None or self.transport.is_closing() or transport is None:
            if transport is not None:
                transport.abort()
            return
        upstream.peer, self.peer = self, upstream
        transport.write(head + bytes(self._early))
        self._early.clear()

    def _keep(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > _MAX_EARLY_BYTES and self.transport is not None:
            self.transport.abort()  # no client sends that much before the answer to its upgrade

    def _answer(self, status: str, body: dict[str, str]) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + content)
        self.transport.close()


NOT_FOUND = Refusal("no websocket is served at this path", f"Realtime is at {WEBSOCKET_PATH}")


def rewrite_head(keys: KeyRing, head: bytes, host: str) -> bytes | Refusal:
    """The head of the upgrade request as Realtime wants it: its own path, tokens in the place of keys."""
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ", 2)
    path, _, query = target.partition("?")
    if path != WEBSOCKET_PATH:
        return NOT_FOUND
    fields = [line.partition(":")[::2] for line in lines[1:] if line]
    header = next((value.strip() for name, value in fields if name.lower() == "apikey"), None)
    role = check_key(keys, path, header, query)
    if isinstance(role, Refusal):
        return role
    dropped: Callable[[str], bool] = {"apikey", "x-api-key", "host"}.__contains__
    kept = [f"{name}:{value}" for name, value in fields if not dropped(name.lower())]
    target = f"{_UPSTREAM_PATH}?{with_apikey(query, keys.token(role))}"
    return "\r\n".join([f"{method} {target} {version}", f"host: {host}", *kept, "", ""]).encode("latin-1")


__all__ = ["NO_KEY", "TunnelProtocol", "rewrite_head", "tunnel_protocol"]
