"""Listens, serves, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Protocol, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.local.realtime.connection import Flusher, WebSocketConnection
from spaces_sdk.local.realtime.http import make_app
from spaces_sdk.local.realtime.hub import Hub
from spaces_sdk.local.realtime.settings import RealtimeSettings

_log = logging.getLogger(__name__)

_GRACE_S = 5


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept, and say so."""
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to the owner of the process."""
        yield


class _Http(H11Protocol):
    """Ends a connection on which no whole request arrives in time, whatever trickles in."""

    request_timeout_s = 5.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._waiting.cancel()
        self._wait_for_request()
        super().on_response_complete()

    def _wait_for_request(self) -> None:
        self._waiting = self.loop.call_later(self.request_timeout_s, self._give_up)

    def _give_up(self) -> None:
        # Once it has become a websocket, the transport is no longer this protocol's.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        has_request = cycle is not None and not cycle.response_complete
        if not has_request and self.transport.get_protocol() is self:
            self.transport.close()


class _ServerState(Protocol):
    connections: set[WebSocketConnection]


class RealtimeServer:
    """A running server; `serve` makes one."""

    def __init__(self, hub: Hub, port: int) -> None:
        self.hub = hub
        self.port = port


@asynccontextmanager
async def serve(settings: RealtimeSettings, *, clock: Clock | None = None) -> AsyncGenerator[RealtimeServer]:
    """Serve inside the `async with`; on the way out clients are told to come back later.

    Raises:
        OSError: The port is taken.
    """
    hub = Hub(settings, clock=clock or SystemClock())
    flusher = Flusher()

    class Connection(WebSocketConnection):
        def __init__(self, config: uvicorn.Config, server_state: _ServerState, app_state: object) -> None:
            del config, app_state
            super().__init__(hub, flusher, server_state.connections)

    class Http(_Http):
        request_timeout_s = settings.request_timeout_s

    config = uvicorn.Config(
        make_app(hub),
        host=settings.host,
        port=settings.port,
        loop="asyncio",
        http=Http,
        ws=Connection,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    uvicorn_server = _Uvicorn(config)
    with socket.create_server((settings.host, settings.port), backlog=2048) as listener:
        await hub.open()
        serving = asyncio.create_task(uvicorn_server.serve([listener]), name="uvicorn")
        try:
            await _until_up(uvicorn_server, serving)
            yield RealtimeServer(hub, int(listener.getsockname()[1]))
        finally:
            uvicorn_server.should_exit = True
            try:
                await serving
            finally:
                await hub.aclose()


async def _until_up(server: _Uvicorn, serving: asyncio.Task[None]) -> None:
    up = asyncio.create_task(server.is_up.wait(), name="uvicorn-up")
    try:
        await asyncio.wait([up, serving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        up.cancel()
    if serving.done():
        await serving


async def run_until_signal(settings: RealtimeSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with serve(settings) as server:
        _log.info("listening on %s:%d", settings.host, server.port)
        await ended.wait()
        _log.info("shutting down")
