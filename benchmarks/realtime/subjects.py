"""The two servers that are measured, each a process of its own, and how a client speaks to each."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import jwt
import psutil

from benchmarks.realtime.light_client import LightClient
from spaces_sdk.local.bootstrap import bootstrap
from spaces_sdk.local.postgres import PostgresCluster

_SECRET = secrets.token_hex(32)
_UNLIMITED = "100000000"
_READY_WITHIN_S = 20.0


class Subject(Protocol):
    """A server under measurement."""

    name: str
    process: psutil.Process

    async def join(self, room: str) -> LightClient:
        """A client that hears the room."""
        ...

    def say(self, client: LightClient, room: str, payload: dict[str, Any]) -> None:
        """Send to everybody in the room, the sender too."""
        ...


class LocalRealtime:
    """The Realtime of the local stack, protocol 2.0.0, public channels, limits out of the way."""

    name = "local Realtime"

    def __init__(self, process: psutil.Process, port: int) -> None:
        self.process = process
        self._port = port
        claims = {"role": "anon", "exp": int(time.time()) + 3600}
        self._path = f"/socket/websocket?apikey={jwt.encode(claims, _SECRET, 'HS256')}&vsn=2.0.0"

    async def join(self, room: str) -> LightClient:
        client = await LightClient.connect(self._port, self._path)
        config = {"broadcast": {"self": True}, "presence": {"enabled": False}, "private": False}
        client.send(["1", "1", f"realtime:{room}", "phx_join", {"config": config}])
        await client.reaches(1)
        client.count = 0
        return client

    def say(self, client: LightClient, room: str, payload: dict[str, Any]) -> None:
        content = {"type": "broadcast", "event": "n", "payload": payload}
        client.send(["1", "2", f"realtime:{room}", "broadcast", content])


class RawWebsockets:
    """`websockets` alone."""

    name = "raw websockets"

    def __init__(self, process: psutil.Process, port: int) -> None:
        self.process = process
        self._port = port

    async def join(self, room: str) -> LightClient:
        return await LightClient.connect(self._port, f"/{room}")

    def say(self, client: LightClient, room: str, payload: dict[str, Any]) -> None:
        content = {"type": "broadcast", "event": "n", "payload": payload}
        client.send([None, None, f"realtime:{room}", "broadcast", content])


@asynccontextmanager
async def local_realtime() -> AsyncGenerator[LocalRealtime]:
    """Run it on a Postgres of its own."""
    async with PostgresCluster.temporary() as cluster:
        await bootstrap(cluster.url())
        limits = ("MAX_EVENTS_PER_SECOND", "MAX_JOINS_PER_SECOND", "MAX_CONCURRENT_USERS")
        environment = {f"SPACES_REALTIME_{name}": _UNLIMITED for name in limits}
        environment |= {"SPACES_REALTIME_DB_URL": cluster.url(), "SPACES_REALTIME_JWT_SECRET": _SECRET}
        async with _running("spaces_sdk.local.realtime", environment) as (process, port):
            yield LocalRealtime(process, port)


@asynccontextmanager
async def raw_websockets() -> AsyncGenerator[RawWebsockets]:
    """Run it."""
    async with _running("benchmarks.realtime.raw_server", {}) as (process, port):
        yield RawWebsockets(process, port)


@asynccontextmanager
async def _running(module: str, environment: dict[str, str]) -> AsyncGenerator[tuple[psutil.Process, int]]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(port)) if "benchmarks" in module else (sys.executable, "-m", module),
        env={**os.environ, **environment, "SPACES_REALTIME_PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _listens(port)
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(_READY_WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
