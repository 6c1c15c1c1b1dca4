"""The websocket connection: upgrade, frames in, and a bounded queue of frames out.

The websocket protocol itself is websockets' own, without I/O. Frames go out as bytes that were made
once for all listeners; what gathers in one pass of the event loop goes out in one write.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from spaces_sdk.local.realtime.hub import Hub
from spaces_sdk.local.realtime.socket import Socket
from spaces_sdk.local.realtime.upgrade import Accepted, Refused, judge

_log = logging.getLogger(__name__)

CLOSE_NORMAL = 1000
CLOSE_INVALID_DATA = 1007
_NO_LINGER = struct.pack("ii", 1, 0)
_HIGH_WATER_BYTES = 256 * 1024
_IDLE_TICKS = 10
"""The silence of a client is reckoned in tenths of the limit, from the connection's start."""


class _Protocol(ServerProtocol):
    def fail(self, code: int, reason: str = "") -> None:
        del reason  # the real server closes without a reason
        super().fail(code)


class Flusher:
    """Writes what the connections gathered, at the end of the event loop's present pass."""

    def __init__(self) -> None:
        self._dirty: list[WebSocketConnection] = []

    def add(self, connection: WebSocketConnection) -> None:
        """Flush this connection soon."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.append(connection)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()


class WebSocketConnection(asyncio.Protocol):
    """One TCP connection that asked to become a websocket.

    `connections` is the server's set of those that are open.
    """

    def __init__(self, hub: Hub, flusher: Flusher, connections: set[WebSocketConnection]) -> None:
        self._connections = connections
        self._hub = hub
        self._flusher = flusher
        self._settings = hub.settings
        self._protocol = _Protocol(max_size=hub.settings.max_frame_bytes)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._socket: Socket | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._blocked_since: float | None = None
        self._is_closing = False
        self._is_aborted = False
        self._silent_ticks = 0
        self._fragments: list[bytes] = []
        self._fragments_are_text = False
        self._tracer = hub.tracer
        self._number = 0

    # From the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        # asyncio does this only for sockets that were made with the protocol named: without it small frames wait 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._connections.discard(self)
        self._is_closing = True
        self._transport = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._out.clear()
        if self._socket is not None:
            self._socket.closed()
            if self._tracer is not None:
                self._tracer.ended(self._number)

    def pause_writing(self) -> None:
        self._blocked_since = self._loop.time()

    def resume_writing(self) -> None:
        self._blocked_since = None
        self.flush()

    def data_received(self, data: bytes) -> None:
        self._silent_ticks = 0
        self._protocol.receive_data(data)
        self._handle_events()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._handle_events()

    def _handle_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._upgrade(event)
            elif isinstance(event, Frame):
                self._receive(event)
        self._send_protocol_data()
        if self._protocol.close_expected():
            self._end_soon()

    def _send_protocol_data(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._queue(data)
            elif self._transport is not None:
                # The protocol's sign that the TCP connection is to be closed.
                self.flush()
                self._is_closing = True
                self._transport.close()
                self._end_soon()

    # The upgrade.

    def _upgrade(self, request: Request) -> None:
        verdict = judge(self._hub, request)
        match verdict:
            case Refused(response, is_held_back):
                if self._tracer is not None:
                    self._tracer.refused(response.status_code, request.path)
                delay = self._settings.connect_error_delay_s if is_held_back else 0.0
                self._timers["refusal"] = self._loop.call_later(delay, self._respond, response)
            case Accepted():
                response = self._protocol.accept(request)
                self._respond(response)
                if self._protocol.handshake_exc is None:
                    if self._tracer is not None:
                        self._number = self._tracer.opened(request.path)
                    self._open_socket(verdict)

    def _respond(self, response: Response) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._protocol.send_response(response)
        self._send_protocol_data()

    def _open_socket(self, accepted: Accepted) -> None:
        self._socket = Socket(
            self._hub, self, version=accepted.version, api_key=accepted.api_key, headers=accepted.headers
        )
        self._tick()

    # Frames in.

    def _receive(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._fragments_are_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        if frame.data or not self._fragments:
            # Empty ones would gather without ever reaching the limit of a message.
            self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = self._fragments[0] if len(self._fragments) == 1 else b"".join(self._fragments)
        self._fragments = []
        if self._socket is None or self._is_closing:
            return
        try:
            message = data.decode() if self._fragments_are_text else data
        except UnicodeDecodeError:
            self.close(CLOSE_INVALID_DATA)
            return
        if self._tracer is not None:
            self._tracer.came(self._number, self._socket.version, message)
        self._socket.receive(message)

    def hold_reading(self, *, is_held: bool) -> None:
        """Read no more from the client for now, or again."""
        if self._transport is None or self._transport.is_closing():
            return
        if is_held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # Frames out.

    def send(self, frame: bytes) -> None:
        """Queue the bytes of a whole frame; over the bounds the connection is cut."""
        if self._is_closing:
            return
        if self._tracer is not None:
            self._tracer.went(self._number, frame)
        self._queue(frame)

    def _queue(self, data: bytes) -> None:
        if self._transport is None or self._is_aborted:
            return
        if not self._out and self._blocked_since is None:
            self._flusher.add(self)
        self._out.append(data)
        self._out_bytes += len(data)
        settings = self._settings
        if self._out_bytes > settings.outbound_max_bytes or len(self._out) > settings.outbound_max_frames:
            self.abort("the client reads too slowly")

    def flush(self) -> None:
        """Write what was gathered, unless the client is behind."""
        if self._transport is None or self._blocked_since is not None or not self._out:
            return
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        self._transport.write(data)

    # The end.

    def close(self, code: int) -> None:
        """Close with a code, after what is queued. Idempotent."""
        if self._is_closing or self._transport is None:
            return
        if self._protocol.state is State.OPEN:
            if self._tracer is not None:
                self._tracer.went(self._number, Frame(Opcode.CLOSE, code.to_bytes(2, "big")).serialize(mask=False))
            self._protocol.send_close(code)
        self._send_protocol_data()
        self._is_closing = True
        self._end_soon()

    def abort(self, reason: str) -> None:
        """Cut the connection at once, without a close frame. Idempotent."""
        if self._transport is None or self._is_aborted:
            return
        _log.info("a connection is cut: %s", reason)
        self._is_aborted = self._is_closing = True
        self._out.clear()
        self._out_bytes = 0
        # A reset, so that what the kernel still holds for this client is freed at once too.
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _end_soon(self) -> None:
        if self._transport is not None and "end" not in self._timers:
            self._timers["end"] = self._loop.call_later(self._settings.close_timeout_s, self._cut)

    def shutdown(self) -> None:
        """The server ends."""
        if self._socket is not None:
            self._socket.disconnect()
        elif self._transport is not None:
            self._transport.close()

    def _tick(self) -> None:
        self._timers["tick"] = self._loop.call_later(self._settings.idle_timeout_s / _IDLE_TICKS, self._tick)
        self._silent_ticks += 1
        if self._silent_ticks > _IDLE_TICKS:
            self.close(CLOSE_NORMAL)
        elif (
            self._blocked_since is not None and self._blocked_since < self._loop.time() - self._settings.send_timeout_s
        ):
            self.abort("the client does not read")
